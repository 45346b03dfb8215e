"""The history of a daemon: there at once, whatever state its file is in."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from loadwatch.clock import Clock
from loadwatch.errors import HistoryError
from loadwatch.history import schema
from loadwatch.history.database import HistoryDamagedError, HistoryFullError, HistoryUnwritableError
from loadwatch.history.history import History
from loadwatch.history.writer import Writer
from loadwatch.signals import NAMES

log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 60.0
"""Between two attempts to mend a file, where the first failed: for want of room, for example."""


class DeferredHistory(History):
    """A history whose damage is mended beside everything else, and whose file may wait for room on the disk.

    ``trouble`` says in words why there is no file to use, and is empty where there is one. Meanwhile reads
    find an empty history, samples wait in memory, and what else is to be written is refused.
    """

    def __init__(self, path: Path, *, clock: Clock, writer: Writer | None, repair: bool) -> None:
        super().__init__(path, clock=clock, writer=writer, repair=repair)
        self.trouble = ""
        self._ended = threading.Event()
        self._mender: threading.Thread | None = None

    @classmethod
    def open(cls, path: Path, *, clock: Clock, signals: Sequence[str] = NAMES, repair: bool = True) -> Self:
        """Open for writing, creating the file if there is none.

        Raises:
            HistoryError: the file is not ours to use, or there is no right to use it.

        """
        history = cls(path, clock=clock, writer=Writer(path, signals, owner=repair), repair=repair)
        try:
            with history._writing("open"):
                pass
        except HistoryDamagedError as damage:
            history._mend(damage)
        except HistoryFullError as error:
            history._tell_failure(error)
            if not history._can_be_read():
                history.trouble = str(error)
        return history

    def close(self) -> None:
        """Write what waits, if that is possible now, and close the file; what is being mended is left."""
        self._ended.set()
        if self.trouble and self._unsaved:
            log.error("samples given up at the end count=%d error=%s", len(self._unsaved), self.trouble)
        super().close()

    @contextlib.contextmanager
    def _connected(self, attempt: str) -> Iterator[sqlite3.Connection]:
        if self.trouble:
            with contextlib.closing(_connect_empty()) as connection:
                yield connection
            return
        with super()._connected(attempt) as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self, attempt: str) -> Iterator[sqlite3.Connection]:
        self._refuse_while_mending(attempt)
        with super()._writing(attempt) as connection:
            self.trouble = ""
            yield connection

    def _write_unsaved(self) -> None:
        self._refuse_while_mending("append to")
        super()._write_unsaved()
        self.trouble = ""

    def _refuse_while_mending(self, attempt: str) -> None:
        if self._mender is not None:
            raise HistoryUnwritableError(f"cannot {attempt} {self.path} now: {self.trouble}")

    def _can_be_read(self) -> bool:
        try:
            with super()._connected("open") as connection:
                connection.execute("SELECT 1 FROM samples LIMIT 1")
        except HistoryError:
            return False
        return True

    def _mend(self, damage: HistoryDamagedError) -> None:
        """Begin to replace the damaged file, where that is not under way."""
        with self._lock:
            if self._mender is not None:
                return
            log.error("history is damaged, saving what can be read of it; samples wait in memory: %s", damage)
            self.trouble = f"it was damaged, and what can be read of it is being saved ({damage})"
            self._writable().close()
            self._mender = threading.Thread(target=self._salvage, args=(damage,), name="salvage", daemon=True)
            self._mender.start()

    def _salvage(self, damage: HistoryDamagedError) -> None:
        try:
            report = self._writable().salvage(self._clock.wall(), damage)
        except HistoryError as error:
            log.error("the damaged history waits to be mended: %s", error)
            self._ended.wait(AGAIN_SECONDS)
            self._mender = None
            return
        with self._lock:
            self.salvage, self.trouble, self._mender = report, "", None
            self.salvages += 1
            self._counted = None


def _connect_empty() -> sqlite3.Connection:
    """A history in memory that holds nothing."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.prepare(connection, ())
    return connection
