"""A wall clock that is not believed at once when it was set forward."""

from typing import Final

from loadwatch.clock import Clock

_BELIEF_SECONDS: Final = 86_400.0


class BelievedClock:
    """What time it is for whoever deletes by age: an hour in the wrong century must not cost the history."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.wall() - clock.boottime()
        self._new_offset = (self._offset, clock.boottime())

    def now(self) -> float:
        """The wall clock, or the time that really passed where that is less and the difference is young."""
        boottime = self._clock.boottime()
        offset = self._clock.wall() - boottime
        if abs(offset - self._new_offset[0]) > 1.0:
            self._new_offset = (offset, boottime)
        if boottime - self._new_offset[1] > _BELIEF_SECONDS:
            self._offset = offset
        return boottime + min(offset, self._offset)
