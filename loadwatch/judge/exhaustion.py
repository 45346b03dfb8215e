"""Memory that will soon be at its end, foretold from its own rise.

The distress that follows is never silenced (`alerting`), so it may as well be told while there is time to
act: by an alert on what is expected, that becomes the one on what is present. The forecast is the slowest of
three rises in a row, from one quarter of an hour, hour or day to the next, each taken at its lowest. So
neither a single step nor a short peak nor the course of a day is a trend. It is silent up to where memory has
been of late without getting to its end.
"""

import math
from collections import deque
from collections.abc import Mapping
from itertools import pairwise, repeat
from typing import Any, Final, NamedTuple

from loadwatch.judge.budget import finite_or_none, value_or
from loadwatch.judge.limits import LIMITS
from loadwatch.records import Floats

END: Final = next(line.raise_at for line in LIMITS if line.signal == "memory")
NEAR: Final = 0.85
"""Of memory that is emptier nothing is said: what fills it may well be done before."""
RISES: Final = 3
GIVEN_BACK: Final = 0.1
"""What fell by this much from its highest got through; for eight days that height is nothing new."""
REMEMBERED_SECONDS: Final = 8 * 86_400.0
LOOK_SECONDS: Final = 60.0
"""Of samples of a second, nearly each would say the same."""


class RisePace(NamedTuple):
    """From one ``seconds`` to the next it rises by ``least`` at least, and ends within ``soon`` seconds."""

    seconds: float
    least: float  # beneath that it is noise, or will last
    soon: int


PACES: Final = (
    RisePace(900.0, 0.005, 7_200),
    RisePace(3600.0, 0.006, 14_400),
    RisePace(86_400.0, 0.02, 86_400),
)


class _Lows:
    """The lowest share of each stretch of a pace, those before without a hole."""

    def __init__(self, pace: RisePace) -> None:
        self._pace = pace
        self._number, self._lowest = -2, math.inf
        self._before: deque[float] = deque(maxlen=RISES)

    def note(self, number: int, lowest: float) -> None:
        """Take in the lowest share of the stretch with this number, or of a part of it."""
        if number == self._number:
            self._lowest = min(self._lowest, lowest)
            return
        if number == self._number + 1:
            self._before.append(self._lowest)
        else:
            self._before.clear()
        self._number, self._lowest = number, lowest

    def is_ending(self, share: float) -> bool:
        """Whether the end is soon at the slowest of the rises, from this share on."""
        lows = (*self._before, self._lowest)
        slowest = min((later - earlier for earlier, later in pairwise(lows)), default=0.0)
        if len(lows) <= RISES or slowest < self._pace.least:
            return False
        return (END - share) / slowest * self._pace.seconds <= self._pace.soon

    def to_state(self) -> list[Any]:
        return [self._number, finite_or_none(self._lowest), list(self._before)]

    def restore(self, state: list[Any]) -> None:
        self._number, lowest, before = state
        self._lowest = value_or(lowest, math.inf)
        self._before.extend(before)


class Exhaustion:
    """Follows the share of memory in use, in constant time and space a sample."""

    def __init__(self) -> None:
        self._lows = tuple(_Lows(pace) for pace in PACES)
        self._begins = self._ends = 0.0  # of this quarter of an hour
        self._lowest = math.inf  # in it, so far
        self._highest = 0.0  # since memory was last given back
        self._survived: deque[tuple[float, float]] = deque(maxlen=64)
        self._said, self._said_until = 0, -math.inf
        self._look_at = -math.inf

    def update(self, now: float, share: float) -> int | None:
        """Within how many seconds memory will be at its end, None where that is not soon.

        It is said for as long as the next of the rises may take, unless memory is given back.
        share: in use, 0 to 1, NaN while that is unknown.
        """
        if not self._begins <= now < self._ends and not math.isnan(share):
            self._turn(now)
        if share < self._lowest:  # noqa: PLR1730 - of nearly every sample neither is true, and min() is slow
            self._lowest = share
        if share > self._highest:
            self._highest = share
        elif share <= self._highest - GIVEN_BACK:
            if NEAR <= self._highest < END:
                self._survived.append((now, self._highest))
            self._highest, self._said_until = share, -math.inf
        if share >= NEAR and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._forecast(now, share)
        return self._said if now < self._said_until else None

    def extend(self, timestamps: Floats, shares: Floats | None) -> list[int | None]:
        """The same of N samples; None in place of the shares (N,) where memory is not known at all."""
        known = repeat(math.nan) if shares is None else shares.tolist()
        return list(map(self.update, timestamps.tolist(), known))

    def _turn(self, now: float) -> None:
        """Begin the quarter of an hour of this moment."""
        self._note()
        if now < self._begins:  # the clock was set back
            self._said_until = self._look_at = -math.inf
        length = PACES[0].seconds
        self._begins = now // length * length
        self._ends, self._lowest = self._begins + length, math.inf
        while self._survived and not 0.0 <= now - self._survived[0][0] <= REMEMBERED_SECONDS:
            self._survived.popleft()

    def _note(self) -> None:
        if self._lowest < math.inf:
            for pace, lows in zip(PACES, self._lows, strict=True):
                lows.note(int(self._begins // pace.seconds), self._lowest)

    def _forecast(self, now: float, share: float) -> None:
        if any(share <= height for _, height in self._survived):
            return
        self._note()
        for pace, lows in zip(PACES, self._lows, strict=True):
            if lows.is_ending(share):
                self._said, self._said_until = pace.soon, now + pace.seconds
                return

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {
            "quarter": [self._begins, self._ends, finite_or_none(self._lowest)],
            "lows": [lows.to_state() for lows in self._lows],
            "highest": self._highest,
            "survived": [list(each) for each in self._survived],
            "said": [self._said, finite_or_none(self._said_until), finite_or_none(self._look_at)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._begins, self._ends, lowest = state["quarter"]
        self._lowest = value_or(lowest, math.inf)
        for lows, kept in zip(self._lows, state["lows"], strict=True):
            lows.restore(kept)
        self._highest = state["highest"]
        self._survived.extend((moment, height) for moment, height in state["survived"])
        self._said, until, look_at = state["said"]
        self._said_until, self._look_at = value_or(until, -math.inf), value_or(look_at, -math.inf)
