"""Samples gathered into cells of five minutes: the slow clock on which hours, days and weeks are remembered.

A sample belongs to cell ``floor((t - phase) / seconds)``. While a cell is open its largest values so far are
known; when the first sample of a later cell arrives it is closed, and its mean, maximum and minimum go into
the memory. So a week is 2016 cells whether the host is sampled every second or every five minutes.
"""

from typing import NamedTuple

import numpy as np

from loadwatch.features.recurrence import Integers, running_maximum
from loadwatch.records import Floats


class ClosedBuckets(NamedTuple):
    """C cells that ended, one after the other without a hole: a cell without samples is NaN."""

    number: Integers  # (C,) cell numbers, consecutive
    mean: Floats  # (C, K)
    maximum: Floats  # (C, K)
    minimum: Floats  # (C, 1) of the first column
    onset: Floats  # (C,) 1 where high load began in it


class BucketColumns(NamedTuple):
    """What N rows bring: see `BucketAggregator.extend`."""

    closed: ClosedBuckets
    view: Integers  # (N,) 0: the cell that was open before; v: the cell opened after v cells had closed
    maximum: Floats  # (N, K) largest in the open cell so far
    minimum: Floats  # (N, 1)


class BucketAggregator:
    """Gathers K columns; the first one is the load level."""

    def __init__(self, columns: int, seconds: float, phase: float, week: int) -> None:
        self._columns, self._seconds, self._phase, self._week = columns, seconds, phase, week
        self._shift = 0  # cells taken out of very long gaps
        self._open: int | None = None
        # Of the open cell: count, K sums, K maxima, negative minimum of the first column, onset.
        self._partial = np.zeros((1, 2 * columns + 3))

    def extend(self, timestamps: Floats, x: Floats, onset: np.ndarray) -> BucketColumns:
        """Take in x (N, K) at timestamps (N,) in order, N > 0."""
        cells = self._number(timestamps)
        extremes = np.concatenate([x, -x[:, :1]], axis=1)
        starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
        first = cells[0] if self._open is None else self._open
        if cells[0] == first and self._partial[0, 0] > 0:
            mine = slice(0, starts[1] if len(starts) > 1 else len(cells))
            extremes[mine] = np.maximum(extremes[mine], self._partial[0, 1 + self._columns : -1])
        running = running_maximum(extremes, cells)
        ends = np.concatenate([starts[1:], [len(cells)]]) - 1
        totals = np.add.reduceat(np.concatenate([np.ones((len(x), 1)), x], axis=1), starts, axis=0)
        begun = np.maximum.reduceat(onset, starts)[:, None]
        partial = np.concatenate([totals, running[ends], begun], axis=1)
        table = np.full((cells[-1] - first + 1, partial.shape[1]), np.nan)
        table[0] = self._partial[0]
        if cells[0] == first:
            partial[0, : 1 + self._columns] += self._partial[0, : 1 + self._columns]
            partial[0, -1] = max(partial[0, -1], self._partial[0, -1])
        table[cells[starts] - first] = partial
        self._open, self._partial = int(cells[-1]), table[-1:]
        closed = self._close(first, table[:-1])
        return BucketColumns(closed, cells - first, running[:, :-1], -running[:, -1:])

    def _close(self, first: int, table: Floats) -> ClosedBuckets:
        k = self._columns
        return ClosedBuckets(
            np.arange(first, first + len(table)),
            table[:, 1 : 1 + k] / table[:, :1],
            table[:, 1 + k : 1 + 2 * k],
            -table[:, 1 + 2 * k : 2 + 2 * k],
            table[:, -1],
        )

    def _number(self, timestamps: Floats) -> Integers:
        """(N,) cell numbers; a gap of more than two weeks loses whole weeks, so that no gap is expensive."""
        cells = np.floor((timestamps - self._phase) / self._seconds).astype(np.int64)
        newest = cells[0] if self._open is None else self._open + self._shift
        cells -= self._shift
        if cells[-1] - newest + self._shift > 2 * self._week:
            gaps = np.diff(cells, prepend=newest - self._shift)
            lost = np.cumsum(np.maximum(gaps // self._week - 2, 0) * self._week)
            cells -= lost
            self._shift += int(lost[-1])
        return cells
