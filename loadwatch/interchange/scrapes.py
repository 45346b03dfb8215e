"""When a host was scraped, found out by asking: the interval is nobody's to say, and it changes.

The time of the newest sample is asked for on a grid finer than the scrapes, so that every one of them shows.
Where each point of the grid shows a new sample, there may be more of them than points: the grid is made finer
until it is not so.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.errors import HistoryError
from loadwatch.interchange.query_api import Points, QueryApi, TooMuchAtOnceError
from loadwatch.interchange.screening import SKEW_SECONDS
from loadwatch.interchange.targets import only_value
from loadwatch.records import Floats, Span

# Prometheus answers at most 11 000 points a series; a little less leaves room for its rounding.
MOST_POINTS: Final = 10_000
FEWEST_POINTS: Final = 50
_FIRST_STEP: Final = 10.0
FINEST_STEP: Final = 0.625
_COARSEST_STEP: Final = 40.0
_SATURATED: Final = 4  # points in a row with new samples: the grid may pass over some
_SPARSE: Final = 0.3  # share of the points with new samples, below which a coarser grid shows them too
_TYPICAL: Final = 9  # scrapes whose median is the interval at their middle
_CHANGED: Final = 1.4
_FEW_AHEAD: Final = 20
_SHARE_AHEAD: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Scrapes at one interval.

    moments: (N,) times of the samples, rising; seen: the first moment of the grid, in epoch seconds, at which
    the first of them showed; interval: seconds between most of them; shortest: between nearly all of them, at
    least; both None for a lone scrape.
    """

    moments: Floats
    seen: float
    interval: float | None
    shortest: float | None


class Scrapes:
    """The scrapes behind ``clock``, a query for the time of the newest sample, within a span."""

    def __init__(self, api: QueryApi, clock: str, span: Span) -> None:
        self._api = api
        self._clock = clock
        self._end = span.end
        self._begin = span.start
        self._newest = np.nextafter(span.start, -np.inf)
        self._step = _FIRST_STEP
        self._points = MOST_POINTS

    def slices(self) -> Iterator[tuple[float, list[Stretch]]]:
        """Up to which moment has been looked, and the stretches found since the last one."""
        while self._begin < self._end:
            # The last point of the grid lies at the end or a little behind it.
            steps = min(self._points - 1, math.ceil((self._end - self._begin) / self._step))
            until = self._begin + steps * self._step
            try:
                shown = only_value(self._api.query_range(self._clock, self._begin, until, self._step))
            except TooMuchAtOnceError:
                self._points //= 2
                if self._points < FEWEST_POINTS:
                    raise
                continue
            # A scrape that failed repeats the sample before it: that is not another measurement.
            sound = np.where(self._ahead(shown), 0.0, np.nan_to_num(shown.values))
            newest = np.maximum.accumulate(np.concatenate(([self._newest], sound)))
            new = np.diff(newest) > 0
            if self._step > FINEST_STEP and _is_saturated(new, shown.moments, self._step):
                self._step = max(self._step / 2, FINEST_STEP)
                continue
            new &= newest[1:] <= self._end
            self._newest = float(newest[-1])
            self._begin = until + self._step
            yield min(until, self._end), _stretches(newest[1:][new], shown.moments[new])
            if new.sum() <= _SPARSE * len(new):
                self._step = min(2 * self._step, _COARSEST_STEP)

    def _ahead(self, shown: Points) -> npt.NDArray[np.bool_]:
        """Where a sample is later than the moment at which it was shown: a clock had leapt.

        Raises:
            HistoryError: that is so in many places.

        """
        ahead = shown.values > shown.moments + SKEW_SECONDS
        if ahead.sum() > max(_FEW_AHEAD, _SHARE_AHEAD * len(ahead)):
            raise HistoryError(
                f"{self._api.url} has samples of the future, up to "
                f"{shown.values.max() - self._end:,.0f} s ahead: check its clock, and that of the host"
            )
        return ahead


def _is_saturated(new: npt.NDArray[np.bool_], moments: Floats, step: float) -> bool:
    """Whether samples may hide between the points: several in a row are new, or of a few nearly all."""
    for block in np.split(new, np.flatnonzero(np.diff(moments) > 1.5 * step) + 1):
        row = min(_SATURATED, max(len(block) - 1, 1))
        if len(block) and np.convolve(block, np.ones(row), "valid").max() >= row:
            return True
    return False


def _stretches(moments: Floats, seen: Floats) -> list[Stretch]:
    if len(moments) < 2:
        return [Stretch(moments, float(seen[0]), None, None)] if len(moments) else []
    gaps = np.diff(moments)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(gaps, _TYPICAL // 2, mode="edge"), _TYPICAL)
    typical = np.median(around, axis=1)
    changes = np.flatnonzero(np.abs(np.diff(np.log(typical))) > np.log(_CHANGED)) + 1
    found = []
    for first, last in zip((0, *changes), (*changes, len(moments)), strict=True):
        within = gaps[first : max(last - 1, first + 1)]
        found.append(
            Stretch(
                moments[first:last],
                float(seen[first]),
                float(np.median(within)),
                float(np.quantile(within, 0.05)),
            )
        )
    return found
