"""What the pages read: the last snapshot, the facts beside it, the curves."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from loadwatch.clock import Clock, age_of
from loadwatch.records import Recording, Snapshot
from loadwatch.signals import BY_NAME, Signal
from loadwatch.web.facts import Facts
from loadwatch.web.routes import Providers
from loadwatch.web.status import build_status
from loadwatch.web.timeline import Timeline

log = logging.getLogger(__name__)

_DAY_SECONDS: Final = 86_400.0
_STEP_SECONDS: Final = 300.0


class Board:
    """Published to by the daemon's thread, read by the server's; ``facts`` is replaced, never changed.

    So is ``described``, the signals that have a unit and a meaning, by name.
    """

    def __init__(self, clock: Clock, interval: float) -> None:
        self.interval = interval
        self.facts = Facts()
        self.described: Mapping[str, Signal] = BY_NAME
        self.timeline = Timeline()
        self._clock = clock
        self._posted: tuple[Snapshot, float] | None = None
        self._refilled_from = clock.wall()

    def publish(self, snapshot: Snapshot | None) -> None:
        """Show this snapshot from now on; None withdraws the last one."""
        self._posted = None if snapshot is None else (snapshot, self._clock.boottime())
        if snapshot is not None:
            self.timeline.add(snapshot)

    def refill(self, read: Callable[[float, float], Recording], judged: Any = None) -> None:
        """Draw the last day again after a start; ``read`` gives the recording between two epoch seconds.

        judged: what ``Timeline.judged`` gave before; where it is something else the curves of the verdicts
        begin anew.

        Hour by hour: a day of samples at once would be the largest piece of memory the daemon ever holds.
        """
        self._refilled_from = self._clock.wall() - _DAY_SECONDS
        for hour in range(24):
            start = self._refilled_from + hour * 3_600.0
            self.timeline.load(read(start, start + 3_600.0))
        if judged is not None:
            try:
                self.timeline.restore(judged, self._clock.wall())
            except ValueError as error:
                log.error("the curves of the verdicts begin anew: %s", error)

    def refill_week(self, read: Callable[..., Recording]) -> None:
        """Draw the days before that too, which takes longer; ``read`` gives means over a ``step`` as well.

        Six hours at once, for the same reason.
        """
        end = self._refilled_from
        for quarter in range(4 * 6):
            start = end - _DAY_SECONDS * 6 + quarter * _DAY_SECONDS / 4
            means = read(start, start + _DAY_SECONDS / 4, step=_STEP_SECONDS)
            # Stamped with the end of their step: within it is where they belong.
            within = means.timestamps - _STEP_SECONDS / 2
            self.timeline.load(Recording(within, means.signals, means.values))

    def status(self) -> dict[str, Any]:
        """The status document of this moment."""
        snapshot, age = None, math.inf
        posted = self._posted
        if posted is not None:
            snapshot, boottime = posted
            age = age_of(self._clock, monotonic=snapshot.sample.monotonic, boottime=boottime)
        now = self._clock.wall()
        return build_status(
            snapshot, self.facts, age=age, interval=self.interval, now=now, described=self.described
        )

    def providers(self, metrics: Callable[[str], tuple[bytes, str]], ready: Callable[[], bool]) -> Providers:
        """What a web server needs, with the exporter's ``scrape`` and ``is_ready``."""
        return Providers(metrics=metrics, status=self.status, series=self.timeline.series, ready=ready)
