"""The clock of the anomaly score: samples of any spacing become means of about one minute.

What is known about the score (which half-lives, which threshold, how many false alarms) was measured on
one-minute rows. Sampling every second or every five must neither change it nor cost more, so samples are
gathered until a minute is full, and their mean is judged at once. Rows a minute or more apart are judged one
by one. Between two judgements the score stands.

A minute is full with the sample that leaves less to sixty seconds than half a step; a clock that was aligned
to whole minutes of the day would instead hold back a row that comes at 00:01 until 01:01, and would swallow
or double rows that jitter around the full minute.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats

Integers = npt.NDArray[np.intp]

MINUTE = 60.0
PAUSE = 600.0  # seconds without a sample after which a half-gathered minute is thrown away


class MinuteClock:
    """Stream: give it every sample, it gives back a mean whenever a minute is full.

    A mean leaves out what is not finite; a signal without any finite value in the minute is NaN.
    """

    def __init__(self, signals: int) -> None:
        self._sum = np.zeros(signals)
        self._count = np.zeros(signals)
        self._last_full = self._last = -math.inf

    def update(self, timestamp: float, values: Floats) -> Floats | None:
        """Take in the (J,) values of one sample; returns the (J,) means if they complete a minute, else None.

        The first sample, the first after a pause, and the first after the clock was set back complete one
        alone.
        """
        step = timestamp - self._last
        if not 0.0 <= step <= PAUSE:
            self._begin(-math.inf)
        self._last = timestamp
        known = np.isfinite(values)
        self._sum[known] += values[known]
        self._count += known
        if timestamp - self._last_full + 0.5 * step < MINUTE:
            return None
        with np.errstate(invalid="ignore"):
            means: Floats = self._sum / self._count
        self._begin(timestamp)
        return means

    def _begin(self, full: float) -> None:
        self._sum[:] = 0.0
        self._count[:] = 0.0
        self._last_full = full


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """All full minutes of a recording.

    rows: (M,) index of the sample that completed each; timestamps: (M,) of that sample; values: (M, J) means.
    """

    rows: Integers
    timestamps: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def spread(self, judged: Floats, count: int) -> Floats:
        """(count, ...) one value a sample from (M, ...) one a minute: each stands until the next."""
        lengths = np.diff(np.append(self.rows, count))
        return np.repeat(judged, lengths, axis=0)


def full_minutes(timestamps: Floats, values: Floats) -> Minutes:
    """What a `MinuteClock` gives for samples (N,) with values (N, J), all at once."""
    starts, ends = _boundaries(timestamps)
    if len(ends) == len(timestamps):
        return Minutes(ends, timestamps, np.where(np.isfinite(values), values, np.nan))
    known = np.isfinite(values)
    sums = np.where(known, values, 0.0)
    # Two sums a minute, from its first row to the row after its last: rows in between belong to no minute.
    edges = np.column_stack([starts, ends + 1]).ravel()
    inner = edges[:-1] if len(edges) and edges[-1] == len(timestamps) else edges
    total = np.add.reduceat(sums, inner, axis=0)[::2]
    count = np.add.reduceat(known, inner, axis=0, dtype=np.float64)[::2]
    with np.errstate(invalid="ignore"):
        means: Floats = total / count
    return Minutes(ends, timestamps[ends], means)


def _boundaries(timestamps: Floats) -> tuple[Integers, Integers]:
    """First and last row of each full minute."""
    starts: list[int] = []
    ends: list[int] = []
    first, last_full, last = 0, -math.inf, -math.inf
    for row, timestamp in enumerate(timestamps.tolist()):
        step = timestamp - last
        if not 0.0 <= step <= PAUSE:
            first, last_full = row, -math.inf
        last = timestamp
        if timestamp - last_full + 0.5 * step >= MINUTE:
            starts.append(first)
            ends.append(row)
            first, last_full = row + 1, timestamp
    return np.array(starts, np.intp), np.array(ends, np.intp)
