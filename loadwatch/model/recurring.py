"""What the last days and weeks say about now: a level that has moved, and what comes back at this time.

Followed in the stream, half hour by half hour, so that nothing waits for a training.
"""

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from loadwatch.features.half_hours import SLOTS, WEEK, HalfHourMeans, half_hour_pieces
from loadwatch.features.quantiles import column_medians, lower_medians
from loadwatch.features.recurrence import Integers
from loadwatch.records import Floats

DAYS: Final = 5
OFTEN: Final = 3  # of these days
WEEKS: Final = 4
LEAST_WEEKS: Final = 2
OVER_TYPICAL: Final = 3.0
"""What comes back each day is ordinary only if it stands out from the rest of the day by this factor."""
AROUND: Final = np.array([-1, 0, 1])  # half hours: what comes back is seldom on the dot


class _Follower(ABC):
    """A value for each of J signals that is renewed with each half hour, from the half hours before it."""

    def __init__(self, signals: int, length: int) -> None:
        self.past = HalfHourMeans(signals, length)
        self._now = np.zeros(signals)

    def extend(self, timestamps: Floats, values: Floats) -> Floats:
        """Take in rows (N,) with values (N, J), NaN for what is not to be learned; the answers (N, J)."""
        answers = np.empty(values.shape)
        for number, rows in half_hour_pieces(timestamps):
            if not self.past.is_open(number):
                self.past.open(number)
                self._now = self._renewed(number)
            answers[rows] = self._now
            self.past.add(values[rows])
        return answers

    @abstractmethod
    def _renewed(self, number: int) -> Floats:
        """The answer (J,) for the half hour ``number``."""


class LevelDrift(_Follower):
    """By how much a level has moved for good: the median of five days, less one width (J,).

    So a new level is ordinary after two and a half days, and an incident of two days is not.
    """

    def __init__(self, width: Floats) -> None:
        super().__init__(len(width), DAYS * SLOTS)
        self._width = width

    def _renewed(self, number: int) -> Floats:
        residuals = self.past.of(np.arange(number - DAYS * SLOTS, number))
        median = column_medians(residuals)
        moved = np.sign(median) * np.maximum(np.abs(median) - self._width, 0.0)
        known = np.isfinite(residuals).sum(axis=0) >= SLOTS
        return np.where(known & np.isfinite(moved), moved, 0.0)


class RecurringOddity(_Follower):
    """The oddity that is ordinary at this half hour, because it was there before at this time.

    On three of the last five days; or on half of the last four weeks, from two weeks on.
    """

    def __init__(self, signals: int) -> None:
        super().__init__(signals, WEEKS * WEEK + 2)

    def _renewed(self, number: int) -> Floats:
        days = self._highest(number - SLOTS * np.arange(1, DAYS + 1))
        typical = column_medians(self.past.of(np.arange(number - DAYS * SLOTS, number)))
        known = np.isfinite(days).sum(axis=0)
        daily = np.take_along_axis(np.sort(days, axis=0), np.maximum(known - OFTEN, 0)[None], axis=0)[0]
        weeks = self._highest(number - WEEK * np.arange(1, WEEKS + 1))
        weekly = np.where(np.isfinite(weeks).sum(axis=0) >= LEAST_WEEKS, lower_medians(weeks), 0.0)
        return np.maximum(np.where((known >= OFTEN) & (daily > OVER_TYPICAL * typical), daily, 0.0), weekly)

    def _highest(self, numbers: Integers) -> Floats:
        """(B, J) the highest oddity of half hours (B,) and their neighbours."""
        return np.asarray(np.fmax.reduce(self.past.of(numbers[:, None] + AROUND), axis=1))
