"""The stored history of one host."""

import contextlib
import itertools
import logging
import math
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, Self

from loadwatch.clock import Clock, SystemClock
from loadwatch.errors import HistoryError
from loadwatch.history import bulk, database, rows, schema
from loadwatch.history.annotations import Annotations
from loadwatch.history.belief import BelievedClock
from loadwatch.history.database import HistoryDamagedError, transaction, translated
from loadwatch.history.salvage import SalvageReport
from loadwatch.history.writer import Writer
from loadwatch.records import Recording, Sample, Span
from loadwatch.signals import NAMES

log = logging.getLogger(__name__)

UNSAVED_LIMIT: Final = 3600
"""Samples kept in memory while they cannot be written: an hour at one a second, about 7 MB."""

ALWAYS: Final = Span(-math.inf, math.inf)


class History(Annotations):
    """Samples, labels, windows, alerts and state in one file.

    Any thread may call any method: writes take turns on one connection, each read opens a short-lived
    connection of its own, so that reading weeks of history never makes a sample wait.

    ``appended`` has how many samples were written and the time of the last; ``failures`` counts writes of
    samples that failed, ``lost`` the samples given up, ``unsaved`` those waiting in memory; ``salvage`` tells
    of the last damaged file found since the start, ``salvages`` counts them.
    """

    def __init__(self, path: Path, *, clock: Clock, writer: Writer | None, repair: bool) -> None:
        self.path = path
        self.failures = 0
        self.lost = 0
        self.appended = (0, -math.inf)
        self.salvage: SalvageReport | None = None
        self.salvages = 0
        self._clock = clock
        self._writer = writer
        self._repair = repair
        self._lock = threading.RLock()
        self._shared = threading.local()
        self._unsaved: deque[Sample] = deque()
        self._storing_fails = False
        self._written = 0
        self._counted: tuple[float, int] | None = None  # how many rows lie before a time
        self._believed = BelievedClock(clock)

    @classmethod
    def open(cls, path: Path, *, clock: Clock, signals: Sequence[str] = NAMES, repair: bool = True) -> Self:
        """Open for writing, creating the file if there is none.

        ``repair`` is for the one owner of the state directory (see ``StateLock``): a damaged file is set
        aside and salvaged. Without it, for commands that write beside a running daemon, damage is an error,
        and every commit waits for the disk, because an operator typed it.

        Raises:
            HistoryError: the file cannot be used; its subclass says whether damaged, busy or unwritable.

        """
        history = cls(path, clock=clock, writer=Writer(path, signals, owner=repair), repair=repair)
        try:
            with history._writing("open"):
                pass
        except HistoryDamagedError as error:
            history._mend(error)
        return history

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open for reading only, also while a daemon writes.

        Raises:
            HistoryError: there is no file, or it cannot be read.

        """
        history = cls(path, clock=SystemClock(), writer=None, repair=False)
        with history._reading("open") as connection:
            schema.refuse_foreign(connection)
        return history

    @property
    def stores(self) -> bool:
        """Whether the newest sample could be written; where not, it waits in memory."""
        return not self._storing_fails

    @property
    def unsaved(self) -> int:
        """Samples waiting in memory because they could not be written."""
        return len(self._unsaved)

    def version(self) -> object:
        """What equals its earlier value as long as nobody wrote anything but samples by ``append`` here.

        Costs less than any reading: for one who asks every few seconds whether to read again what other
        processes may have written. It may change where nothing did, never the other way.
        """
        with self._lock:  # what is being written now is written when this returns
            return (*self._writable().version(), self._written, self.salvages)

    def append(self, sample: Sample) -> bool:
        """Commit a sample; False where that failed and it waits in memory.

        Never raises for what can happen to a disk: the daemon goes on measuring, and the waiting samples (at
        most ``UNSAVED_LIMIT``, the oldest are given up) are written with the first that succeeds. A damaged
        file is replaced on the spot. Where a row of the same moment exists, which takes a wall clock set
        back, the new row moves on by milliseconds: every row is kept.
        """
        with self._lock:
            if len(self._unsaved) >= UNSAVED_LIMIT:
                self._unsaved.popleft()
                self.lost += 1
            self._unsaved.append(sample)
            try:
                try:
                    self._write_unsaved()
                except HistoryDamagedError as error:
                    self._mend(error)
                    self._write_unsaved()
            except HistoryError as error:
                self.failures += 1
                self._tell_failure(error)
                return False
            if self._storing_fails:
                self._storing_fails = False
                log.info("samples are stored again lost=%d", self.lost)
            return True

    def _tell_failure(self, error: HistoryError) -> None:
        if not self._storing_fails:
            self._storing_fails = True
            log.error("samples cannot be stored, keeping them in memory error=%s", error)

    def merge(
        self, recordings: Recording | Iterable[Recording], *, annotations_of: "History | None" = None
    ) -> int:
        """Add the rows whose moments are not there yet: all, or where anything fails, nothing at all.

        Recordings are taken one by one; other writers wait only while the whole moves in at the end. With
        ``annotations_of`` come the labels, windows and alerts of another history. Returns the new rows.

        Raises:
            HistoryError: nothing was written; also whatever the recordings raise.

        """
        parts = [recordings] if isinstance(recordings, Recording) else recordings
        span = annotations_of.span() if annotations_of else None
        told = bulk.annotations_of(annotations_of, span.end) if annotations_of and span else {}
        with self._writing("import into") as connection, bulk.staged(connection) as staging:
            for part in parts:
                staging.add(part)
            return staging.commit(told, self._clock.wall())

    def copy_to(self, path: Path) -> None:
        """Write all of it, as it is at one moment, to a new file."""
        with self._reading(f"copy to {path}") as connection:
            connection.execute("VACUUM INTO ?", (str(path),))

    def forget(self, span: Span) -> tuple[int, tuple[str, ...]]:
        """Remove the samples of a span, and every signal not of ours that holds nothing then.

        Returns how many rows went, and which signals.

        Raises:
            HistoryError: nothing was removed.

        """
        with self._writing("forget in") as connection:
            removed, signals = bulk.forget(connection, span, self._clock.wall())
        self._give_back()
        self._counted = None
        return removed, signals

    def recording(
        self,
        start: float | None = None,
        end: float | None = None,
        *,
        signals: Sequence[str] | None = None,
        step: float | None = None,
    ) -> Recording:
        """The rows with ``start <= timestamp < end`` (epoch seconds), of all or of the named signals.

        With ``step`` (seconds) the mean over each step in which something was measured, stamped with the
        step's end: the moment from which it is known. A signal that was never stored is all NaN. The memory
        taken is that of the arrays, 8 bytes a value.

        Raises:
            HistoryError: the file cannot be read.

        """
        span = Span(-math.inf if start is None else start, math.inf if end is None else end)
        with self._reading("read") as connection:
            return rows.read_rows(connection, span, signals, step)

    def slices(self, start: float | None = None) -> Iterator[Recording]:
        """The rows from ``start`` on, some thousand at a time, as they are at the first of them."""
        with self._reading("read") as connection:
            yield from rows.read_slices(connection, -math.inf if start is None else start)

    def span(self, within: Span = ALWAYS) -> Span | None:
        """From the first row to the last of those ``within`` a span, None where there is none."""
        # Each by itself is one step in the index; asked for together SQLite walks through all of it.
        rows = "FROM samples WHERE timestamp >= :start AND timestamp < :end"
        ends = f"SELECT (SELECT min(timestamp) {rows}), (SELECT max(timestamp) {rows})"
        with self._reading("read") as connection:
            first, last = connection.execute(ends, asdict(within)).fetchone()
        return None if first is None else Span(first, last)

    def measured_seconds(self, within: Span) -> float:
        """How long was measured within a span; gaps do not count (``records.measured_steps``)."""
        return self.recording(within.start, within.end, signals=()).measured_seconds

    def row_count(self, start: float | None = None, end: float | None = None) -> int:
        """How many rows there are with ``start <= timestamp < end``."""
        with self._reading("read") as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM samples WHERE timestamp >= ? AND timestamp < ?",
                (-math.inf if start is None else start, math.inf if end is None else end),
            ).fetchone()
        return int(count)

    def current_row_count(self) -> int:
        """How many rows there are, for one who asks every few seconds.

        Counted in full after each ``prune``; in between only what came after. Older rows that were imported
        meanwhile are missing until then.
        """
        counted = self._counted
        if counted is None:
            span = self.span()
            if span is None:
                return 0
            counted = self._counted = (span.end, self.row_count(end=span.end))
        return counted[1] + self.row_count(start=counted[0])

    def gaps(self, longer_than: float) -> list[Span]:
        """Where more than ``longer_than`` seconds lie between one row and the next."""
        with self._reading("read") as connection:
            return rows.gaps(connection, longer_than)

    def prune(self, keep_seconds: float) -> int:
        """Remove what is older than ``keep_seconds``, alerts 400 days; returns the number of rows removed.

        Done in short transactions, so that samples find their turn in between; freed space is given back to
        the disk. A wall clock that was set forward is not believed until it has stood for a day: an hour in
        the wrong century must not cost the history.

        Raises:
            HistoryError: the file cannot be written.

        """
        now = self._believed.now()
        removed, batch = 0, 1
        while batch:
            with self._writing("prune") as connection:
                batch = bulk.prune_samples(connection, now - keep_seconds)
            removed += batch
        with self._writing("prune") as connection:
            bulk.prune_annotations(connection, now, keep_seconds)
        self._give_back()
        self._counted = None
        return removed

    def verify(self) -> None:
        """Read the whole file looking for damage; the owner replaces a damaged one, see ``salvage``.

        Raises:
            HistoryError: it is damaged or cannot be read, and this process is not the owner.

        """
        try:
            with self._connected("verify") as connection:
                database.check(connection, budget_seconds=None)
        except HistoryDamagedError as error:
            self._mend(error)

    def close(self) -> None:
        """Write what waits, if that is possible now, and close the file."""
        with self._lock:
            if self._writer is None or not self._writer.is_open:
                return
            try:
                self._write_unsaved()
            except HistoryError as error:
                self.failures += 1
                log.error("samples given up at the end count=%d error=%s", len(self._unsaved), error)
            finally:
                self._writer.close()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let the reads of this thread share a connection: opening one costs more than most reads."""
        with self._reading("read") as connection:
            self._shared.connection = connection
            try:
                yield
            finally:
                self._shared.connection = None

    @contextlib.contextmanager
    def _reading(self, attempt: str) -> Iterator[sqlite3.Connection]:
        # Here too: the writer may go on for long with what it remembers of a file that is gone.
        with self._mending(attempt), self._connected(attempt) as connection:
            yield connection

    @contextlib.contextmanager
    def _connected(self, attempt: str) -> Iterator[sqlite3.Connection]:
        shared: sqlite3.Connection | None = getattr(self._shared, "connection", None)
        if shared is not None:
            with translated(self.path, attempt):
                yield shared
            return
        with database.reading(self.path, attempt) as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self, attempt: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._writable().connection()
            self._written += 1
            with self._mending(attempt), translated(self.path, attempt):
                yield connection

    @contextlib.contextmanager
    def _mending(self, attempt: str) -> Iterator[None]:
        try:
            yield
        except HistoryDamagedError as damage:
            self._mend(damage)
            raise HistoryError(f"cannot {attempt} {self.path} now: it was damaged and is mended") from damage

    def _writable(self) -> Writer:
        if self._writer is None:
            raise HistoryError(f"cannot write {self.path}: it was opened for reading")
        return self._writer

    def _mend(self, damage: HistoryDamagedError) -> None:
        """Replace the damaged file, or raise the damage where that is not for this process to do."""
        if not self._repair:
            raise damage
        with self._lock:
            self.salvage = self._writable().replace_damaged(self._clock.wall(), damage)
            self.salvages += 1
            self._counted = None

    def _write_unsaved(self) -> None:
        writer = self._writable()
        while self._unsaved:
            batch = list(itertools.islice(self._unsaved, bulk.BATCH_ROWS))
            connection = writer.connection()
            for sample in batch:
                if not writer.known.issuperset(sample.values):
                    writer.add_columns(sample.values)
            with translated(self.path, "append to"), transaction(connection):
                for sample in batch:
                    writer.insert(connection, sample)
            for _ in batch:
                self._unsaved.popleft()
            self.appended = self.appended[0] + len(batch), batch[-1].timestamp

    def _give_back(self) -> None:
        """Return the free pages to the disk."""
        before, free = math.inf, self._free_pages()
        while 0 < free < before:
            with self._writing("shrink") as connection:
                connection.execute(f"PRAGMA incremental_vacuum({bulk.BATCH_ROWS})").fetchall()
            before, free = free, self._free_pages()
        self.checkpoint()

    def checkpoint(self) -> None:
        """Bring what was committed so far onto the disk; appending goes on meanwhile.

        Raises:
            HistoryError: the disk did not take it; it stays in the log and is tried again the next time.

        """
        with translated(self.path, "checkpoint"):
            database.checkpoint(self.path)
        with self._lock:
            self._writable().leave()

    def _free_pages(self) -> int:
        with self._writing("shrink") as connection:
            return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
