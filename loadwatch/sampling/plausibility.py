"""Which measurements can be, in one place, for what is sampled here and what is imported from elsewhere.

Counters jump: at a live migration, when a driver is reset, when a file was written by another machine. A
value that no host can have is unknown for that one moment. It is never clipped to "at its limit", and nothing
is learned from it.
"""

import math
from collections.abc import Hashable
from typing import Final

import numpy as np

from loadwatch.records import Floats
from loadwatch.signals import BY_NAME, Unit

MOST_OF_TIME: Final = 1.5
"""A share of time may pass 1 by this factor: kernels count in ticks, and readings come late. Then it is 1."""
MOST_OF_SPEED: Final = 2.5
"""Nor does a link pass its speed by more. Not less: some drivers count in bursts of a second or two, so over
short intervals an honest link can seem to carry twice its speed."""

# Far beyond the largest servers: 8 Tbit/s, a segment for each nanosecond, more sockets than memory can hold.
_BOUNDS: Final[dict[Unit, float]] = {
    "ratio": MOST_OF_TIME,
    "1": 1e6,
    "bytes": 1e18,
    "bytes_per_second": 1e12,
    "per_second": 1e10,
    "connections": 1e9,
    "seconds": 1e6,
}
FASTEST_DISK: Final = 1e11
"""Bytes per second that no single disk moves: a 4 GiB jump of its sectors in some seconds is more."""
_ANY_NAME: Final = 1e18

_BYTES_IN_MEGABIT: Final = 125_000.0
_FASTEST_MEGABITS: Final = 1_600_000
FASTEST_LINK: Final = _FASTEST_MEGABITS * _BYTES_IN_MEGABIT
# What drivers that do not know say: SPEED_UNKNOWN, as 32 and as 16 bits without sign.
_UNKNOWN_MEGABITS: Final = {65_535, 4_294_967_295}

LEAST_LIMIT: Final = 100 * _BYTES_IN_MEGABIT
"""The least that is taken for a limit while no speed is known: 100 Mbit/s. Without it an idle host whose
largest rate so far was one ping would count that ping as a link at its limit."""
_HALF_LIFE_SECONDS: Final = 14 * 86_400.0


def largest(signal: str) -> float:
    """The largest value that a signal can have; of a name that is none of ours, the largest we keep."""
    known = BY_NAME.get(signal)
    return _ANY_NAME if known is None else _BOUNDS[known.unit]


def plausible(signal: str, values: Floats) -> Floats:
    """The (N,) values of one signal with those that cannot be as NaN; ratios a little above 1 are 1.

    Our own signals are never negative; of another name, imported from elsewhere, only the size is judged.

    >>> plausible("cpu", np.array([0.5, 1.01, 7.0, -0.1, np.inf]))
    array([0.5, 1. , nan, nan, nan])
    """
    most, known = largest(signal), BY_NAME.get(signal)
    least = -most if known is None else 0.0
    with np.errstate(invalid="ignore"):
        possible = np.where((values >= least) & (values <= most), values, math.nan)
    return np.minimum(possible, 1.0) if known is not None and known.unit == "ratio" else possible


def link_speed(megabits: float) -> float:
    """Bytes per second in one direction of a link whose driver states ``megabits`` per second; 0: unknown.

    >>> link_speed(1000), link_speed(-1), link_speed(65535)
    (125000000.0, 0.0, 0.0)
    """
    if not 0 < megabits <= _FASTEST_MEGABITS or megabits in _UNKNOWN_MEGABITS:
        return 0.0
    return megabits * _BYTES_IN_MEGABIT


class LargestRate:
    """The largest rate that links of unknown speed have carried: the measure of how full they are.

    Only what lasted from one reading to the next counts, so that no jump of a counter is ever learned; and it
    fades by half in two weeks, for a machine may move to a slower link.
    """

    def __init__(self, bytes_per_second: float = 0.0) -> None:
        self.bytes_per_second = bytes_per_second
        self._then = math.nan
        self._before: dict[Hashable, float] = {}

    def share(self, now: float, rate: float, link: Hashable = "") -> float:
        """How full a ``link`` is (0 to 1) that carries ``rate`` at ``now`` (seconds, of any clock).

        NaN for what passes all rates so far many times and has not lasted yet.
        """
        elapsed = now - self._then
        if elapsed > 0.0:
            self.bytes_per_second *= 0.5 ** (elapsed / _HALF_LIFE_SECONDS)
        self._then = now
        self.bytes_per_second = max(self.bytes_per_second, min(rate, self._before.get(link, 0.0)))
        self._before[link] = rate if math.isfinite(rate) else 0.0
        share = rate / max(self.bytes_per_second, LEAST_LIMIT)
        return min(share, 1.0) if share <= MOST_OF_SPEED else math.nan

    def forget(self) -> None:
        """Take the next readings for first ones; what was learned stays."""
        self._before.clear()
