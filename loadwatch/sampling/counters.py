"""From counters that only grow to rates per second, without ever inventing one."""

import math
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import numpy as np

from loadwatch.records import Floats

Key = TypeVar("Key", bound=Hashable)


class Counters(Generic[Key]):
    """The rates of a family of kernel counters, from one reading to the next.

    A counter that stepped back was reset, or wrapped around at 32 bits; both look the same, so the true
    increment is unknown: that counter's rate is NaN once, never negative and never a spike. (The counters
    that still wrap on 64-bit kernels, such as the milliseconds a disk was busy, take weeks to do so.)

    >>> counters = Counters()
    >>> counters.rates(10.0, {"sent": 1_000})
    {'sent': nan}
    >>> counters.rates(12.0, {"sent": 4_000})
    {'sent': 1500.0}
    >>> counters.rates(13.0, {"sent": 12})
    {'sent': nan}
    """

    def __init__(self) -> None:
        self._readings: dict[Key, float] = {}
        self._then = math.nan

    def rates(self, now: float, readings: Mapping[Key, float]) -> dict[Key, float]:
        """The rate per second of each counter since the previous call.

        NaN for a counter that was not there before or is not a finite number, and for all of them when the
        monotonic clock ``now`` (seconds) did not advance.
        """
        elapsed = now - self._then
        before = self._readings if elapsed > 0 else {}
        rates = {
            key: (value - before[key]) / elapsed
            if before.get(key, math.inf) <= value < math.inf
            else math.nan
            for key, value in readings.items()
        }
        # A reading that is no number must not become the base of the next rate.
        self._readings = {key: value for key, value in readings.items() if math.isfinite(value)}
        self._then = now
        return rates

    def forget(self) -> None:
        """Drop the previous readings; the next call gives no rates."""
        self._readings = {}
        self._then = math.nan


class CounterTable:
    """The same for a table, a row a device, of which there may be hundreds: (N, C) counts in, rates out.

    Which devices these are is for the caller to know, who forgets when they change.

    >>> table = CounterTable()
    >>> table.rates(10.0, np.array([[1_000.0, 5.0]]))
    array([[nan, nan]])
    >>> table.rates(12.0, np.array([[4_000.0, 2.0]]))
    array([[1500.,   nan]])
    """

    def __init__(self) -> None:
        self._counts: Floats | None = None
        self._then = math.nan

    def rates(self, now: float, counts: Floats) -> Floats:
        """The rates (N, C) per second since the previous call."""
        elapsed, before = now - self._then, self._counts
        self._then, self._counts = now, counts
        if before is None or not elapsed > 0.0:
            return np.full(counts.shape, math.nan)
        rates: Floats = (counts - before) / elapsed
        if rates.min() < 0.0:
            rates[rates < 0.0] = math.nan
        return rates

    def forget(self) -> None:
        """Drop the previous counts; the next call gives no rates."""
        self._counts = None
