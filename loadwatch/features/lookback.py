"""What the last hours, the same time on earlier days, and the usual day say about a cell that begins.

One row of answers (a "view") is made whenever a cell closes; it stays the same until the next one closes.
"""

import math
from collections.abc import Sequence

import numpy as np

from loadwatch.features.buckets import ClosedBuckets
from loadwatch.features.recurrence import Integers, trailing_maximum
from loadwatch.features.seasonal import RunningMeans, SeasonalProfile
from loadwatch.records import Floats

RECENT = 12  # cells of the short memory, the cell that is open included
LEVEL_LAGS = (1, 2, 3, 5)
DIFFERENCES = (1, 3)
LONG_WINDOWS = 3  # three cells, six hours and a day of the load level, the open cell included
DAYS_BACK = (1, 2, 7)
SHAPE = (-2, -1, 0, 1, 2, 3, 4, 6)  # cells around now, in the profile of the day
PROFILE_RATES = (0.1, 0.3)
REPEATS = ("repeats_daily", "repeats_daily_fast", "repeats_weekly")
DAYS_REPEATED, WEEKS_REPEATED = range(1, 15), (7, 14, 21, 28)
LEAST_ODDS = -5.0  # logarithm; also of what was never seen


class LookbackView:
    """Places of the answers in a row of `Lookback.extend`, for K columns."""

    def __init__(self, columns: int) -> None:
        self.width = 0
        self.lags = self._take(len(DIFFERENCES) * columns)
        self.count = self._take(1)
        self.sums = self._take(columns)
        self.squares = self._take(columns)
        self.maximum = self._take(columns)
        self.minimum = self._take(1)
        self.long_maximum = self._take(LONG_WINDOWS)
        self.profiles = self._take(8)
        self.repeats = self._take(len(REPEATS))
        # What is a level stands together, for one who fills in what is not known.
        self.level_lags = self._take(len(LEVEL_LAGS))
        self.ahead = self._take(len(DAYS_BACK))  # highest level in the cells after this one, days ago
        self.level = self._take(len(DAYS_BACK))  # mean level in this cell, days ago
        self.shape = self._take(len(SHAPE))
        first = self.level_lags.start
        self.of_level = slice(first, self.width)
        self.within_level = tuple(
            slice(place.start - first, place.stop - first)
            for place in (self.level_lags, self.ahead, self.level, self.shape)
        )

    def unknown(self) -> Floats:
        """(1, V) the answers before any cell has closed."""
        view = np.full((1, self.width), np.nan)
        for place in (self.count, self.sums, self.squares, self.profiles):
            view[:, place] = 0.0
        view[:, self.repeats] = LEAST_ODDS
        return view

    def _take(self, width: int) -> slice:
        self.width += width
        return slice(self.width - width, self.width)


