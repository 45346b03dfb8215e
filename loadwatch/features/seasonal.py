"""What usually happens in this slot of the day, hour or week: averages that are only visited once a period.

A profile is a table with one running average a slot. It is updated with what a cell brought, and read for a
cell that is beginning; scoring never waits for a training run to follow a changed timetable.
"""

from collections.abc import Sequence

import numpy as np

from loadwatch.features.recurrence import Flags, Integers, decayed_sums
from loadwatch.records import Floats


class SeasonalProfile:
    """Averages of V values in each of ``slots`` slots: p <- p + rate (v - p), with rate at least 1/count."""

    def __init__(self, slots: int, rates: Sequence[float]) -> None:
        self._rates = np.asarray(rates, dtype=np.float64)
        self._values = np.zeros((slots, len(self._rates)))
        self._counts = np.zeros(slots)

    def extend(self, updated: Integers, values: Floats, read: Integers) -> tuple[Floats, Floats]:
        """N times: update slot ``updated[i]`` with ``values[i]``, then read slot ``read[i]``.

        updated, read: (N,) slots; values: (N, V), a row with NaN updates nothing. Returns what was read (N,
        V) and how many updates that slot had seen (N,); an empty slot reads as 0.
        """
        rows, width = values.shape
        events = np.empty(2 * rows, dtype=np.int64)
        events[0::2], events[1::2] = updated, read
        # Sorted by slot, each slot's events stand in a row in their own order: one recurrence serves all
        # slots.
        order = np.argsort(events, kind="stable")
        slots = events[order]
        known = np.zeros(2 * rows)
        known[0::2] = np.isfinite(values).all(axis=1)
        known = known[order]
        first = np.diff(slots, prepend=-1) != 0
        counts = np.cumsum(known)
        starts = np.maximum.accumulate(np.where(first, np.arange(2 * rows), 0))
        counts += (self._counts[slots] - counts + known)[starts]
        rate = np.where(
            known[:, None] > 0, np.maximum(self._rates, 1.0 / np.maximum(counts, 1.0)[:, None]), 0.0
        )
        x = np.zeros((2 * rows, width))
        x[0::2] = np.nan_to_num(values)
        x = x[order] * rate
        x[first] += (1.0 - rate[first]) * self._values[slots[first]]
        averages = decayed_sums(np.where(first[:, None], 0.0, 1.0 - rate), x, np.zeros(width))
        last = np.diff(slots, append=-1) != 0
        self._values[slots[last]], self._counts[slots[last]] = averages[last], counts[last]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return averages[back[1::2]], counts[back[1::2]]


class RunningMeans:
    """Slowly forgetting means of V values, right from the first one: rate at least 1/count."""

    def __init__(self, rates: Sequence[float]) -> None:
        self._rates = np.asarray(rates, dtype=np.float64)
        self._means = np.zeros(len(self._rates))
        self._count = 0.0

    def extend(self, values: Floats) -> Floats:
        """Take in values (N, V), rows with NaN skipped; returns the means (N, V) after each row."""
        known: Flags = np.logical_and.reduce(np.isfinite(values), axis=1)
        counts = self._count + np.cumsum(known)
        rate = np.maximum(self._rates, 1.0 / np.maximum(counts, 1.0)[:, None]) * known[:, None]
        means = decayed_sums(1.0 - rate, np.nan_to_num(values) * rate, self._means)
        self._means, self._count = means[-1], float(counts[-1])
        return means
