"""Means of half hours over the last weeks: what is compared with the same time of other days."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from loadwatch.features.recurrence import Flags, Integers
from loadwatch.records import Floats

HALF_HOUR = 1800.0
SLOTS = 48  # half hours of the day
WEEK = 7 * SLOTS


def half_hour_numbers(timestamps: Floats) -> Integers:
    """(N,) half hours since the epoch; modulo `SLOTS` that of the day (UTC)."""
    return np.floor(timestamps / HALF_HOUR).astype(np.int64)


def is_weekend(days: Integers) -> Flags:
    """(N,) whether days since the epoch, a Thursday, are Saturdays or Sundays."""
    weekend: Flags = (days + 3) % 7 >= 5
    return weekend


def half_hour_runs(timestamps: Floats, longest: int) -> Iterator[tuple[int, Integers]]:
    """The half hours that rows (N,) in time order lie in, as runs of at most ``longest`` without a hole.

    Of each run of R the number of its first, and its edges (R + 1,): rows ``edges[i]`` to ``edges[i + 1]``
    lie in the i-th.
    """
    numbers = half_hour_numbers(timestamps)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    edges = np.append(starts, len(numbers))
    breaks = np.flatnonzero(np.diff(numbers[starts]) != 1) + 1
    for first, last in pairwise([0, *breaks.tolist(), len(starts)]):
        for run in range(first, last, longest):
            yield int(numbers[starts[run]]), edges[run : min(run + longest, last) + 1]


class HalfHourMeans:
    """Means of K columns in each of the last ``length`` half hours; an unknown one is NaN.

    A ring by number: a half hour shown again takes the place of its earlier mean.
    """

    def __init__(self, columns: int, length: int) -> None:
        self._numbers = np.full(length, -1, np.int64)
        self._means = np.full((length, columns), np.nan)
        self._open = -1
        self._sums = np.zeros((2, columns))  # values, how many

    def is_open(self, number: int) -> bool:
        """Whether the newest rows were of this half hour."""
        return number == self._open

    def open(self, number: int) -> None:
        """Close the half hour at hand, and begin this one."""
        if self._open >= 0:
            place = self._open % len(self._numbers)
            self._numbers[place] = self._open
            with np.errstate(invalid="ignore"):
                self._means[place] = self._sums[0] / self._sums[1]
        self._open = number
        self._sums[:] = 0.0

    def add(self, values: Floats) -> None:
        """Take in values (N, K) of the open half hour; NaN is unknown."""
        known = np.isfinite(values)
        self._sums[0] += np.where(known, values, 0.0).sum(axis=0)
        self._sums[1] += known.sum(axis=0)

    def add_run(self, values: Floats, edges: Integers) -> Floats:
        """Take in values (N, K) of a run of R half hours with edges (R + 1,), of which the first is open.

        The last is open then; returns the means (R - 1, K) of those before it.
        """
        known = np.isfinite(values)
        sums = np.add.reduceat(np.where(known, values, 0.0), edges[:-1], axis=0)
        counts = np.add.reduceat(known.astype(np.float64), edges[:-1], axis=0)
        with np.errstate(invalid="ignore"):
            means: Floats = sums[:-1] / counts[:-1]
        numbers = np.arange(self._open, self._open + len(means))[-len(self._numbers) :]
        places = numbers % len(self._numbers)
        self._numbers[places], self._means[places] = numbers, means[len(means) - len(numbers) :]
        self._open += len(means)
        self._sums[0], self._sums[1] = sums[-1], counts[-1]
        return means

    def of(self, numbers: Integers) -> Floats:
        """The means (..., K) of closed half hours (...)."""
        places = numbers % len(self._numbers)
        same: Flags = self._numbers[places] == numbers
        return np.where(same[..., None], self._means[places], np.nan)

    def to_arrays(self) -> tuple[Integers, Floats]:
        """Numbers (B,) and means (B, K) of the closed half hours."""
        known = self._numbers >= 0
        return self._numbers[known], self._means[known]

    def restore(self, numbers: Integers, means: Floats) -> None:
        """Take up what `to_arrays` gave.

        Raises:
            ValueError: the parts do not fit each other, or this.

        """
        if means.shape != (*numbers.shape, self._means.shape[1]) or (numbers < 0).any():
            raise ValueError(f"half hours {numbers.shape} do not fit their means {means.shape}")
        places = numbers % len(self._numbers)
        self._numbers[places], self._means[places] = numbers, means
