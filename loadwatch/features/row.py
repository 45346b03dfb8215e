"""One row of forecast features at a time: what ``forecast._assemble`` says, put together for a single sample.

A daemon makes one row a second, and on one row nearly all of the time would go into calling numpy. What the
closed cells say is the same for all samples of an open cell; here it is laid out once a cell, and a sample
writes only what it changes. Both ways are the same by a test.
"""

import math
from collections.abc import Sequence

import numpy as np

from loadwatch.features import lookback
from loadwatch.features.lookback import LookbackView
from loadwatch.records import Floats


class RowMaker:
    """Makes rows of F features in the order of `ForecastSpec.names`.

    columns: K, the load level and its companions; averages, high_averages: how many time constants each has.
    """

    def __init__(
        self, view: LookbackView, columns: int, averages: int, high_averages: int, past: int
    ) -> None:
        self._places = view
        self._columns = columns
        self._width = 0
        self._now = self._take(columns)
        self._averages = self._take(averages * columns)
        self._maximum = self._take(columns)
        self._deviation = self._take(columns)
        self._changes = self._take(len(lookback.DIFFERENCES) * columns)
        self._high = self._take(2)
        self._level_lags = self._take(len(lookback.LEVEL_LAGS))
        self._minimum = self._take(1)
        self._long_maximum = self._take(lookback.LONG_WINDOWS)
        self._high_averages = self._take(high_averages)
        self._past = self._take(past)
        self._ahead = self._take(len(lookback.DAYS_BACK))
        self._ahead_mean = self._take(1)
        self._days_back = self._take(len(lookback.DAYS_BACK))
        self._profiles = self._take(view.profiles.stop - view.profiles.start)
        self._shape = self._take(len(lookback.SHAPE))
        self._repeats = self._take(len(lookback.REPEATS))

    def _take(self, width: int) -> slice:
        self._width += width
        return slice(self._width - width, self._width)

    def look_at(self, view: Floats) -> None:
        """Make the next rows from what the closed cells say: view (V,), see `Lookback.extend`."""
        at = self._places
        self._count = float(np.nan_to_num(view[at.count])[0]) + 1.0
        self._freedom = max(self._count - 1.0, 1.0)
        self._sums, self._squares = np.nan_to_num(view[at.sums]), np.nan_to_num(view[at.squares])
        self._cell_maximum, self._cell_minimum = view[at.maximum], float(view[at.minimum][0])
        self._cell_long_maximum = view[at.long_maximum]
        self._lags = view[at.lags].reshape(-1, self._columns)
        row = np.zeros(self._width)
        row[self._level_lags], row[self._ahead] = view[at.level_lags], view[at.ahead]
        row[self._days_back], row[self._profiles] = view[at.level], np.nan_to_num(view[at.profiles])
        row[self._shape] = view[at.shape]
        row[self._repeats] = np.nan_to_num(view[at.repeats], nan=lookback.LEAST_ODDS)
        # Where nothing is known of another time, the level of now stands for it.
        self._unknown = np.flatnonzero(~np.isfinite(row))
        self._unknown_changes = np.flatnonzero(~np.isfinite(view[at.lags])) + self._changes.start
        ahead = view[at.ahead]
        known = np.isfinite(ahead)
        self._ahead_sum, self._ahead_unknown = float(ahead[known].sum()), int((~known).sum())
        self._row = row

    def make(
        self,
        x: Floats,
        averages: Floats,
        high_averages: Floats,
        past: Sequence[float],
        maximum: Floats,
        minimum: float,
    ) -> Floats:
        """One row (F,): x (K,); averages, high_averages as `Ewma.update`, past as `TimeSince.update`.

        maximum (K,), minimum: of the open cell so far.
        """
        row = self._row.copy()
        level = float(x[0])
        if len(self._unknown):
            row[self._unknown] = level
        row[self._now] = x
        row[self._averages] = averages
        np.fmax(maximum, self._cell_maximum, out=row[self._maximum])
        sums = self._sums + x
        variance = self._squares + x * x
        variance -= sums * sums / self._count
        variance /= self._freedom
        np.sqrt(np.maximum(variance, 0.0, out=variance), out=row[self._deviation])
        np.subtract(x, self._lags, out=row[self._changes].reshape(self._lags.shape))
        if len(self._unknown_changes):
            row[self._unknown_changes] = 0.0
        row[self._high] = level > 1.0, min(max((level - 1.0) * 10.0, -1.0), 1.0)
        lowest = minimum if math.isnan(self._cell_minimum) else min(minimum, self._cell_minimum)
        row[self._minimum] = lowest
        np.fmax(maximum[0], self._cell_long_maximum, out=row[self._long_maximum])
        row[self._high_averages] = high_averages
        row[self._past] = past
        row[self._ahead_mean] = (self._ahead_sum + self._ahead_unknown * level) / len(lookback.DAYS_BACK)
        return row
