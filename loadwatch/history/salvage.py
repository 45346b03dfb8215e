"""A damaged history file is set aside, and what is still readable moves into a new one."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from loadwatch.files import sync_folder
from loadwatch.history import database, schema
from loadwatch.history.pages import Row, find_samples
from loadwatch.history.rows import insertion
from loadwatch.signals import BY_NAME

_FURTHEST_SKIP: Final = 1 << 40
_BATCH_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What became of a damaged file; ``rows`` counts what was saved, by table."""

    aside: Path
    timestamp: float
    reason: str
    rows: dict[str, int]

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
    target = database.connect_writer(fresh, busy_seconds=1.0, durable=False, refuse=schema.refuse_foreign)
    try:
        schema.prepare(target, signals)
        rows = {"samples": _copy_samples(path, target, signals), **_copy(path, target)}
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
    return SalvageReport(aside, timestamp, reason, rows)


def _copy(path: Path, target: sqlite3.Connection) -> dict[str, int]:
    """Copy every readable row of every small table; returns rows by table."""
    tables = [name for (name,) in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {name: 0 for name in tables if name != "samples" and not name.startswith("sqlite_")}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as source:
        for table in rows:
            try:
                # Lets SQLite open a file that is shorter than its header says.
                source.execute("PRAGMA writable_schema = ON")
                names = [name for _, name, *_ in source.execute(f"PRAGMA table_info({table})")]
            except sqlite3.DatabaseError:
                continue
            statement = (
                f"INSERT OR IGNORE INTO {table} ({', '.join(map(schema.quoted, names))}) "  # noqa: S608
                f"VALUES ({', '.join('?' * len(names))})"
            )
            for row in _rows(source, table):
                rows[table] += _insert(target, statement, [row])
    return rows


def _rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table in the order of its key, jumping over what cannot be read.

    After an unreadable place the next try is 1, 2, 4, ... rows further on, so that a damaged page costs its
    own rows and at most as many again, and the end of the table is found in a few dozen tries.
    """
    key = "key" if table == "state" else "rowid"
    position: Any = "" if key == "key" else 0
    skip = 1
    while skip < _FURTHEST_SKIP:
        try:
            for last, *row in source.execute(
                f"SELECT {key}, * FROM {table} WHERE {key} >= ? ORDER BY {key}",  # noqa: S608 - own names
                (position,),
            ):
                if last < position:  # a page of nonsense leads back: going there again would never end
                    raise sqlite3.DatabaseError("rows out of order")
                yield tuple(row)
                position, skip = last if key == "key" else last + 1, 1
        except sqlite3.DatabaseError:
            if key == "key":
                return
            position, skip = position + skip, skip * 2
        else:
            return


def _copy_samples(path: Path, target: sqlite3.Connection, signals: tuple[str, ...]) -> int:
    """Copy the samples out of the bare pages; returns how many.

    SQL would find fewer of them, and worse: it takes the missing end of a cut page for zeros, and would make
    values of them that nobody measured.
    """
    names = _columns_of(path) or signals
    schema.add_columns(target, names)
    saved = 0
    waiting: dict[int, list[Row]] = {}
    never_negative = [place for place, name in enumerate(names, start=1) if name in BY_NAME]
    for row in find_samples(path):
        known = row[: len(names) + 1]
        if any((known[place] or 0.0) < 0 for place in never_negative if place < len(known)):
            continue  # partly overwritten
        batch = waiting.setdefault(len(known), [])
        batch.append(known)
        if len(batch) == _BATCH_ROWS:
            saved += _insert_samples(target, names, waiting.pop(len(known)))
    return saved + sum(_insert_samples(target, names, batch) for batch in waiting.values())


def _insert_samples(target: sqlite3.Connection, names: Sequence[str], batch: Sequence[Row]) -> int:
    """Add rows of one width, which is that of the first columns; those already there win."""
    return _insert(target, insertion(names[: len(batch[0]) - 1], conflict="IGNORE"), batch)


def _insert(target: sqlite3.Connection, statement: str, batch: Sequence[tuple[Any, ...]]) -> int:
    """Add the rows that the tables allow; returns how many."""
    before = target.total_changes
    with database.transaction(target):
        target.executemany(statement, batch)
    return target.total_changes - before


def _columns_of(path: Path) -> tuple[str, ...]:
    """The signals in the order of the damaged file's columns; nothing if it does not say.

    Read without the write-ahead log: the last connection to close would empty it, and samples are still to be
    found there.
    """
    uri = f"{path.absolute().as_uri()}?immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source:
        try:
            source.execute("PRAGMA writable_schema = ON")
            return schema.columns(source)
        except sqlite3.DatabaseError:
            return ()


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
