"""Many rows at once, in and out of the samples: all of it is done, or nothing."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from loadwatch.errors import HistoryError
from loadwatch.history import rows, schema
from loadwatch.history.annotations import Annotations, mark_rewritten
from loadwatch.history.database import transaction
from loadwatch.records import Recording, Span
from loadwatch.signals import BY_NAME

COPIED: Final[Mapping[str, str]] = {
    "labels": "start_timestamp, end_timestamp, kind, why",
    "maintenance": "start_timestamp, end_timestamp, why",
    "training_spans": "start_timestamp, end_timestamp",
    "alerts": "verdict, start_timestamp, end_timestamp, record",
}
"""What a history says beside its samples and goes with it to another machine; the state does not."""

BATCH_ROWS: Final = 500
"""Of one transaction, so that samples find their turn in between."""
_ALERTS_KEPT_SECONDS: Final = 400 * 86_400.0


class Staging:
    """Rows on their way in: kept in a temporary database on the disk, which goes with the connection.

    Nothing of them is in the history before ``commit``, and no other writer has to wait for a slow source.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._signals: dict[str, None] = {}

    def add(self, recording: Recording) -> None:
        """Take further rows; of rows of one moment the first counts.

        Raises:
            HistoryError: the history could not hold these signals.

        """
        if new := [signal for signal in recording.signals if signal not in self._signals]:
            schema.check_new((*self._signals, *new), schema.columns(self._connection))
            for signal in new:
                self._connection.execute(f"ALTER TABLE temp.staged ADD COLUMN {schema.quoted(signal)} REAL")
            self._signals |= dict.fromkeys(new)
        statement = rows.insertion(recording.signals, table="temp.staged")
        for first in range(0, len(recording), BATCH_ROWS):
            with transaction(self._connection, "DEFERRED"):
                self._connection.executemany(
                    statement, rows.cells_of(recording.rows(first, first + BATCH_ROWS))
                )

    def commit(self, annotations: Mapping[str, Sequence[tuple[Any, ...]]], now: float) -> int:
        """Move all of it into the history, columns and ``annotations`` too; how many rows were new."""
        with transaction(self._connection):
            before = schema.columns(self._connection)
            schema.add_columns(self._connection, (name for name in self._signals if name not in before))
            names = ", ".join(["timestamp", *map(schema.quoted, self._signals)])
            older = self._connection.execute(
                "SELECT 1 FROM temp.staged WHERE timestamp < (SELECT max(timestamp) FROM main.samples)"
            ).fetchone()
            added = self._connection.execute(
                f"INSERT OR IGNORE INTO main.samples ({names}) SELECT {names} FROM temp.staged "  # noqa: S608
                "ORDER BY timestamp, rowid"
            ).rowcount
            changes = self._connection.total_changes
            for table, values in annotations.items():
                _insert_new(self._connection, table, values)
            if (added and older) or self._connection.total_changes > changes:
                mark_rewritten(self._connection, now)
        return added


@contextlib.contextmanager
def staged(connection: sqlite3.Connection) -> Iterator[Staging]:
    """An empty staging on a writing connection; whatever becomes of it, nothing is left of it."""
    connection.execute("CREATE TEMP TABLE staged (timestamp REAL NOT NULL)")
    try:
        yield Staging(connection)
    finally:
        connection.execute("DROP TABLE temp.staged")


def annotations_of(history: Annotations, end: float) -> dict[str, list[tuple[Any, ...]]]:
    """What a history that ends at ``end`` says of its samples, as rows of the tables of ``COPIED``.

    Its open alerts end with it.

    Raises:
        HistoryError: it is not what we wrote.

    """
    try:
        alerts = history.alerts()
    except (KeyError, TypeError, ValueError) as error:
        raise HistoryError(f"cannot take over the alerts: a record of one is not ours ({error!r})") from error
    ended = [each if each.end is not None else replace(each, end=max(each.start, end)) for each in alerts]
    return {
        "labels": [(*_ends(label.span), label.kind, label.why) for label in history.labels()],
        "maintenance": [(*_ends(window.span), window.why) for window in history.maintenance()],
        "training_spans": [_ends(span) for span in history.training_spans()],
        "alerts": [(each.verdict, each.start, each.end, json.dumps(each.to_plain())) for each in ended],
    }


