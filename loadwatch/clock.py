"""Wall and monotonic time behind one object, so that tests and replays can set it themselves.

Wall time only labels stored rows. Every interval, deadline and staleness check uses the monotonic clock,
because the wall clock may be set, jump or be smeared.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What loadwatch asks of a clock."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never steps back; stands still while the machine is suspended."""
        ...

    def boottime(self) -> float:
        """Like ``monotonic`` but counts suspended time too: the difference of both shows a suspension."""
        ...


class SystemClock:
    """The clocks of the kernel."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of ``CLOCK_MONOTONIC``."""
        return time.monotonic()

    def boottime(self) -> float:
        """Seconds of ``CLOCK_BOOTTIME``."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def age_of(clock: Clock, *, monotonic: float, boottime: float) -> float:
    """Seconds since a moment that was read from both clocks.

    The monotonic clock alone would call a verdict fresh that was given before the machine slept for an hour.
    """
    return max(clock.monotonic() - monotonic, clock.boottime() - boottime)
