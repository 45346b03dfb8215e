"""What the last days and weeks say about now: a level that has moved, and what comes back at this time.

Followed in the stream, half hour by half hour, so that nothing waits for a training.
"""

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from loadwatch.features.half_hours import SLOTS, WEEK, HalfHourMeans, half_hour_runs
from loadwatch.features.quantiles import lower_medians, trailing_counts, trailing_medians
from loadwatch.features.recurrence import Flags, Integers
from loadwatch.records import Floats

DAYS: Final = 5
OFTEN: Final = 3  # of these days
WEEKS: Final = 4
LEAST_WEEKS: Final = 2
OVER_TYPICAL: Final = 3.0
"""What comes back each day is ordinary only if it stands out from the rest of the day by this factor."""
ORDINARY: Final = 1.0  # oddity of a signal that spreads as it always did: its squared robust deviation
AROUND: Final = np.array([-1, 0, 1])  # half hours: what comes back is seldom on the dot
RUN: Final = SLOTS
"""Half hours whose answers are worked out at once."""


class _Follower(ABC):
    """A value for each of J signals that is renewed with each half hour, from the D half hours before it."""

    def __init__(self, signals: int, depth: int) -> None:
        self.past = HalfHourMeans(signals, depth)
        self._depth = depth
        self._now = np.zeros(signals)

    def extend(self, timestamps: Floats, values: Floats) -> Floats:
        """Take in rows (N,) with values (N, J), NaN for what is not to be learned; the answers (N, J)."""
        answers = np.empty(values.shape)
        for number, edges in half_hour_runs(timestamps, RUN):
            if self.past.is_open(number):
                rows = slice(edges[0], edges[1])
                answers[rows] = self._now
                self.past.add(values[rows])
                number, edges = number + 1, edges[1:]  # noqa: PLW2901 - the rest of the run
            if len(edges) > 1:
                self.past.open(number)
                before = self.past.of(np.arange(number - self._depth, number))
                rows = slice(edges[0], edges[-1])
                means = self.past.add_run(values[rows], edges - edges[0])
                found = self._renewed(np.concatenate([before, means]), len(means) + 1)
                answers[rows] = np.repeat(found, np.diff(edges), axis=0)
                self._now = found[-1].copy()
        return answers

    @abstractmethod
    def _renewed(self, means: Floats, count: int) -> Floats:
        """The answers (R, J) for R half hours, from the means (D + R - 1, J) of those before the last."""


class LevelDrift(_Follower):
    """By how much a level has moved for good: the median of five days, less one width (J,).

    So a new level is ordinary after two and a half days, and an incident of two days is not. The level of the
    training stays ordinary beside it: what goes back to it is over.
    """

    def __init__(self, width: Floats) -> None:
        super().__init__(len(width), DAYS * SLOTS)
        self._width = width

    def levels(self, timestamps: Floats, residuals: Floats, learned: Flags | None = None) -> Floats:
        """How far residuals (N, J) of rows (N,) are from the nearer of both levels, (N, J).

        learned: (N,) the rows from which drift is learned, all of them unless said.
        """
        known = residuals if learned is None else np.where(learned[:, None], residuals, np.nan)
        moved = residuals - self.extend(timestamps, known)
        return np.where(np.abs(moved) < np.abs(residuals), moved, residuals)

    def _renewed(self, means: Floats, count: int) -> Floats:  # noqa: ARG002 - one form for all
        known, far = (
            trailing_counts(flags, DAYS * SLOTS)
            for flags in (np.isfinite(means), np.abs(means) > self._width)
        )
        # The median is no further than the width unless at least half of the values are.
        median = trailing_medians(means, DAYS * SLOTS, (known >= SLOTS) & (2 * far >= known))
        moved = np.sign(median) * np.maximum(np.abs(median) - self._width, 0.0)
        return np.where(np.isfinite(moved), moved, 0.0)


class RecurringOddity(_Follower):
    """The oddity that is ordinary at this half hour, because it was there before.

    At this time on three of the last five days; or on half of the last four weeks, from two weeks on; or for
    most of the last five days, whenever: a spread that has grown for good, as `LevelDrift` for the level.
    """

    def __init__(self, signals: int) -> None:
        super().__init__(signals, WEEKS * WEEK + 2)

    def _renewed(self, means: Floats, count: int) -> Floats:
        places = self._depth + np.arange(count)
        days = _highest(means, places - SLOTS * np.arange(1, DAYS + 1)[:, None])
        known = np.isfinite(days).sum(axis=0)
        daily = np.take_along_axis(np.sort(days, axis=0), np.maximum(known - OFTEN, 0)[None], axis=0)[0]
        weeks = _highest(means, places - WEEK * np.arange(1, WEEKS + 1)[:, None])
        weekly = np.where(np.isfinite(weeks).sum(axis=0) >= LEAST_WEEKS, lower_medians(weeks), 0.0)
        recent = means[-(DAYS * SLOTS + count - 1) :]
        seen, odd = (
            trailing_counts(flags, DAYS * SLOTS) for flags in (np.isfinite(recent), recent > ORDINARY)
        )
        often, grown = (known >= OFTEN) & (daily > weekly), (2 * seen >= DAYS * SLOTS) & (2 * odd >= seen)
        typical = trailing_medians(recent, DAYS * SLOTS, often | grown)
        answers = np.where(often & (daily > OVER_TYPICAL * typical), daily, weekly)
        return np.where(grown, np.maximum(answers, typical), answers)


def _highest(means: Floats, places: Integers) -> Floats:
    """(..., J) the highest oddity of half hours at places (...) of means (B, J), and of their neighbours."""
    return np.asarray(np.fmax.reduce(means[places[..., None] + AROUND], axis=-2))
