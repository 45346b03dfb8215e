"""Quantiles of columns that hold gaps."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from loadwatch.features.recurrence import Flags, Integers
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


def trailing_counts(flags: Flags, window: int) -> Integers:
    """(N, K) how many of each ``window`` successive rows of flags (N + window - 1, K) are true."""
    sums: Integers = np.cumsum(flags, axis=0, dtype=np.int64)
    counts = sums[window - 1 :].copy()
    counts[1:] -= sums[:-window]
    return counts


def trailing_medians(table: Floats, window: int, wanted: Flags) -> Floats:
    """Of each ``window`` successive rows of table (N + window - 1, K): medians (N, K), NaN left out.

    wanted: (N, K) which of them to work out, for each takes a sort; NaN for the others.
    """
    medians = np.full(wanted.shape, np.nan)
    ordered = sliding_window_view(table, window, axis=0)[wanted]
    ordered.sort(axis=-1)  # NaN comes last
    counts = trailing_counts(np.isfinite(table), window)[wanted]
    each = np.arange(len(ordered))
    below, above = ordered[each, np.maximum(counts - 1, 0) // 2], ordered[each, counts // 2]
    # Of an odd number both are the same; halved apart, so that two large values stay finite.
    medians[wanted] = np.where(counts % 2, above, 0.5 * below + 0.5 * above)
    return medians


def lower_medians(table: Floats) -> Floats:
    """As `column_medians`, but of an even number of values the lower of the two in the middle."""
    count = np.isfinite(table).sum(axis=0)
    place = np.maximum((count - 1) // 2, 0)[None]
    return np.asarray(np.take_along_axis(np.sort(table, axis=0), place, 0)[0])
