"""Samples between rows of SQL and arrays, a chunk at a time so that memory stays near the arrays' size."""

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from loadwatch.history.schema import columns, quoted
from loadwatch.records import Recording, Span

_CHUNK_ROWS: Final = 100
_SLICE_ROWS: Final = 5000


def row(timestamp: float, values: Mapping[str, float], signals: Sequence[str]) -> list[float | None]:
    """The SQL values of one sample; what is absent, unknown or no number is NULL."""
    cells: list[float | None] = [timestamp]
    for signal in signals:
        value = values.get(signal)
        cells.append(None if value is None or not math.isfinite(value) else float(value))
    return cells


def cells_of(recording: Recording) -> Iterator[list[float | None]]:
    """The SQL values of each row of a recording."""
    unknown = ~np.isfinite(recording.values)
    cells = np.column_stack([recording.timestamps, recording.values]).astype(object)
    cells[:, 1:][unknown] = None
    yield from cells.tolist()


@lru_cache(maxsize=8)
def insertion(signals: tuple[str, ...], *, conflict: str = "ABORT", table: str = "samples") -> str:
    """The statement that takes a ``row``."""
    names = ", ".join(["timestamp", *map(quoted, signals)])
    places = ", ".join("?" * (len(signals) + 1))
    return f"INSERT OR {conflict} INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - names are quoted


def read_rows(
    connection: sqlite3.Connection, span: Span, signals: Sequence[str] | None, step: float | None
) -> Recording:
    """The samples of a span, each by itself or averaged over steps; see ``History.recording``."""
    present = columns(connection)
    names = tuple(present if signals is None else signals)
    found = [quoted(name) if name in present else "NULL" for name in names]
    if step is None:
        query = f"SELECT {', '.join(['timestamp', *found])} FROM samples"  # noqa: S608 - names are quoted
        grouping = "ORDER BY timestamp"
    else:
        # A row belongs to the step that ends after it: (count + 1) * step is the first moment at which all of
        # the step is known.
        count = f"CAST(timestamp / {float(step)!r} AS INTEGER)"
        means = [cell if cell == "NULL" else f"avg({cell})" for cell in found]
        query = f"SELECT {', '.join([f'({count} + 1) * {float(step)!r}', *means])} FROM samples"  # noqa: S608
        grouping = f"GROUP BY {count} ORDER BY 1"
    cursor = connection.execute(
        f"{query} WHERE timestamp >= ? AND timestamp < ? {grouping}", (span.start, span.end)
    )
    return _filled(cursor, names, _expected_rows(connection, span, step))


def _expected_rows(connection: sqlite3.Connection, span: Span, step: float | None) -> int:
    """At least as many rows as will come; room that stays empty is never touched, so costs no memory."""
    count, first, last = connection.execute(
        "SELECT count(*), min(timestamp), max(timestamp) FROM samples WHERE timestamp >= ? AND timestamp < ?",
        (span.start, span.end),
    ).fetchone()
    if step is None or not count:
        return int(count)
    return min(int(count), int((last - first) / step) + 2)


def gaps(connection: sqlite3.Connection, longer_than: float) -> list[Span]:
    """Where more than ``longer_than`` seconds lie between one row and the next."""
    found = connection.execute(
        "SELECT before, timestamp FROM "
        "(SELECT timestamp, lag(timestamp) OVER (ORDER BY timestamp) AS before FROM samples) "
        "WHERE timestamp - before > ?",
        (longer_than,),
    )
    return [Span(before, after) for before, after in found]


def read_slices(connection: sqlite3.Connection, start: float) -> Iterator[Recording]:
    """The samples from ``start`` on in recordings of some thousand rows, all of one moment of the file."""
    names = columns(connection)
    cursor = connection.execute(
        f"SELECT {', '.join(['timestamp', *map(quoted, names)])} FROM samples "  # noqa: S608 - names are quoted
        "WHERE timestamp >= ? ORDER BY timestamp",
        (start,),
    )
    while chunk := cursor.fetchmany(_SLICE_ROWS):
        block = np.array(chunk, dtype=np.float64)
        yield Recording(block[:, 0], names, block[:, 1:])


def _filled(cursor: sqlite3.Cursor, names: tuple[str, ...], room: int) -> Recording:
    timestamps = np.empty(room)
    values = np.empty((room, len(names)))
    filled = 0
    while chunk := cursor.fetchmany(_CHUNK_ROWS):
        block = np.array(chunk, dtype=np.float64)  # None becomes NaN
        timestamps[filled : filled + len(block)] = block[:, 0]
        values[filled : filled + len(block)] = block[:, 1:]
        filled += len(block)
    return Recording(timestamps[:filled], names, values[:filled])
