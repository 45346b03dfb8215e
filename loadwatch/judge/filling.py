"""What fills up and when it will be full: a limit of its own, for a full file system is no load.

The forecast asks four times how fast something fills: since the beginning of what is remembered, over the
newer half, the newest quarter and the newest eighth. The slowest answer counts, and none where the newest
quarter is much faster than the whole: a copy of an hour is no trend, while it goes on or when it has ended.
Where little is left the last minutes alone count. It looks ahead at most a few times as far as it looks back,
and is silent where the same has been as full before and was emptied. Its worth: ``bench_filling.py``.
"""

import heapq
import math
from collections import deque
from collections.abc import Mapping
from typing import Final

from loadwatch.records import Filling

FULL: Final = 0.95
"""From here on something is said to be full, until it has fallen below ``FULL - SLACK``."""
SLACK: Final = 0.02
LEAST_SECONDS: Final = 600.0
LOOK_BACK: Final = 4.0
"""Six hours are remembered, so a day is the farthest."""
LEAST_SHARE: Final = 0.7
"""Of a thing that is emptier than this, forecasts are mostly of what is just being set up."""
STEADY: Final = 3.0
"""A newest quarter that fills faster than this many times the whole is an event and no trend."""
LITTLE_LEFT: Final = 0.15
SOON_SECONDS: Final = 3600.0
"""With little left, and full so soon at the rate of the last ten minutes, nobody waits for a trend."""
POINTS: Final = 361
POINT_SECONDS: Final = 60.0
"""Six hours by the minute are remembered, 50 kB of each thing that can fill."""
TRACKED: Final = 64
"""Of a host with hundreds of file systems the fullest are followed."""
ENDS: Final = 3
"""Points at each end of a slope that are averaged."""
DROP: Final = 0.02
"""What fell by this much from its highest was emptied; for eight days that height is nothing new."""
REMEMBERED_SECONDS: Final = 8 * 86_400.0
SAID: Final = 3


class FillingWatch:
    """Follows everything that can fill up on one host."""

    def __init__(self) -> None:
        self._trends: dict[str, _Trend] = {}
        self._said: set[str] = set()

    def update(self, now: float, levels: Mapping[str, float]) -> tuple[Filling, ...]:
        """What is full or soon will be, the most urgent first and at most three.

        now: monotonic seconds; levels: how full each thing is (0 to 1), NaN while that is unknown.
        """
        known = ((share, what) for what, share in levels.items() if not math.isnan(share))
        fullest = heapq.nlargest(TRACKED, known)
        self._trends = {what: self._trends.get(what) or _Trend() for _, what in fullest}
        found = [Filling(what, share, self._trends[what].update(now, share)) for share, what in fullest]
        said = sorted(filter(self._is_worth_saying, found), key=_urgency)
        self._said = {filling.what for filling in said}
        return tuple(said[:SAID])

    def _is_worth_saying(self, filling: Filling) -> bool:
        slack = SLACK if filling.what in self._said else 0.0
        return filling.share >= FULL - slack or filling.full_in_seconds is not None


def _urgency(filling: Filling) -> tuple[float, float]:
    left = math.inf if filling.full_in_seconds is None else filling.full_in_seconds
    return (0.0 if filling.share >= FULL else left, -filling.share)


class _Trend:
    """One thing that can fill up."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=POINTS)
        self._highest = 0.0
        self._emptied: deque[tuple[float, float]] = deque(maxlen=64)
        self._full_in: float | None = None

    def update(self, now: float, share: float) -> float | None:
        """Seconds until it is full, None where nothing says that it will be."""
        if self._points and now - self._points[-1][0] < POINT_SECONDS:
            return self._full_in
        self._points.append((now, share))
        self._remember(now, share)
        self._full_in = self._forecast(now, share)
        return self._full_in

    def _remember(self, now: float, share: float) -> None:
        self._highest = max(self._highest, share)
        if share <= self._highest - DROP:
            self._emptied.append((now, self._highest))
            self._highest = share
        while self._emptied and now - self._emptied[0][0] > REMEMBERED_SECONDS:
            self._emptied.popleft()

    def _forecast(self, now: float, share: float) -> float | None:
        known = now - self._points[0][0]
        emptied = max((height for _, height in self._emptied), default=0.0)
        if known < LEAST_SECONDS or share <= max(emptied, LEAST_SHARE):
            return None
        left, points = 1.0 - share, len(self._points)
        whole, half, quarter, eighth = (self._slope(points // part) for part in (1, 2, 4, 8))
        slowest = min(whole, half, quarter, eighth)
        if slowest > 0.0 and quarter <= STEADY * whole and left <= LOOK_BACK * known * slowest:
            return left / slowest
        newest = self._slope(int(LEAST_SECONDS / POINT_SECONDS))
        if left <= LITTLE_LEFT and left <= SOON_SECONDS * newest:
            return left / newest
        return None

    def _slope(self, points: int) -> float:
        """How fast it fills a second, over the newest points."""
        newest = list(self._points)[-max(points, 2 * ENDS) :]
        (then, low), (now, high) = _middle(newest[:ENDS]), _middle(newest[-ENDS:])
        return (high - low) / (now - then)


def _middle(points: list[tuple[float, float]]) -> tuple[float, float]:
    times, shares = zip(*points, strict=True)
    return sum(times) / len(points), sum(shares) / len(points)
