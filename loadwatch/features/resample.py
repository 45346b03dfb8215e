"""The clock of the anomaly score: samples of any spacing become means of about one minute.

What is known about the score (half-lives, threshold, false alarms) was measured on one-minute rows. Sampling
every second or every five must neither change it nor cost more, so samples are gathered until a minute is
full, and their mean is judged at once. Rows a minute or more apart are judged one by one. Between two
judgements the score stands.

A minute is full with the sample that leaves less to sixty seconds than half a step. A clock aligned to whole
minutes of the day would instead hold back a row that comes at 00:01 until 01:01, and would swallow or double
rows that jitter around the full minute.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats

Integers = npt.NDArray[np.intp]

MINUTE: Final = 60.0
PIECE: Final = 16_384  # rows
PAUSE: Final = 600.0  # seconds without a sample after which a half-gathered minute is thrown away


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """The minutes that some samples completed.

    rows: (M,) index of the sample that completed each; timestamps: (M,) of that sample; values: (M, J) means,
    NaN where the minute had no finite value of a signal. samples: how many samples were looked at.
    """

    rows: Integers
    timestamps: Floats
    values: Floats
    samples: int

    def __len__(self) -> int:
        return len(self.rows)

    def spread(self, judged: Floats, before: Floats) -> Floats:
        """One value a sample (N, ...) from one a minute (M, ...): each stands until the next.

        before: (...) what stands until the first.
        """
        if not len(self):
            return np.repeat(before[None], self.samples, axis=0)
        lengths = np.diff(np.concatenate([[0], self.rows, [self.samples]]))
        return np.repeat(np.concatenate([before[None], judged]), lengths, axis=0)


def whole_minutes(
    timestamps: Floats, columns: int, values_of: Callable[[slice], Floats]
) -> tuple[Floats, Floats]:
    """Times (M,) and means (M, J) of the minutes that all rows (N,) complete.

    values_of: the values (n, J) of some of the rows. In pieces, because a few copies of each are made.
    """
    clock, times, means = MinuteResampler(columns), [], []
    for start in range(0, len(timestamps), PIECE):
        rows = slice(start, start + PIECE)
        minutes = clock.extend(timestamps[rows], values_of(rows))
        times.append(minutes.timestamps)
        means.append(minutes.values)
    return np.concatenate(times), np.concatenate(means)


class MinuteResampler:
    """Gathers samples into minutes; how the samples are cut into calls does not change the minutes."""

    def __init__(self, signals: int) -> None:
        self._sum = np.zeros(signals)
        self._count = np.zeros(signals)
        self._last_full = self._last = -math.inf

    def extend(self, timestamps: Floats, values: Floats) -> Minutes:
        """Take in samples (N,) with values (N, J); returns the minutes they complete.

        The first sample, the first after a pause, and the first after the clock was set back complete one
        alone.
        """
        starts, ends, rest = self._boundaries(timestamps)
        known = np.isfinite(values)
        # Row 0 is what earlier calls left of an unfinished minute, row i + 1 is sample i.
        sums = np.concatenate([self._sum[None], np.where(known, values, 0.0)])
        counts = np.concatenate([self._count[None], known])
        self._sum, self._count = sums[rest:].sum(axis=0), counts[rest:].sum(axis=0)
        if not len(ends):  # as after most single samples
            return Minutes(ends, timestamps[:0], values[:0], len(timestamps))
        with np.errstate(invalid="ignore"):
            means = _sum_pieces(sums, starts, ends) / _sum_pieces(counts, starts, ends)
        rows = ends - 1
        return Minutes(rows, timestamps[rows], means, len(timestamps))

    def _boundaries(self, timestamps: Floats) -> tuple[Integers, Integers, int]:
        """First and last row of each full minute, and the first row of the unfinished one; row 0 as above."""
        starts, ends = [], []
        first, last, last_full = 0, self._last, self._last_full
        for row, timestamp in enumerate(timestamps.tolist(), start=1):
            step = timestamp - last
            if not 0.0 <= step <= PAUSE:
                first, last_full = row, -math.inf
            last = timestamp
            if timestamp - last_full + 0.5 * step >= MINUTE:
                starts.append(first)
                ends.append(row)
                first, last_full = row + 1, timestamp
        self._last, self._last_full = last, last_full
        return np.array(starts, np.intp), np.array(ends, np.intp), first


def _sum_pieces(table: Floats, starts: Integers, ends: Integers) -> Floats:
    """(M, J) sums of rows starts..ends of a table (N, J), ends included; pieces ascend, none overlap."""
    # reduceat sums from each edge to the next: every second of these sums is a piece, the others lie between.
    edges = np.column_stack([starts, ends + 1]).ravel()
    return np.add.reduceat(table, edges[edges < len(table)], axis=0)[::2]