class Lookback:
    """Remembers a week of the load level, the first column, and an hour of the others.

    Of the level also four weeks of its being high, and profiles of day, hour and week.
    reach: how many cells after one count as its near future, for the profiles and the look-back.
    """

    def __init__(self, columns: int, seconds: float, reach: int) -> None:
        self._columns, self._reach = columns, reach
        self._day = round(86400 / seconds)
        self._hour = max(1, round(3600 / seconds))
        self.view = LookbackView(columns)
        depth = max(DAYS_BACK) * self._day
        self._mean = np.full((RECENT, columns), np.nan)
        self._maximum = np.full((RECENT, columns), np.nan)
        self._level, self._highest = np.full((2, depth, 1), np.nan)  # mean and maximum of the first column
        self._minimum = np.full((RECENT, 1), np.nan)
        self._onset = np.full(reach + 1, np.nan)
        self._high = np.full(max(WEEKS_REPEATED) * self._day, np.nan, np.float32)
        # Columns: highest level in the near future twice, its being high twice, an onset in it.
        self._day_profile = SeasonalProfile(self._day, (*PROFILE_RATES, *PROFILE_RATES, PROFILE_RATES[0]))
        self._hour_profile = SeasonalProfile(self._hour, (0.02,))
        self._week_profile = SeasonalProfile(7 * 24, (0.03, 0.03))
        self._overall = RunningMeans((0.0005, 0.0005))
        self._shape_profile = SeasonalProfile(self._day, (0.15,))
        self._overall_level = RunningMeans((0.003,))
        self._shape = np.full(max(SHAPE) - min(SHAPE), np.nan)

    def extend(self, closed: ClosedBuckets) -> Floats:
        """Take in C consecutive cells; returns (C, V): row i is the view of cell ``closed.number[i] + 1``."""
        rows = len(closed.number)
        views = np.full((rows, self.view.width), np.nan)
        if rows == 0:
            return views
        mean = np.vstack([self._mean, closed.mean])
        maximum = np.vstack([self._maximum, closed.maximum])
        minimum = np.vstack([self._minimum, closed.minimum])
        onset = np.r_[self._onset, closed.onset]
        level = np.vstack([self._level, closed.mean[:, :1]])
        highest = np.vstack([self._highest, closed.maximum[:, :1]])
        self._write_windows(views, mean, maximum, minimum, highest)
        self._write_profiles(views, closed.number, level, highest, onset)
        self._write_days_before(views, level, highest)
        self._level, self._highest = level[-len(self._level) :], highest[-len(self._highest) :]
        self._mean, self._maximum = mean[-len(self._mean) :], maximum[-len(self._maximum) :]
        self._minimum, self._onset = minimum[-len(self._minimum) :], onset[-len(self._onset) :]
        return views

    def _write_windows(
        self, views: Floats, mean: Floats, maximum: Floats, minimum: Floats, highest: Floats
    ) -> None:
        rows, view = len(views), self.view
        views[:, view.level_lags] = np.column_stack([_ago(mean[:, 0], lag, rows) for lag in LEVEL_LAGS])
        views[:, view.lags] = np.hstack([_ago(mean, lag, rows) for lag in DIFFERENCES])
        recent = mean[-(rows + RECENT - 2) :]
        known = np.isfinite(recent)
        filled = np.where(known, recent, 0.0)
        views[:, view.count] = _trailing_sum(known[:, :1].astype(float), RECENT - 1, rows)
        views[:, view.sums] = _trailing_sum(filled, RECENT - 1, rows)
        views[:, view.squares] = _trailing_sum(filled**2, RECENT - 1, rows)
        views[:, view.maximum] = trailing_maximum(maximum, RECENT - 1, rows)
        views[:, view.minimum] = -trailing_maximum(-minimum, RECENT - 1, rows)
        views[:, view.long_maximum] = np.hstack(
            [trailing_maximum(highest, window - 1, rows) for window in (3, self._day // 4, self._day)]
        )

    def _write_profiles(
        self, views: Floats, number: Integers, level: Floats, highest: Floats, onset: Floats
    ) -> None:
        rows, reach, now = len(views), self._reach, number + 1
        peak = trailing_maximum(highest, reach, rows)[:, 0]
        # Only a cell that had samples of its own has a future to learn from; its future ends with this cell.
        peak = np.where(np.isfinite(_ago(level[:, 0], reach + 1, rows)), peak, np.nan)
        high = np.where(np.isfinite(peak), peak > 1.0, np.nan)
        begun = np.fmax(trailing_maximum(onset[:, None], reach, rows)[:, 0], peak * 0.0)
        past = number - reach
        day = np.column_stack([peak, peak, high, high, begun])
        read, count = self._day_profile.extend(past % self._day, day, now % self._day)
        overall = self._overall.extend(np.column_stack([peak, high]))
        empty = count == 0
        read[empty, :2], read[empty, 4] = overall[empty, :1], 0.0
        # A slot seen rarely leans on the overall share.
        read[:, 2:4] = (read[:, 2:4] * count[:, None] + overall[:, 1:]) / (count[:, None] + 1.0)
        hour, count = self._hour_profile.extend(past % self._hour, high[:, None], now % self._hour)
        hour[count == 0] = overall[count == 0, 1:]
        of_week, into_week = past // self._hour % 168, now // self._hour % 168
        week, count = self._week_profile.extend(of_week, np.column_stack([peak, high]), into_week)
        week[count == 0] = overall[count == 0]
        views[:, self.view.profiles] = np.hstack([read, hour, week])
        self._write_repeats(views, high, overall[:, 1])
        self._write_shape(views, number, level[len(level) - rows :])

    def _write_repeats(self, views: Floats, high: Floats, overall: Floats) -> None:
        """Log odds that high load comes again, by the same time on the last days, and on the last weeks.

        Unlike a profile they say at once how often of how many times: after three Saturdays of three a
        weekly peak is likely. The fast one follows a job that moved within days. Each share leans on the one
        that knows less, as on so many days or weeks of it: daily on the overall share, weekly on daily.
        """
        past = np.concatenate([self._high, high.astype(np.float32)])
        self._high = past[-len(self._high) :]
        before = {
            day: _ago(past, day * self._day - self._reach, len(views))
            for day in {*DAYS_REPEATED, *WEEKS_REPEATED}
        }
        days, weeks = ([before[day] for day in period] for period in (DAYS_REPEATED, WEEKS_REPEATED))
        daily = _fading_share(days, 0.75, overall, 0.5)
        fast = _fading_share(days, 0.4, overall, 0.5)
        shares = np.column_stack([daily, fast, _fading_share(weeks, 0.85, daily, 0.7)])
        least = 1.0 / (1.0 + math.exp(-LEAST_ODDS))
        shares = np.clip(shares, least, 1.0 - least)
        views[:, self.view.repeats] = np.log(shares / (1.0 - shares))

    def _write_shape(self, views: Floats, number: Integers, level: Floats) -> None:
        overall = self._overall_level.extend(level)
        ahead = (number + 1 + max(SHAPE)) % self._day
        read, count = self._shape_profile.extend(number % self._day, level, ahead)
        shape = np.r_[self._shape, np.where(count > 0, read[:, 0], np.nan)]
        rows, first = len(views), -min(SHAPE)
        around = np.column_stack([shape[first + offset : first + offset + rows] for offset in SHAPE])
        views[:, self.view.shape] = np.where(np.isfinite(around), around, overall)
        self._shape = shape[-len(self._shape) :]

    def _write_days_before(self, views: Floats, level: Floats, highest: Floats) -> None:
        rows, view = len(views), self.view
        ends = [days * self._day - self._reach for days in DAYS_BACK]
        ahead = np.column_stack(
            [trailing_maximum(highest[: len(highest) + 1 - end], self._reach, rows)[:, 0] for end in ends]
        )
        usual_ahead = views[:, view.profiles.start : view.profiles.start + 1]
        views[:, view.ahead] = np.where(np.isfinite(ahead), ahead, usual_ahead)
        back = np.column_stack([_ago(level[:, 0], days * self._day, rows) for days in DAYS_BACK])
        usual = view.shape.start + SHAPE.index(0)
        views[:, view.level] = np.where(np.isfinite(back), back, views[:, usual : usual + 1])


def _fading_share(before: Sequence[Floats], fading: float, prior: Floats, weight: float) -> Floats:
    """(N,) share of the known answers (each (N,), newest first, 0 or 1) that are 1; older ones count less.

    It leans on ``prior`` (N,) as on that many answers of the newest.
    """
    hits, known, counts = weight * prior, np.full(len(prior), weight), 1.0
    for answers in before:
        hits = hits + counts * np.nan_to_num(answers)
        known += counts * np.isfinite(answers)
        counts *= fading
    share: Floats = hits / known
    return share


def _ago(x: Floats, cells: int, rows: int) -> Floats:
    """For each of the last ``rows`` cells of x: the value ``cells`` before the cell that follows it."""
    end = len(x) + 1 - cells
    return x[end - rows : end]


def _trailing_sum(x: Floats, window: int, rows: int) -> Floats:
    """For each of the last ``rows`` rows of x (N, K): the sum of the ``window`` rows up to it."""
    total: Floats = np.zeros((rows, x.shape[1]))
    for lag in range(window):
        total += x[len(x) - rows - lag : len(x) - lag]
    return total
