"""A damaged history file is set aside, and what is still readable moves into a new one."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from loadwatch.files import sync_folder
from loadwatch.history import database, schema

_FURTHEST_SKIP: Final = 1 << 40
_BATCH_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What became of a damaged file.

    ``rows`` counts what was saved, by table; ``complete`` says that nothing unreadable was met on the way.
    """

    aside: Path
    timestamp: float
    reason: str
    rows: dict[str, int]
    complete: bool

    def __str__(self) -> str:
        """One line for the log and for people."""
        saved = ", ".join(f"{count} {table}" for table, count in self.rows.items() if count) or "nothing"
        return f"history was damaged ({self.reason}); saved {saved}; the damaged file is {self.aside}"


def salvage(path: Path, *, timestamp: float, reason: str, signals: tuple[str, ...]) -> SalvageReport:
    """Replace the damaged file at ``path`` by a new one with all that can be read; no connection may be open.

    At every instant either the damaged file or the finished new one lies at ``path``: killed midway, it is
    all done again at the next start.

    Raises:
        OSError, sqlite3.Error: the new file cannot be written.

    """
    fresh = path.with_name(f"{path.name}.salvaging")
    for leftover in (fresh, _log(fresh), _shared(fresh)):
        leftover.unlink(missing_ok=True)
    target = database.connect_writer(fresh, busy_seconds=1.0, durable=False)
    try:
        schema.prepare(target, signals)
        rows, complete = _copy(path, target)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        target.close()
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    aside = _free_name(path, timestamp)
    os.link(path, aside)
    # The old log must be gone before the new file appears: SQLite would apply it to the wrong database.
    if _log(path).exists():
        _log(path).replace(_log(aside))
    _shared(path).unlink(missing_ok=True)
    fresh.replace(path)
    sync_folder(path.parent)
    return SalvageReport(aside, timestamp, reason, rows, complete)


def _copy(path: Path, target: sqlite3.Connection) -> tuple[dict[str, int], bool]:
    """Copy every readable row of every known table; (rows by table, whether all was readable)."""
    tables = [name for (name,) in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    wanted = [name for name in tables if not name.startswith("sqlite_")]
    rows = dict.fromkeys(wanted, 0)
    complete = True
    source = sqlite3.connect(path, isolation_level=None)
    try:
        # Lets SQLite open a file that is shorter than its header says.
        source.execute("PRAGMA writable_schema = ON")
        for table in wanted:
            rows[table], whole = _copy_table(source, target, table)
            complete = complete and whole
    except sqlite3.Error:
        complete = False
    finally:
        source.close()
    return rows, complete


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> tuple[int, bool]:
    reader = _Reader(source, table)
    saved = 0
    try:
        names = reader.columns()
        if table == "samples":
            schema.add_columns(target, names[1:])
        statement = (
            f"INSERT OR IGNORE INTO {table} ({', '.join(map(schema.quoted, names))}) "  # noqa: S608
            f"VALUES ({', '.join('?' * len(names))})"
        )
    except sqlite3.Error:
        return 0, False
    batch: list[tuple[Any, ...]] = []
    for row in reader.rows():
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            saved += _insert(target, statement, batch)
            batch.clear()
    return saved + _insert(target, statement, batch), reader.whole


def _insert(target: sqlite3.Connection, statement: str, batch: list[tuple[Any, ...]]) -> int:
    before = target.total_changes
    with database.transaction(target):
        for row in batch:
            # A row may be readable and yet nonsense (a text where a time should be): it is left behind.
            with contextlib.suppress(sqlite3.IntegrityError):
                target.execute(statement, row)
    return target.total_changes - before


class _Reader:
    """Reads a table in the order of its row numbers, jumping over what cannot be read."""

    def __init__(self, source: sqlite3.Connection, table: str) -> None:
        self._source = source
        self._table = table
        self.whole = True

    def columns(self) -> list[str]:
        """Names of the columns; empty where the table itself is lost."""
        return [name for _, name, *_ in self._source.execute(f"PRAGMA table_info({self._table})")]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Every row that can be read.

        After an unreadable place the next try is 1, 2, 4, ... rows further on, so that a damaged page costs
        its own rows and at most as many again, and the end of the table is found in a few dozen tries.
        """
        key = "key" if self._table == "state" else "rowid"
        position: Any = "" if key == "key" else 0
        skip = 1
        while skip < _FURTHEST_SKIP:
            try:
                for last, *row in self._source.execute(
                    f"SELECT {key}, * FROM {self._table} WHERE {key} >= ? ORDER BY {key}",  # noqa: S608
                    (position,),
                ):
                    yield tuple(row)
                    position, skip = last if key == "key" else last + 1, 1
            except sqlite3.DatabaseError:
                self.whole = False
                if key == "key":
                    return
                position, skip = position + skip, skip * 2
            else:
                return


def _free_name(path: Path, timestamp: float) -> Path:
    """A name with the date that nothing has yet."""
    date = datetime.fromtimestamp(timestamp, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = path.with_name(f"{path.stem}-damaged-{date}{path.suffix}")
    number = 2
    while name.exists():
        name = path.with_name(f"{path.stem}-damaged-{date}-{number}{path.suffix}")
        number += 1
    return name


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _shared(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")
