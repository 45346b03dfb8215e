"""Connections to the history file, and its failures in words an operator understands.

Durability: with a write-ahead log and ``synchronous=NORMAL`` a commit is in the kernel's hands when the call
returns, so killing the process loses nothing; a power cut loses at most what was committed since the last
checkpoint (half a minute) and never leaves a broken file. The stricter ``FULL`` would wait for the
disk at every sample, and a slow disk is exactly what is to be measured. What a person typed is worth that
wait: see ``durable``.
"""

import contextlib
import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from loadwatch.errors import HistoryError
from loadwatch.files import kind_of
from loadwatch.state_directory import FILE_MODE

_CACHE_KIBIBYTES: Final = 512
_LOG_PAGES: Final = 8000
_CHECK_STEPS: Final = 10_000
_LEAST_ROOM: Final = 32_768
"""Bytes that SQLite's shared memory takes."""


class HistoryDamagedError(HistoryError):
    """The file is no database any more, or parts of it are unreadable."""


class HistoryBusyError(HistoryError):
    """Another process kept the file locked for too long."""


class HistoryUnwritableError(HistoryError):
    """The disk is full, read-only or failing, or the file may not be written."""


class HistoryFullError(HistoryUnwritableError):
    """The disk has no room."""


_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNWRITABLE: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}


@contextlib.contextmanager
def translated(path: Path, attempt: str) -> Iterator[None]:
    """Turn SQLite's errors into ours, saying what was attempted on which file.

    Raises:
        HistoryDamagedError, HistoryBusyError, HistoryUnwritableError: by what SQLite found.
        HistoryError: anything else.

    """
    try:
        yield
    except sqlite3.Error as error:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # Every table is made when the file is: one that is missing went with the pages it was on.
        if primary in _DAMAGED or str(error).startswith("no such table"):
            raise HistoryDamagedError(f"cannot {attempt} {path}: the file is damaged ({error})") from error
        if primary in _BUSY:
            raise HistoryBusyError(
                f"cannot {attempt} {path}: another process keeps it locked; try again, or end that process"
            ) from error
        if primary in _UNWRITABLE:
            kind = HistoryFullError if _is_full(error, path) else HistoryUnwritableError
            raise kind(
                f"cannot {attempt} {path}: {error}; free space on the disk and check its permissions"
            ) from error
        raise HistoryError(f"cannot {attempt} {path}: {error}") from error


def _is_full(error: sqlite3.Error, path: Path) -> bool:
    """Whether there is no room; SQLite calls it a fault of the disk where it makes its shared memory."""
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return True
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    free = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return free * disk.f_frsize < _LEAST_ROOM


def connect_writer(
    path: Path, *, busy_seconds: float, durable: bool, refuse: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    """A connection that may write, creating the file if there is none.

    It begins no transaction by itself (see ``transaction``) and waits ``busy_seconds`` for other writers.
    ``durable`` makes every commit wait for the disk. ``refuse`` raises where the file is not for us: it is
    asked before anything is set, for the settings below write to the file. One thread at a time may use it.
    """
    make_file(path)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        refuse(connection)
        # Only takes effect while the file is empty: freed pages can be given back to the disk in steps.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        # The daemon calls ``checkpoint`` every half minute; only where that fails does a commit do it by
        # itself, and wait for the disk.
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        # Once grown by a long reader or an import, the log is cut back to this at the next checkpoint.
        connection.execute("PRAGMA journal_size_limit = 8388608")
    except BaseException:
        connection.close()
        raise
    return connection


def make_file(path: Path) -> None:
    """Make an empty file for the history, which nobody but us and our group may read, where there is none.

    SQLite would make it as the umask says, and follow a link that lies there.

    Raises:
        HistoryUnwritableError: it cannot be made, or what lies there is no file.

    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Not opened where it exists: to close it again would end all of this process's locks on it.
        descriptor = os.open(path, flags, FILE_MODE)
    except FileExistsError:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise HistoryUnwritableError(
                f"cannot open {path}: it is {kind_of(mode)}, not a file; move it away"
            ) from None
    except OSError as error:
        kind = HistoryFullError if error.errno in {errno.ENOSPC, errno.EDQUOT} else HistoryUnwritableError
        raise kind(
            f"cannot open {path}: {error.strerror}; free space on the disk and check its permissions"
        ) from error
    else:
        os.fchmod(descriptor, FILE_MODE)
        os.close(descriptor)


def checkpoint(path: Path) -> None:
    """Move what the write-ahead log holds into the file, and wait for the disk; writers need not wait."""
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=rw", uri=True, timeout=0.0, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    finally:
        connection.close()


@contextlib.contextmanager
def reading(path: Path, attempt: str) -> Iterator[sqlite3.Connection]:
    """A connection for reading the file while the block runs; ``attempt`` says in errors what for.

    Raises:
        HistoryError: there is no file, or it cannot be read.

    """
    if not path.is_file():
        raise HistoryError(f"cannot {attempt} {path}: no history there; has the daemon run yet?")
    with translated(path, attempt):
        connection = connect_reader(path)
        try:
            yield connection
        finally:
            connection.close()


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; it neither blocks a writer nor is blocked by one.

    A reader without the right to write the directory cannot take part in the write-ahead log. Where no log
    exists there is no writer either, and the file can be read as it lies.
    """
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if _size(path.with_name(f"{path.name}-wal")):
            raise
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    return connection


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def transaction(
    connection: sqlite3.Connection, kind: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE"
) -> Iterator[None]:
    """All of the block is committed, or nothing of it; a deferred one on temporary tables locks nothing."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        # A full disk may have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def check(connection: sqlite3.Connection, *, budget_seconds: float | None) -> None:
    """Read through the whole file looking for damage, for at most ``budget_seconds``.

    What was not reached in time is believed to be whole.

    Raises:
        sqlite3.DatabaseError: damage was found.

    """
    if budget_seconds is not None:
        deadline = time.monotonic() + budget_seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_STEPS)
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if verdict != "ok":
        damage = sqlite3.DatabaseError(verdict)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
