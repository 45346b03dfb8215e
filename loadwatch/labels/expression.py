"""The parts of a high-load rule, and the load level they make.

The level L of a rule is a number with ``L > 1`` exactly where the rule holds, and that says how near it is
where it does not: ``a > b`` gives a/b, ``and`` the smaller level, ``or`` the larger. So ``cpu > 0.8`` at 40
per cent CPU is a level of 0.5. NaN is unknown (Kleene's three-valued logic: a true branch of an ``or`` shows
although the other is unknown). A signal never seen so far is absent, level minus infinity: never true, and
no obstacle to others.

Every part says its values and levels twice: of N rows at once, for a history, and of a single row, for the
sample that has just come. Both are the same by a test; on one row numpy would cost thirty times as much.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from loadwatch.labels.windows import Window
from loadwatch.records import Floats

LIMIT: Final = 10.0  # no level is beyond -10..10: how far above ten times the threshold tells nothing more
_ABOVE: Final = math.nextafter(1.0, 2.0)

# Of columns and of single numbers alike.
ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class Frame:
    """What an expression is evaluated on: N rows or a single one, and what is known of those before."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._ripe: set[Compare] = set()
        self._windows: dict[Windowed, Window] = {}
        self._timestamps: Floats = np.empty(0)
        self._columns: Mapping[str, Floats] = {}
        self._present: dict[str, np.ndarray] = {}
        self._row: Mapping[str, float] = {}
        self._timestamp = math.nan
        self.newest: dict[Condition, float] = {}
        self.levels: dict[Condition, Floats] = {}  # of N rows

    def load(self, timestamps: Floats, columns: Mapping[str, Floats]) -> None:
        """Take in the next rows: each column (N,)."""
        self._timestamps, self._columns = timestamps, columns
        self._present = {}
        for name, column in columns.items():
            known = np.isfinite(column)
            self._present[name] = np.logical_or.accumulate(known) | (name in self._seen)
            if known.any():
                self._seen.add(name)

    def load_row(self, timestamp: float, row: Mapping[str, float]) -> None:
        """Take in one row: a value of each signal, NaN where unknown."""
        self._timestamp, self._row = timestamp, row
        self._seen.update(name for name, value in row.items() if math.isfinite(value))

    def column(self, name: str) -> Floats:
        """Values (N,) of a signal."""
        return self._columns[name]

    def cell(self, name: str) -> float:
        """The single row's value of a signal."""
        return self._row[name]

    def were_seen(self, node: Compare) -> bool:
        """Whether each signal of the comparison was ever known up to the single row."""
        if node not in self._ripe:
            if not self._seen.issuperset(node.signals()):
                return False
            self._ripe.add(node)  # and for good, so that it is asked once
        return True

    def present(self, name: str) -> np.ndarray:
        """(N,) whether the signal was ever known up to each row."""
        return self._present[name]

    def window(self, node: Windowed) -> Floats:
        """Values (N,) of a windowed signal; each window takes in each row once."""
        return self._window(node).extend(self._timestamps, self._columns[node.name])

    def window_of_row(self, node: Windowed) -> float:
        """The windowed signal at the single row."""
        return self._window(node).update(self._timestamp, self._row[node.name])

    def _window(self, node: Windowed) -> Window:
        if node not in self._windows:
            self._windows[node] = Window(node.kind, node.seconds)
        return self._windows[node]

    def __len__(self) -> int:
        return len(self._timestamps)


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float

    def values(self, frame: Frame) -> Floats:
        """(N,) the constant."""
        return np.full(len(frame), self.value)

    def of_row(self, frame: Frame) -> float:
        """The constant."""
        del frame
        return self.value

    def signals(self) -> Iterator[str]:
        """Names used."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Name:
    """A signal's newest value."""

    name: str

    def values(self, frame: Frame) -> Floats:
        """(N,) the signal."""
        return frame.column(self.name)

    def of_row(self, frame: Frame) -> float:
        """The signal at the single row."""
        return frame.cell(self.name)

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield self.name


@dataclass(frozen=True, slots=True, eq=False)
class Windowed:
    """avg, max or min of a signal over the last ``seconds``."""

    kind: str
    name: str
    seconds: float

    def values(self, frame: Frame) -> Floats:
        """(N,) the windowed signal."""
        return frame.window(self)

    def of_row(self, frame: Frame) -> float:
        """The windowed signal at the single row."""
        return frame.window_of_row(self)

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield self.name


@dataclass(frozen=True, slots=True)
class BinOp:
    """left (+ - * /) right; a division by zero is unknown."""

    sign: str
    left: Value
    right: Value

    def values(self, frame: Frame) -> Floats:
        """(N,) the result, NaN where it is not finite."""
        with np.errstate(all="ignore"):
            result = ARITHMETIC[self.sign](self.left.values(frame), self.right.values(frame))
        return np.where(np.isfinite(result), result, np.nan)

    def of_row(self, frame: Frame) -> float:
        """The result at the single row, NaN where it is not finite."""
        left, right = self.left.of_row(frame), self.right.of_row(frame)
        if self.sign == "/" and right == 0.0:
            return math.nan
        result: float = ARITHMETIC[self.sign](left, right)
        return result if math.isfinite(result) else math.nan

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield from self.left.signals()
        yield from self.right.signals()


