"""What the pages read: the last snapshot, the facts beside it, the curves."""

import math
from collections.abc import Callable
from typing import Any

from loadwatch.clock import Clock, age_of
from loadwatch.records import Recording, Snapshot
from loadwatch.web.facts import Facts
from loadwatch.web.routes import Providers
from loadwatch.web.status import build_status
from loadwatch.web.timeline import Timeline


class Board:
    """Published to by the daemon's thread, read by the server's; ``facts`` is replaced, never changed."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self.interval = interval
        self.facts = Facts()
        self.timeline = Timeline()
        self._clock = clock
        self._posted: tuple[Snapshot, float] | None = None

    def publish(self, snapshot: Snapshot | None) -> None:
        """Show this snapshot from now on; None withdraws the last one."""
        self._posted = None if snapshot is None else (snapshot, self._clock.boottime())
        if snapshot is not None:
            self.timeline.add(snapshot)

    def refill(self, read: Callable[[float, float], Recording]) -> None:
        """Draw the last day again after a start; ``read`` gives the recording between two epoch seconds.

        Hour by hour: a day of samples at once would be the largest piece of memory the daemon ever holds.
        """
        now = self._clock.wall()
        for hours_ago in range(24, 0, -1):
            start = now - hours_ago * 3_600.0
            self.timeline.load(read(start, start + 3_600.0))

    def status(self) -> dict[str, Any]:
        """The status document of this moment."""
        snapshot, age = None, math.inf
        posted = self._posted
        if posted is not None:
            snapshot, boottime = posted
            age = age_of(self._clock, monotonic=snapshot.sample.monotonic, boottime=boottime)
        now = self._clock.wall()
        return build_status(snapshot, self.facts, age=age, interval=self.interval, now=now)

    def providers(self, metrics: Callable[[str], tuple[bytes, str]], ready: Callable[[], bool]) -> Providers:
        """What a web server needs, with the exporter's ``scrape`` and ``is_ready``."""
        return Providers(metrics=metrics, status=self.status, series=self.timeline.series, ready=ready)
