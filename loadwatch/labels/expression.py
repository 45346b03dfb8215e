"""The parts of a high-load rule, and the load level they make.

The level L of a rule is a number with ``L > 1`` exactly where the rule holds, and that says how near it is
where it does not: ``a > b`` gives a/b, ``and`` the smaller level, ``or`` the larger. So ``cpu > 0.8`` at 40
per cent CPU is a level of 0.5. NaN is unknown (Kleene's three-valued logic: a true branch of an ``or`` shows
although the other is unknown). A signal never seen so far is absent, level minus infinity: never true, and
no obstacle to others.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.labels.windows import Window
from loadwatch.records import Floats

LIMIT: Final = 10.0  # no level is beyond -10..10: how far above ten times the threshold tells nothing more
_ABOVE: Final = math.nextafter(1.0, 2.0)

ARITHMETIC: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class Frame:
    """The columns an expression is evaluated on: N rows, and what is remembered from the rows before."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._windows: dict[Windowed, Window] = {}
        self._timestamps: Floats = np.empty(0)
        self._columns: Mapping[str, Floats] = {}
        self._present: dict[str, np.ndarray] = {}
        self._levels: dict[Greater, Floats] = {}
        self.newest: dict[Condition, float] = {}

    def load(self, timestamps: Floats, columns: Mapping[str, Floats]) -> None:
        """Take in the next rows: each column (N,)."""
        self._timestamps, self._columns = timestamps, columns
        self._present = {}
        for name, column in columns.items():
            known = np.isfinite(column)
            self._present[name] = np.logical_or.accumulate(known) | (name in self._seen)
            if known.any():
                self._seen.add(name)

    def column(self, name: str) -> Floats:
        """Values (N,) of a signal."""
        return self._columns[name]

    def window(self, node: Windowed) -> Floats:
        """Values (N,) of a windowed signal; each window takes in each row once."""
        if node not in self._windows:
            self._windows[node] = Window(node.kind, node.seconds)
        return self._windows[node].extend(self._timestamps, self._columns[node.name])

    def compare(self, comparisons: Sequence[Greater]) -> None:
        """Work out the levels (N,) of all comparisons of a rule at once: a daemon's N is 1."""
        a = np.stack([comparison.left.values(self) for comparison in comparisons])
        b = np.stack([comparison.right.values(self) for comparison in comparisons])
        left_limits = np.array([[isinstance(comparison.left, Number)] for comparison in comparisons])
        equal = np.array([[comparison.equal] for comparison in comparisons])
        levels = _levels(a, b, np.where(left_limits, a, b), (a > b) | (equal & (a == b)))
        for comparison, level in zip(comparisons, levels, strict=True):
            for name in comparison.signals():
                present = self._present[name]
                if not present.all():
                    level[~present] = -np.inf
        self._levels = dict(zip(comparisons, levels, strict=True))

    def level(self, comparison: Greater) -> Floats:
        """Levels (N,) of a comparison that was worked out by `compare`."""
        return self._levels[comparison]

    def __len__(self) -> int:
        return len(self._timestamps)


def _levels(a: Floats, b: Floats, limit: Floats, holds: npt.NDArray[np.bool_]) -> Floats:
    """How near a is to being above b; ``limit`` is the side without signals.

    A quotient where the limit is positive, else the distance in units of it.
    """
    with np.errstate(all="ignore"):
        quotient = np.where(b > 0.0, a / b, LIMIT)
        distance = 1.0 + (a - b) / np.maximum(np.abs(limit), 1.0)
    level = np.minimum(np.maximum(np.where(limit > 0.0, quotient, distance), -LIMIT), LIMIT)
    level = np.where(holds, np.maximum(level, _ABOVE), np.minimum(level, 1.0))
    level[np.isnan(a) | np.isnan(b)] = np.nan
    return level


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float

    def values(self, frame: Frame) -> Floats:
        """(N,) the constant."""
        return np.full(len(frame), self.value)

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

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield self.name


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """left (+ - * /) right; a division by zero is unknown."""

    sign: str
    left: Value
    right: Value

    def values(self, frame: Frame) -> Floats:
        """(N,) the result, NaN where it is not finite."""
        with np.errstate(all="ignore"):
            result = ARITHMETIC[self.sign](self.left.values(frame), self.right.values(frame))
        return np.where(np.isfinite(result), result, np.nan)

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield from self.left.signals()
        yield from self.right.signals()


Value = Number | Name | Windowed | Arithmetic


@dataclass(frozen=True, slots=True, eq=False)
class Greater:
    """left > right, or with ``equal`` left >= right; ``<`` is written with its sides exchanged."""

    left: Value
    right: Value
    equal: bool

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        return frame.level(self)

    def signals(self) -> Iterator[str]:
        """Names used."""
        yield from self.left.signals()
        yield from self.right.signals()

    def comparisons(self) -> Iterator[Greater]:
        """Itself."""
        yield self

    def deciding(self, newest: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the newest level."""
        del newest
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

    def signals(self) -> Iterator[str]:
        """Names used."""
        return self.part.signals()

    def comparisons(self) -> Iterator[Greater]:
        """The comparisons in it."""
        return self.part.comparisons()

    def deciding(self, newest: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the newest level."""
        return self.part.deciding(newest)


@dataclass(frozen=True, slots=True, eq=False)
class Every:
    """All parts hold: the smallest level; one that is known not to hold settles it."""

    parts: tuple[Condition, ...]

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        levels = np.stack([_remembered(part, frame) for part in self.parts])
        least: Floats = np.fmin.reduce(levels)
        return np.where((least > 1.0) & np.isnan(levels).any(axis=0), np.nan, least)

    def signals(self) -> Iterator[str]:
        """Names used."""
        for part in self.parts:
            yield from part.signals()

    def comparisons(self) -> Iterator[Greater]:
        """The comparisons in it."""
        for part in self.parts:
            yield from part.comparisons()

    def deciding(self, newest: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the newest level."""
        return min(self.parts, key=lambda part: _or_last(newest[part], math.inf)).deciding(newest)


@dataclass(frozen=True, slots=True, eq=False)
class Some:
    """At least one part holds: the largest level; one that is known to hold settles it."""

    parts: tuple[Condition, ...]

    def levels(self, frame: Frame) -> Floats:
        """(N,) levels."""
        levels = np.stack([_remembered(part, frame) for part in self.parts])
        most: Floats = np.fmax.reduce(levels)
        return np.where((most <= 1.0) & np.isnan(levels).any(axis=0), np.nan, most)

    def signals(self) -> Iterator[str]:
        """Names used."""
        for part in self.parts:
            yield from part.signals()

    def comparisons(self) -> Iterator[Greater]:
        """The comparisons in it."""
        for part in self.parts:
            yield from part.comparisons()

    def deciding(self, newest: Mapping[Condition, float]) -> Iterator[str]:
        """The signals that set the newest level."""
        return max(self.parts, key=lambda part: _or_last(newest[part], -math.inf)).deciding(newest)


Condition = Greater | Not | Every | Some


def _remembered(part: Condition, frame: Frame) -> Floats:
    levels = part.levels(frame)
    frame.newest[part] = float(levels[-1])
    return levels


def _or_last(level: float, last: float) -> float:
    return last if math.isnan(level) else level