Value = Number | Name | Windowed | BinOp


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """left > right, or with ``equal`` left >= right; ``<`` is written with its sides exchanged."""

    left: Value
    right: Value
    equal: bool

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        a, b = self.left.values(frame), self.right.values(frame)
        # The side without signals is the limit. A quotient when it is positive, else distance in units of it.
        limit = a if isinstance(self.left, Number) else b
        with np.errstate(all="ignore"):
            quotient = np.where(b > 0.0, a / b, LIMIT)
            distance = 1.0 + (a - b) / np.maximum(np.abs(limit), 1.0)
        level: Floats = np.clip(np.where(limit > 0.0, quotient, distance), -LIMIT, LIMIT)
        holds = a >= b if self.equal else a > b
        level = np.where(holds, np.maximum(level, _ABOVE), np.minimum(level, 1.0))
        level[np.isnan(a) | np.isnan(b)] = np.nan
        for name in self.signals():
            level[~frame.present(name)] = -np.inf
        return level

    def level(self, frame: Frame) -> float:
        """The level at the single row."""
        a, b = self.left.of_row(frame), self.right.of_row(frame)
        if not frame.were_seen(self):
            return -math.inf
        if math.isnan(a) or math.isnan(b):
            return math.nan
        limit = a if isinstance(self.left, Number) else b
        quotient = a / b if b > 0.0 else LIMIT
        level = quotient if limit > 0.0 else 1.0 + (a - b) / max(abs(limit), 1.0)
        level = max(-LIMIT, min(level, LIMIT))
        holds = a >= b if self.equal else a > b
        return max(level, _ABOVE) if holds else min(level, 1.0)

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield from self.left.signals()
        yield from self.right.signals()

    def deciding(self, levels: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the level, by the levels of all parts at that row."""
        del levels
        return self.signals()


@dataclass(frozen=True, slots=True, eq=False)
class Not:
    """The opposite."""

    part: Condition

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        level = _remembered(self.part, frame)
        opposite = np.where(level > 1.0, np.minimum(2.0 - level, 1.0), np.maximum(2.0 - level, _ABOVE))
        opposite = np.where(np.isnan(level), np.nan, np.clip(opposite, -LIMIT, LIMIT))
        return np.where(np.isneginf(level), level, opposite)

    def level(self, frame: Frame) -> float:
        """The level at the single row."""
        level = _remembered_level(self.part, frame)
        if math.isnan(level) or level == -math.inf:
            return level
        opposite = min(2.0 - level, 1.0) if level > 1.0 else max(2.0 - level, _ABOVE)
        return max(-LIMIT, min(opposite, LIMIT))

    def signals(self) -> Iterator[str]:
        """Names used."""
        return self.part.signals()

    def deciding(self, levels: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the level, by the levels of all parts at that row."""
        return self.part.deciding(levels)


@dataclass(frozen=True, slots=True, eq=False)
class And:
    """All parts hold: the smallest level; one that is known not to hold settles it."""

    parts: tuple[Condition, ...]

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        levels = np.stack([_remembered(part, frame) for part in self.parts])
        least: Floats = np.fmin.reduce(levels)
        return np.where((least > 1.0) & np.isnan(levels).any(axis=0), np.nan, least)

    def level(self, frame: Frame) -> float:
        """The level at the single row."""
        levels = [_remembered_level(part, frame) for part in self.parts]
        known = [level for level in levels if not math.isnan(level)]
        least = min(known, default=math.nan)
        return math.nan if least > 1.0 and len(known) < len(levels) else least

    def signals(self) -> Iterator[str]:
        """Names used."""
        for part in self.parts:
            yield from part.signals()

    def deciding(self, levels: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the level, by the levels of all parts at that row."""
        return min(self.parts, key=lambda part: _or_last(levels[part], math.inf)).deciding(levels)


@dataclass(frozen=True, slots=True, eq=False)
class Or:
    """At least one part holds: the largest level; one that is known to hold settles it."""

    parts: tuple[Condition, ...]

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        levels = np.stack([_remembered(part, frame) for part in self.parts])
        most: Floats = np.fmax.reduce(levels)
        return np.where((most <= 1.0) & np.isnan(levels).any(axis=0), np.nan, most)

    def level(self, frame: Frame) -> float:
        """The level at the single row."""
        levels = [_remembered_level(part, frame) for part in self.parts]
        known = [level for level in levels if not math.isnan(level)]
        most = max(known, default=math.nan)
        return math.nan if most <= 1.0 and len(known) < len(levels) else most

    def signals(self) -> Iterator[str]:
        """Names used."""
        for part in self.parts:
            yield from part.signals()

    def deciding(self, levels: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the level, by the levels of all parts at that row."""
        return max(self.parts, key=lambda part: _or_last(levels[part], -math.inf)).deciding(levels)


Condition = Compare | Not | And | Or


def _remembered(part: Condition, frame: Frame) -> Floats:
    levels = frame.levels[part] = part.levels(frame)
    frame.newest[part] = float(levels[-1])
    return levels


def _remembered_level(part: Condition, frame: Frame) -> float:
    level = frame.newest[part] = part.level(frame)
    return level


def _or_last(level: float, last: float) -> float:
    return last if math.isnan(level) else level
