"""The one connection that writes, kept alive through what can happen to the file under it."""

import logging
import math
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loadwatch.errors import ServiceError
from loadwatch.history import database, rows, schema
from loadwatch.history.database import HistoryDamagedError, HistoryUnwritableError, translated
from loadwatch.history.salvage import SalvageReport, salvage
from loadwatch.records import Sample
from loadwatch.state_directory import make_folder

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 2.0
_OWNER_PATIENCE_SECONDS: Final = 0.5
_OPERATOR_PATIENCE_SECONDS: Final = 10.0
_MOVE_SECONDS: Final = 0.001
_NEARBY_SECONDS: Final = 3600.0


class Writer:
    """The writing connection to a history file; used by one thread at a time.

    The owner of the state directory looks for damage when it opens the file, does not wait for the disk at a
    commit, and waits little for other writers, because the next sample is due. An operator's command does the
    opposite.
    """

    def __init__(self, path: Path, signals: Iterable[str], *, owner: bool) -> None:
        self._path = path
        self._signals = tuple(signals)
        self._owner = owner
        self._connection: sqlite3.Connection | None = None
        self._log = path.with_name(f"{path.name}-wal")
        self._file: tuple[int, int] | None = None
        self._log_file: tuple[int, int] | None = None
        self._newest_moved = -math.inf
        self._opened = 0
        self._left: tuple[int, ...] | None = None
        self.columns: tuple[str, ...] = ()
        self.known: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def version(self) -> tuple[object, ...]:
        """What stays equal while nobody else writes anything into this file, see ``History.version``."""
        try:
            if self._connection is not None:
                (others,) = self._connection.execute("PRAGMA data_version").fetchone()
                state = _state(self._path)
                # Who damages the file commits nothing; what moved the log into it was a checkpoint of ours.
                return self._opened, others, self.columns, state == self._left or state
        except sqlite3.Error:
            pass  # whoever reads next will say so
        return (object(),)

    def leave(self) -> None:
        """Know the file as it is now, after we wrote into it ourselves."""
        self._left = _state(self._path)

    def connection(self) -> sqlite3.Connection:
        """The connection, opened if need be, and brought back if the file was removed or replaced under it.

        Raises:
            HistoryError: the file cannot be opened or written anew.

        """
        if self._connection is None:
            return self._open()
        if _identity(self._path) == self._file:
            return self._connection
        # The write-ahead log of the file that went must not be taken for one of the file that comes.
        if _identity(self._log) == self._log_file:
            self._log.unlink(missing_ok=True)
            self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
        if self._path.exists():
            log.warning("history file was replaced, using the new one path=%s", self._path)
            self.close()
            return self._open()
        return self._restore(self._connection)

    def add_columns(self, signals: Iterable[str]) -> None:
        """Give each signal a column.

        Raises:
            HistoryError: a name cannot be a column, or the file cannot be written.

        """
        connection = self.connection()
        with translated(self._path, "add a signal to"):
            schema.add_columns(connection, signals)
            self._know(connection)

    def insert(self, connection: sqlite3.Connection, sample: Sample) -> None:
        """Add a sample; where a row of its moment exists, it moves on by milliseconds."""
        # Only its own signals: another process may have removed the column of a foreign one.
        signals = tuple(sample.values)
        statement = rows.insertion(signals)
        cells = rows.row(sample.timestamp, sample.values, signals)
        room = sample.timestamp
        if 0 <= self._newest_moved - room < _NEARBY_SECONDS:
            # Begin where the last one found room: a clock that stands still must not cost ever more tries.
            room = self._newest_moved
        while True:
            try:
                connection.execute(statement, cells)
            except sqlite3.IntegrityError:
                room += _MOVE_SECONDS
                cells[0] = self._newest_moved = room
            else:
                return

    def replace_damaged(self, timestamp: float, damage: HistoryDamagedError) -> SalvageReport:
        """Set the damaged file aside under a name with the date, and go on with what could be saved of it.

        Raises:
            HistoryError: the new file cannot be written.

        """
        self.close()
        report = self.salvage(timestamp, damage)
        self._open()
        return report

    def salvage(self, timestamp: float, damage: HistoryDamagedError) -> SalvageReport:
        """The same while nobody writes: no connection is open, and none is opened.

        Raises:
            HistoryError: the new file cannot be written.

        """
        try:
            with translated(self._path, "salvage"):
                report = salvage(
                    self._path,
                    timestamp=timestamp,
                    reason=" ".join(str(damage.__cause__ or damage).split()),
                    signals=self._signals,
                )
        except OSError as error:
            raise HistoryUnwritableError(f"cannot salvage {self._path}: {error.strerror}") from error
        log.error("%s", report)
        return report

    def close(self) -> None:
        """End the connection; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _know(self, connection: sqlite3.Connection) -> None:
        self.columns = schema.columns(connection)
        self.known = frozenset(self.columns)

    def _open(self) -> sqlite3.Connection:
        with translated(self._path, "open"):
            connection = database.connect_writer(
                self._path,
                busy_seconds=_OWNER_PATIENCE_SECONDS if self._owner else _OPERATOR_PATIENCE_SECONDS,
                durable=not self._owner,
                refuse=schema.refuse_foreign,
            )
            try:
                schema.prepare(connection, self._signals)
                if self._owner:
                    database.check(connection, budget_seconds=_CHECK_SECONDS)
                self._know(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        self._opened += 1
        self._file, self._log_file = _identity(self._path), _identity(self._log)
        self.leave()
        return connection

    def _restore(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Write the removed file anew: the open connection still holds all of it."""
        log.error("history file was removed, writing it anew path=%s", self._path)
        try:
            make_folder(self._path.parent)
        except ServiceError as error:
            raise HistoryUnwritableError(f"cannot write {self._path} anew: {error}") from error
        database.make_file(self._path)
        with translated(self._path, "write anew"):
            copy = sqlite3.connect(self._path)
            try:
                connection.backup(copy)
            finally:
                copy.close()
        # In this order: a connection removes the log that lies at its path when it closes, even a newer one.
        self.close()
        return self._open()


def _state(path: Path) -> tuple[int, ...] | None:
    """Which file lies at ``path``, how large it is and when it was written into; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at ``path``; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