def _ends(span: Span) -> tuple[float, float]:
    return span.start, span.end


def forget(connection: sqlite3.Connection, span: Span, now: float) -> tuple[int, tuple[str, ...]]:
    """Remove the samples of a span, and the columns of foreign signals that hold nothing any more.

    Answers how many rows went, and which columns. What goes is overwritten with zeros: a salvage that reads
    bare pages must not find rows in the order of columns that are no more.
    """
    connection.execute("PRAGMA secure_delete = ON")
    try:
        with transaction(connection):
            removed = connection.execute(
                "DELETE FROM samples WHERE timestamp >= ? AND timestamp < ?", (span.start, span.end)
            ).rowcount
            if removed:
                mark_rewritten(connection, now)
            empty = _empty_columns(connection)
            if empty:
                _remove_columns(connection, empty)
    finally:
        connection.execute("PRAGMA secure_delete = OFF")
    return removed, empty


def prune_samples(connection: sqlite3.Connection, before: float) -> int:
    """Remove a batch of the samples older than ``before``; returns how many it had."""
    oldest = "SELECT rowid FROM samples WHERE timestamp < ? LIMIT ?"
    return connection.execute(f"DELETE FROM samples WHERE rowid IN ({oldest})", (before, BATCH_ROWS)).rowcount  # noqa: S608


def prune_annotations(connection: sqlite3.Connection, now: float, keep_seconds: float) -> None:
    """Remove what ended more than ``keep_seconds`` before ``now``, alerts after 400 days at the earliest."""
    for table in ("labels", "maintenance", "training_spans"):
        connection.execute(
            f"DELETE FROM {table} WHERE end_timestamp < ?",  # noqa: S608 - own names
            (now - keep_seconds,),
        )
    kept_from = now - max(keep_seconds, _ALERTS_KEPT_SECONDS)
    connection.execute("DELETE FROM alerts WHERE start_timestamp < ?", (kept_from,))


def _empty_columns(connection: sqlite3.Connection) -> tuple[str, ...]:
    foreign = [name for name in schema.columns(connection) if name not in BY_NAME]
    if not foreign:
        return ()
    counts = connection.execute(
        f"SELECT {', '.join(f'count({schema.quoted(name)})' for name in foreign)} FROM samples"  # noqa: S608
    ).fetchone()
    return tuple(name for name, count in zip(foreign, counts, strict=True) if count == 0)


def _remove_columns(connection: sqlite3.Connection, removed: Sequence[str]) -> None:
    """Write the table anew without them: once, where dropping each would write it once for each."""
    gone = set(removed)
    kept = [schema.quoted(name) for name in schema.columns(connection) if name not in gone]
    connection.execute(
        f"CREATE TABLE kept (timestamp REAL NOT NULL PRIMARY KEY{''.join(f', {name} REAL' for name in kept)})"
    )
    names = ", ".join(["timestamp", *kept])
    connection.execute(f"INSERT INTO kept ({names}) SELECT {names} FROM samples ORDER BY timestamp")  # noqa: S608
    connection.execute("DROP TABLE samples")
    connection.execute("ALTER TABLE kept RENAME TO samples")


def _insert_new(connection: sqlite3.Connection, table: str, values: Sequence[tuple[Any, ...]]) -> None:
    """Add the rows that are not there in the same words."""
    names = COPIED[table]
    known = " AND ".join(f"{name} IS ?" for name in names.split(", "))
    connection.executemany(
        f"INSERT OR IGNORE INTO {table} ({names}) SELECT {', '.join('?' * len(names.split(', ')))} "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {known})",
        [(*row, *row) for row in values],
    )
