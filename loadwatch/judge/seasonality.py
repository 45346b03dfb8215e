"""What this host is used to: how often, and how long, it is under high load at this time of day and week.

The everyday busy hour is not news. What deserves an alert is high load at a time that seldom sees it, or
more of it than this time is used to. Both are read here, half hour by half hour.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

SLOT_SECONDS: Final = 1800.0
EARLY_SECONDS: Final = 600.0
DAY_SLOTS: Final = 48
WEEK_SLOTS: Final = 7 * DAY_SLOTS
SEEN_SECONDS: Final = SLOT_SECONDS / 2
"""A half hour of which less was seen teaches nothing: the daemon started, the host slept, maintenance."""


class Profile:
    """Two values for each slot of a cycle, following the newest visits, and nothing high before the first.

    ``share``: of the visits, those that saw high load. ``usual``: seconds of high load, nearer to the
    larger visits than to the smaller (an expectile), so that ordinary scatter lies below it.
    """

    def __init__(self, slots: int, rate: float, rise: float, fall: float) -> None:
        self.slots = slots
        self._rate, self._rise, self._fall = rate, rise, fall
        self._visits = [0] * slots
        self._share = [0.0] * slots
        self._usual = [0.0] * slots

    def learn(self, slot: int, high_seconds: float) -> None:
        """Take in one visit of ``slot``."""
        slot %= self.slots
        self._visits[slot] += 1
        first = 1.0 / (self._visits[slot] + 1)
        self._share[slot] += max(first, self._rate) * ((high_seconds > 0.0) - self._share[slot])
        surprise = high_seconds - self._usual[slot]
        self._usual[slot] += max(first, self._rise if surprise > 0.0 else self._fall) * surprise

    def usual(self, slot: int) -> float:
        """Seconds of high load that ``slot`` or a neighbour is used to: early by ten minutes is no news."""
        usual, slots = self._usual, self.slots
        return max(usual[(slot - 1) % slots], usual[slot % slots], usual[(slot + 1) % slots])

    def share(self, slot: int) -> float:
        """Share of the visits of ``slot`` that saw high load."""
        return self._share[slot % self.slots]

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {
            "visits": list(self._visits),
            "share": list(self._share),
            "usual": list(self._usual),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._visits = list(state["visits"])
        self._share, self._usual = list(state["share"]), list(state["usual"])


class Seasonality:
    """Learns from every half hour that was seen well enough, and answers for any moment.

    Half hours count from 1970, in UTC: ``number % 48`` is the time of day, ``number % 336`` of the week.
    """

    def __init__(self) -> None:
        # A changed schedule is half forgotten after a week of days, or after two of weeks.
        self._day = Profile(DAY_SLOTS, rate=0.12, rise=0.3, fall=0.1)
        self._week = Profile(WEEK_SLOTS, rate=0.3, rise=0.5, fall=0.3)
        self._base = 0.0
        self._learned = 0
        # Learned one half hour late: as a neighbour of the next it would make a trouble its own excuse.
        self._pending: tuple[int, float] | None = None
        self._slot = -1
        self._ends = 0.0
        self._entered = self._lost_seconds = self._high_seconds = self._allowance = 0.0
        self._familiar: dict[tuple[int, int], float] = {}  # of spans asked for since something was learned

    @property
    def has_seen_a_day(self) -> bool:
        """Whether as many half hours as a day has were seen well enough."""
        return self._learned + (self._pending is not None) >= DAY_SLOTS

    def is_within(self, timestamp: float) -> bool:
        """Whether this moment lies in the half hour that is being watched."""
        return self._ends - SLOT_SECONDS <= timestamp < self._ends

    def enter(self, timestamp: float, seen_until: float) -> None:
        """Begin the half hour of ``timestamp``; learn from the one before, seen until ``seen_until``."""
        if self._pending is not None:
            self._learn(*self._pending)
            self._pending = None
        if seen_until - self._entered - self._lost_seconds >= SEEN_SECONDS and self._slot >= 0:
            self._pending = (self._slot, self._high_seconds)
        self._slot = int(timestamp // SLOT_SECONDS)
        self._ends = (self._slot + 1) * SLOT_SECONDS
        self._entered = timestamp
        self._lost_seconds = self._high_seconds = 0.0
        self._allowance = max(self._day.usual(self._slot), self._week.usual(self._slot))

    def lose(self, seconds: float) -> None:
        """Time of which nothing may be learned: a gap, maintenance."""
        self._lost_seconds += seconds

    def spend(self, seconds: float) -> float:
        """Note seconds of high load; how many of them are more than this half hour is used to."""
        before = max(self._allowance, self._high_seconds)
        self._high_seconds += seconds
        return max(0.0, self._high_seconds - before)

    @property
    def is_usual(self) -> bool:
        """Whether the half hour that is being watched is used to high load."""
        return self._allowance > 0.0

    def custom(self) -> tuple[float, str]:
        """Share of the days, or of the weeks on this day, that see high load at this time; and which."""
        around = (self._slot - 1, self._slot, self._slot + 1)
        by_day, by_week = (max(map(profile.share, around)) for profile in (self._day, self._week))
        if self._day.usual(self._slot) >= self._week.usual(self._slot):
            return by_day, "days"
        return by_week, "weeks on this day"

    def familiarity(self, timestamp: float, horizon: int) -> float:
        """How much likelier than usual the clock alone makes high load within ``horizon``, in log odds; or 0.

        A forecast must not take credit for it, nor for being a little early.
        """
        until = timestamp + horizon + EARLY_SECONDS
        span = int(timestamp // SLOT_SECONDS), int(until // SLOT_SECONDS)
        if span not in self._familiar:
            slots = range(span[0], span[1] + 1)
            share = max(max(self._day.share(slot), self._week.share(slot)) for slot in slots)
            self._familiar[span] = max(0.0, log_odds(share) - log_odds(self._base))
        return self._familiar[span]

    def _learn(self, slot: int, high_seconds: float) -> None:
        self._day.learn(slot, high_seconds)
        self._week.learn(slot, high_seconds)
        self._learned += 1
        # Half forgotten after a week of half hours, like the profiles.
        self._base += max(1.0 / self._learned, 0.002) * ((high_seconds > 0.0) - self._base)
        self._familiar.clear()

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {
            "pending": self._pending,
            "running": [self._slot, self._ends, self._entered, self._lost_seconds, self._high_seconds],
            "allowance": self._allowance,
            "day": self._day.to_state(),
            "week": self._week.to_state(),
            "base": self._base,
            "learned": self._learned,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._day.restore(state["day"])
        self._week.restore(state["week"])
        self._base, self._learned = state["base"], state["learned"]
        self._familiar.clear()
        self._pending = None if state["pending"] is None else (state["pending"][0], state["pending"][1])
        self._slot, self._ends, self._entered, self._lost_seconds, self._high_seconds = state["running"]
        self._allowance = state["allowance"]


def log_odds(probability: float) -> float:
    """Log odds of a probability, held within one in a thousand of certainty.

    >>> log_odds(0.5), round(log_odds(1.0), 2)
    (0.0, 6.91)
    """
    held = min(max(probability, 0.001), 0.999)
    return math.log(held / (1.0 - held))
