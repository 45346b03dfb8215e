"""Quantiles of columns that hold gaps."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from loadwatch.features.recurrence import Integers
from loadwatch.records import Floats


def column_quantiles(table: Floats, shares: Floats) -> Floats:
    """(Q, ...) quantiles along the first axis of table (N, ...), NaN left out; NaN where all is NaN.

    As `numpy.nanquantile`, but a single sort instead of a call per column, and no warning.
    """
    ordered = np.sort(table, axis=0)  # NaN comes last
    count = np.isfinite(table).sum(axis=0)
    place = np.reshape(shares, (-1, *[1] * count.ndim)) * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = np.take_along_axis(ordered, low, 0), np.take_along_axis(ordered, high, 0)
    return np.asarray(below + (place - low) * (above - below))


def column_medians(table: Floats) -> Floats:
    """(...) medians along the first axis of table (N, ...), NaN left out; NaN where all is NaN."""
    if not len(table):
        return np.full(table.shape[1:], np.nan)
    return np.asarray(column_quantiles(table, np.array([0.5]))[0])


def trailing_medians(table: Floats, window: int) -> tuple[Floats, Integers]:
    """Of each ``window`` successive rows of table (N + window - 1, K): medians (N, K), NaN left out.

    And of how many values each is the median.
    """
    ordered = sliding_window_view(table, window, axis=0).copy()
    ordered.sort(axis=-1)  # NaN comes last
    sums = np.cumsum(np.isfinite(table), axis=0)
    counts = sums[window - 1 :].copy()
    counts[1:] -= sums[:-window]
    low, high = np.maximum(counts - 1, 0) // 2, counts // 2
    below, above = (np.take_along_axis(ordered, place[..., None], -1)[..., 0] for place in (low, high))
    # Of an odd number both are the same; halved apart, so that two large values stay finite.
    return np.where(low == high, below, 0.5 * below + 0.5 * above), counts


def lower_medians(table: Floats) -> Floats:
    """As `column_medians`, but of an even number of values the lower of the two in the middle."""
    count = np.isfinite(table).sum(axis=0)
    place = np.maximum((count - 1) // 2, 0)[None]
    return np.asarray(np.take_along_axis(np.sort(table, axis=0), place, 0)[0])
