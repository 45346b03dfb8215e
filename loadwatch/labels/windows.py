"""Means and extremes over the last minutes, for ``avg(signal, "5m")`` and its kin.

A window of ``seconds`` at time t holds the known samples of ``(t - seconds, t]``; without one the answer is
NaN.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats

Starts = npt.NDArray[np.intp]


def _mean(x: Floats, starts: Starts) -> Floats:
    known = np.isfinite(x)
    sums, counts = np.zeros((2, len(x) + 1))
    np.cumsum(np.where(known, x, 0.0), out=sums[1:])
    np.cumsum(known, out=counts[1:])
    count = counts[1:] - counts[starts]
    count[count == 0.0] = np.nan
    mean: Floats = (sums[1:] - sums[starts]) / count
    return mean


def _maximum(x: Floats, starts: Starts) -> Floats:
    # A window is the union of two runs of 2^k rows that begin and end where it does; NaN loses against any
    # number.
    lengths = np.arange(1, len(x) + 1) - starts
    answer = x.copy()
    runs, width = x, 1
    while len(x) and 2 * width <= lengths.max():
        runs = np.concatenate([runs[:width], np.fmax(runs[width:], runs[:-width])])
        width *= 2
        mine = np.flatnonzero((lengths >= width) & (lengths < 2 * width))
        answer[mine] = np.fmax(runs[mine], runs[starts[mine] + width - 1])
    return answer


def _minimum(x: Floats, starts: Starts) -> Floats:
    return -_maximum(-x, starts)


WINDOWS: Final[dict[str, Callable[[Floats, Starts], Floats]]] = {
    "avg": _mean,
    "max": _maximum,
    "min": _minimum,
}

# The same of one window's known values, of which there is at least one.
_SINGLE: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "avg": lambda known: math.fsum(known) / len(known),
    "max": max,
    "min": min,
}


class Window:
    """One window on one signal; keeps the samples that later windows still reach.

    After a clock that was set back the window begins anew: what it holds would lie in the future.
    """

    def __init__(self, kind: str, seconds: float) -> None:
        self._compute, self._single, self._seconds = WINDOWS[kind], _SINGLE[kind], seconds
        # Of the known samples alone: what is unknown counts in no window.
        self._times: list[float] = []
        self._values: list[float] = []
        self._newest = -math.inf

    def extend(self, timestamps: Floats, values: Floats) -> Floats:
        """The windows (N,) that end at each of N further rows."""
        self._follow_clock(timestamps[0])
        times, x = np.concatenate([self._times, timestamps]), np.concatenate([self._values, values])
        starts = np.searchsorted(times, times - self._seconds, side="right")
        answer = self._compute(x, np.minimum(starts, np.arange(len(x))))
        keep = (times > timestamps[-1] - self._seconds) & np.isfinite(x)
        self._times, self._values = times[keep].tolist(), x[keep].tolist()
        self._newest = float(timestamps[-1])
        return answer[len(answer) - len(timestamps) :]

    def update(self, timestamp: float, value: float) -> float:
        """The window that ends at one further row: ``extend`` by one, at a tenth of the cost."""
        self._follow_clock(timestamp)
        self._newest = timestamp
        if math.isfinite(value):
            self._times.append(timestamp)
            self._values.append(value)
        gone = bisect_right(self._times, timestamp - self._seconds)
        if gone:
            del self._times[:gone], self._values[:gone]
        return self._single(self._values) if self._values else math.nan

    def _follow_clock(self, timestamp: float) -> None:
        if timestamp < self._newest:
            self._times, self._values = [], []
