"""Quantiles of columns that hold gaps."""

import numpy as np

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


def lower_medians(table: Floats) -> Floats:
    """As `column_medians`, but of an even number of values the lower of the two in the middle."""
    count = np.isfinite(table).sum(axis=0)
    place = np.maximum((count - 1) // 2, 0)[None]
    return np.asarray(np.take_along_axis(np.sort(table, axis=0), place, 0)[0])
