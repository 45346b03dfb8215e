"""What is known beside the samples: labels, maintenance, alerts, own training, state, names of signals."""

import contextlib
import json
import math
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from loadwatch.clock import Clock
from loadwatch.errors import HistoryError
from loadwatch.history import schema
from loadwatch.history.database import transaction
from loadwatch.records import Alert, Label, LabelKind, Maintenance, Span, Verdict
from loadwatch.times import LAST_MOMENT

_REWRITTEN: Final = "training.rewritten"


class Annotations(ABC):
    """The part of the history that is not samples. Writes are committed when a call returns."""

    _clock: Clock

    @abstractmethod
    def _reading(self, attempt: str) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection to read from; SQLite's errors come out as ours."""

    @abstractmethod
    def _writing(self, attempt: str) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """The connection to write to, ours alone for the block; SQLite's errors come out as ours."""

    def signals(self) -> tuple[str, ...]:
        """The names of all signals that were ever stored, in the order of their columns."""
        with self._reading("list the signals of") as connection:
            return schema.columns(connection)

    def why_unstorable(self, signals: Iterable[str]) -> str:
        """Why samples of these signals could not be stored; empty where they can.

        A name may be too like that of a stored signal, or there is no room for so many.
        """
        present = self.signals()
        try:
            schema.check_new(signals, present)
        except HistoryError as error:
            return str(error)
        return ""

    def rewritten(self) -> float:
        """When somebody last changed what a training may have learned, epoch seconds; -inf where nobody did.

        By labels, older samples imported or removed, or maintenance windows over samples that were there.
        """
        return float(self.state(_REWRITTEN, -math.inf))

    def add_label(self, label: Label) -> int:
        """Keep what an operator said; returns its identity."""
        with self._writing("add to the labels of") as connection, transaction(connection):
            mark_rewritten(connection, self._clock.wall())
            values = (*_ordered(label.span), label.kind, label.why)
            return _insert(connection, "labels", "start_timestamp, end_timestamp, kind, why", values)

    def labels(self, between: Span | None = None) -> list[Label]:
        """The labels that touch a span, by start."""
        return [
            Label(Span(start, end), cast("LabelKind", kind), why, identity)
            for identity, start, end, kind, why in self._spans("labels", "kind, why", between)
        ]

    def remove_label(self, identity: int) -> None:
        """Take a label back.

        Raises:
            HistoryError: there is none of this identity.

        """
        what = f"label {identity}"
        with self._writing(f"change {what} of") as connection, transaction(connection):
            _change(connection, "DELETE FROM labels WHERE id = ?", (identity,), what)
            mark_rewritten(connection, self._clock.wall())

    def add_maintenance(self, maintenance: Maintenance) -> int:
        """Keep a window; returns its identity."""
        values = (*_ordered(maintenance.span), maintenance.why)
        with self._writing("add to the maintenance of") as connection, transaction(connection):
            if connection.execute("SELECT 1 FROM samples WHERE timestamp >= ?", values[:1]).fetchone():
                mark_rewritten(connection, self._clock.wall())
            return _insert(connection, "maintenance", "start_timestamp, end_timestamp, why", values)

    def end_maintenance(self, identity: int, end: float) -> None:
        """Let a window end at ``end`` (epoch seconds); one that had not begun then becomes empty.

        Raises:
            HistoryError: there is none of this identity.

        """
        self._end("maintenance", identity, end)

    def maintenance(self, between: Span | None = None) -> list[Maintenance]:
        """The windows that touch a span, by start."""
        return [
            Maintenance(Span(start, end), why, identity)
            for identity, start, end, why in self._spans("maintenance", "why", between)
        ]

    def add_training(self, span: Span) -> int:
        """Mark time in which the daemon trained; returns the identity of the mark.

        Written at the start with the latest possible end, so that a kill leaves no unmarked training.
        """
        with self._writing("add to the training_spans of") as connection:
            return _insert(connection, "training_spans", "start_timestamp, end_timestamp", _ordered(span))

    def end_training(self, identity: int, end: float) -> None:
        """Let a mark end at ``end`` (epoch seconds).

        Raises:
            HistoryError: there is none of this identity.

        """
        self._end("training_spans", identity, end)

    def end_trainings(self, end: float) -> None:
        """Let no mark last longer than ``end`` (epoch seconds): what was killed with its daemon is over."""
        with self._writing("end trainings in") as connection, transaction(connection):
            connection.execute(
                "UPDATE training_spans SET end_timestamp = max(start_timestamp, ?) WHERE end_timestamp > ?",
                (end, end),
            )

    def training_spans(self, between: Span | None = None) -> list[Span]:
        """When the daemon trained, by start."""
        return [Span(start, end) for _, start, end in self._spans("training_spans", "", between)]

    def keep_alert(self, alert: Alert) -> None:
        """Keep an alert, in place of what was kept of it before; verdict and start tell which it is."""
        with self._writing("keep an alert in") as connection:
            connection.execute(
                "INSERT INTO alerts (verdict, start_timestamp, end_timestamp, record) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (verdict, start_timestamp) "
                "DO UPDATE SET end_timestamp = excluded.end_timestamp, record = excluded.record",
                (alert.verdict, alert.start, alert.end, json.dumps(alert.to_plain())),
            )

    def alerts(
        self, between: Span | None = None, *, verdict: Verdict | None = None, limit: int | None = None
    ) -> list[Alert]:
        """The alerts that touch a span, by start; with ``limit`` the newest of them.

        Their identity is that of the row: what an operator calls them by.
        """
        span = between or Span(float("-inf"), float("inf"))
        with self._reading("list the alerts of") as connection:
            rows = connection.execute(
                "SELECT id, record FROM alerts "
                "WHERE start_timestamp < ? AND coalesce(end_timestamp, 9e999) >= ? "
                "AND coalesce(verdict = ?, 1) ORDER BY start_timestamp DESC, id DESC LIMIT ?",
                (span.end, span.start, verdict, -1 if limit is None else limit),
            ).fetchall()
        return [
            Alert.from_plain({**json.loads(record), "identity": identity})
            for identity, record in reversed(rows)
        ]

    def state(self, key: str, default: Any = None) -> Any:
        """The value last kept under ``key``."""
        with self._reading("read the state in") as connection:
            row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    def set_state(self, key: str, value: Any) -> None:
        """Keep a small JSON value under ``key``.

        Raises:
            HistoryError: JSON cannot hold it (NaN and infinity among others).

        """
        try:
            content = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise HistoryError(f"cannot keep {key!r}: its value is not JSON ({error})") from error
        with self._writing("keep the state in") as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, content))

    def _spans(self, table: str, columns: str, between: Span | None) -> list[tuple[Any, ...]]:
        span = between or Span(float("-inf"), float("inf"))
        with self._reading(f"list the {table} of") as connection:
            return connection.execute(
                f"SELECT id, start_timestamp, end_timestamp{', ' if columns else ''}{columns} "  # noqa: S608
                f"FROM {table} WHERE start_timestamp < ? AND end_timestamp > ? ORDER BY start_timestamp, id",
                (span.end, span.start),
            ).fetchall()

    def _end(self, table: str, identity: int, end: float) -> None:
        what = f"row {identity} of {table}"
        with self._writing(f"change {what} of") as connection, transaction(connection):
            _change(
                connection,
                f"UPDATE {table} SET end_timestamp = max(start_timestamp, ?) WHERE id = ?",  # noqa: S608
                (end, identity),
                what,
            )


def mark_rewritten(connection: sqlite3.Connection, now: float) -> None:
    """Keep that what a training may have learned is changed by hand, for `Annotations.rewritten`."""
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (_REWRITTEN, json.dumps(now)))


def _insert(connection: sqlite3.Connection, table: str, columns: str, values: Sequence[object]) -> int:
    places = ", ".join("?" * len(values))
    cursor = connection.execute(
        f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608 - own names
        values,
    )
    return int(cursor.lastrowid or 0)


def _change(connection: sqlite3.Connection, statement: str, values: Sequence[object], what: str) -> None:
    if connection.execute(statement, values).rowcount == 0:
        raise HistoryError(f"there is no {what} in the history; list what there is to see the identities")


def _ordered(span: Span) -> tuple[float, float]:
    if not span.start <= span.end:
        raise HistoryError(f"a span cannot end ({span.end}) before it begins ({span.start})")
    if not 0 <= span.start <= span.end <= LAST_MOMENT:
        raise HistoryError("a span lies within the years 1970 to 9999, or no calendar could show it")
    return span.start, span.end
