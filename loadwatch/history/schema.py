"""The tables, and how a file written by an older loadwatch becomes one of today.

``PRAGMA user_version`` is the number of migrations a file has seen. A migration, once released, never
changes; a new need is a new function at the end of ``MIGRATIONS``. New signals need none: a column is added
when the first value arrives.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

from loadwatch.errors import HistoryError
from loadwatch.escaping import quoted as shown
from loadwatch.history.database import transaction
from loadwatch.signals import BY_NAME

LONGEST_NAME: Final = 200
"""Characters: names stand in tables, in labels of metrics and in messages."""
MOST_FOREIGN: Final = 1000
"""Signals of other names that a history holds. SQLite allows 2000 columns; the rest is for ours to come."""
APPLICATION_ID: Final = 0x6C6F6164  # "load": tells this file from any other SQLite database

_SPAN: Final = (
    "start_timestamp REAL NOT NULL, end_timestamp REAL NOT NULL CHECK (end_timestamp >= start_timestamp)"
)
# AUTOINCREMENT: an identity that an operator wrote down is never given to another row.
_IDENTITY: Final = "id INTEGER PRIMARY KEY AUTOINCREMENT"


def _first_tables(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE samples (timestamp REAL NOT NULL PRIMARY KEY)")
    connection.execute(
        f"CREATE TABLE labels ({_IDENTITY}, {_SPAN}, "
        "kind TEXT NOT NULL CHECK (kind IN ('high', 'normal', 'incident')), why TEXT NOT NULL)"
    )
    connection.execute(f"CREATE TABLE maintenance ({_IDENTITY}, {_SPAN}, why TEXT NOT NULL)")
    connection.execute(f"CREATE TABLE training_spans ({_IDENTITY}, {_SPAN})")
    connection.execute(
        f"CREATE TABLE alerts ({_IDENTITY}, verdict TEXT NOT NULL, start_timestamp REAL NOT NULL, "
        "end_timestamp REAL, record TEXT NOT NULL, UNIQUE (verdict, start_timestamp))"
    )
    connection.execute("CREATE INDEX alerts_by_start ON alerts (start_timestamp)")
    connection.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


MIGRATIONS: Final[list[Callable[[sqlite3.Connection], None]]] = [_first_tables]


def refuse_foreign(connection: sqlite3.Connection) -> None:
    """Leave alone what is not ours to read.

    Raises:
        HistoryError: a newer loadwatch or another program wrote the file.

    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == APPLICATION_ID and version > len(MIGRATIONS):
        raise HistoryError(
            f"the history has schema version {version}, this loadwatch knows up to {len(MIGRATIONS)}: "
            "a newer loadwatch wrote it; upgrade this one, or choose another --state-directory"
        )
    if application != APPLICATION_ID and connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        raise HistoryError(
            "the file is the database of another program; move it away, or choose another --state-directory"
        )


def prepare(connection: sqlite3.Connection, signals: Iterable[str]) -> None:
    """Bring a file of any age to today's schema, with a column for each of ``signals``.

    Raises:
        HistoryError: a newer loadwatch or another program wrote the file.

    """
    refuse_foreign(connection)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, migrate in enumerate(MIGRATIONS[version:], start=version + 1):
        with transaction(connection):
            migrate(connection)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    add_columns(connection, signals)


def columns(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The signals that have a column, in the order of the columns."""
    names = [name for _, name, *_ in connection.execute("PRAGMA table_info(samples)")]
    return tuple(names[1:])


def add_columns(connection: sqlite3.Connection, signals: Iterable[str]) -> None:
    """Give each of ``signals`` a column; those that have one keep it.

    Raises:
        HistoryError: a name cannot be a column, or there is no room for so many; then none was added.

    """
    for signal in check_new(signals, columns(connection)):
        connection.execute(f"ALTER TABLE samples ADD COLUMN {quoted(signal)} REAL")


def check_new(signals: Iterable[str], present: Iterable[str]) -> list[str]:
    """Those of ``signals`` that are not among the ``present`` columns and may be added.

    Raises:
        HistoryError: as for ``add_columns``.

    """
    # SQL does not tell upper from lower case in names.
    taken = {name.casefold(): name for name in ("timestamp", *present)}
    new = []
    for signal in signals:
        same = taken.get(signal.casefold())
        if same == signal and signal != "timestamp":
            continue
        if same is not None:
            raise HistoryError(
                f"cannot store signal {shown(signal)}: its name is too like {shown(same)}; rename it"
            )
        if not signal.isprintable() or not signal.strip() or len(signal) > LONGEST_NAME:
            raise HistoryError(
                f"cannot store signal {shown(signal)}: a name needs printable characters, at most "
                f"{LONGEST_NAME}; rename it"
            )
        new.append(signal)
        taken[signal.casefold()] = signal
    foreign = len(taken.keys() - BY_NAME.keys()) - 1
    # Ours are never refused: an older file may hold more of the others.
    if foreign > MOST_FOREIGN and not BY_NAME.keys() >= set(new):
        raise HistoryError(
            f"cannot store {foreign:,} signals of names that loadwatch does not know: there is room for "
            f"{MOST_FOREIGN:,}; leave out columns, or make room with loadwatch history forget"
        )
    return new


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
