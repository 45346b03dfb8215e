"""Centre and spread of features that shrug off incidents, gaps, constant signals and a wild day.

    centre   median
    spread   the larger of  (q99 - q01) / 4.65  (a normal distribution's deviation)  and  0.3 x deviation,
             at most three times what it is on a typical day,
             at least a floor that follows from the signal

The inner spread alone is blind to a tail, which makes every rare burst of a bursty signal an alarm; the
deviation alone is blown up by one incident. The typical day (median over days) keeps a season of incidents
from becoming the measure of normal: without it, retraining lost a third of the precision on a host with
daily incidents.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats
from loadwatch.signals import BY_NAME, Unit

Flags = npt.NDArray[np.bool_]

DAY: Final = 86400.0
NORMAL_WIDTH: Final = 4.65  # q99 - q01 of a normal distribution, in deviations
NORMAL_QUANTILES: Final = {0.75: 1.15, 0.95: 1.96}  # of the absolute values of a normal distribution
DEVIATION_SHARE: Final = 0.3
TYPICAL_DAYS: Final = 3.0
LEAST_ROWS_A_DAY: Final = 60

# Least spread by unit: a smaller deviation is real, perhaps, but nothing an operator would get up for.
LEAST: Final[dict[Unit, float]] = {
    "ratio": 0.003,
    "1": 0.01,
    "bytes_per_second": 1000.0,
    "per_second": 0.3,
    "connections": 1.0,
    "seconds": 0.001,
}
LEAST_UNKNOWN: Final = 1e-4
# Where a signal never left zero, a first event should be noticed but not drown everything else.
LEAST_OF_ZERO: Final[dict[Unit, float]] = {**LEAST, "ratio": 0.01, "per_second": 1.0, "seconds": 0.01}
LEAST_OF_ZERO_UNKNOWN: Final = 0.01


def column_quantiles(table: Floats, shares: Floats) -> Floats:
    """(Q, K) quantiles of each column of table (N, K), NaN left out; NaN where a column has nothing else.

    As `numpy.nanquantile`, but a single sort instead of a call per column.
    """
    ordered = np.sort(table, axis=0)  # NaN comes last
    count = np.isfinite(table).sum(axis=0)
    place = np.asarray(shares)[:, None] * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = np.take_along_axis(ordered, low, 0), np.take_along_axis(ordered, high, 0)
    return np.asarray(below + (place - low) * (above - below))


def robust_scale(
    timestamps: Floats, features: Floats, signals: tuple[str, ...], normal: Flags
) -> tuple[Floats, Floats]:
    """Centre and spread, (2J,) each, of features (M, 2J): J levels, then J changes.

    normal: (M,) False where something was flagged. Such rows do not move the centre, but do count in the
    spread: leaving them out cuts the tail off, and the ordinary bursts in it come back as alarms (measured:
    recall 0.82 in place of 0.88). NaN where a signal has no value at all.
    """
    centre = column_quantiles(features[normal], np.array([0.5]))[0]
    widths = [_width(features[rows]) for rows in _days(timestamps)]
    spread = _width(features)
    if len(widths) > 1:
        typical = column_quantiles(np.array(widths), np.array([0.5]))[0]
        spread = np.fmin(spread, TYPICAL_DAYS * typical)
    floor = _floors(features[:, : len(signals)], signals)
    spread = np.fmax(spread, np.tile(floor, 2))
    return np.where(np.isfinite(spread), centre, np.nan), spread


def labelled_normal_spread(distances: Floats) -> Floats:
    """(2J,) the spread with which distances (M, 2J) from the centre, labelled normal, are ordinary.

    The larger of two quantiles, each over that of a normal distribution: one for the body of the span, one
    for the steps at its edges. Rows that are like all others change nothing. NaN without rows.
    """
    if not len(distances):
        return np.full(distances.shape[1], np.nan)
    shares, normal = np.array(list(NORMAL_QUANTILES)), np.array(list(NORMAL_QUANTILES.values()))
    return np.asarray((column_quantiles(np.abs(distances), shares) / normal[:, None]).max(axis=0))


def _width(features: Floats) -> Floats:
    """(K,) the larger of the two measures of width."""
    low, high = column_quantiles(features, np.array([0.01, 0.99]))
    return np.asarray(np.fmax((high - low) / NORMAL_WIDTH, DEVIATION_SHARE * _deviation(features)))


def _deviation(features: Floats) -> Floats:
    """(K,) standard deviation of the known values; NaN where there are none."""
    known = np.isfinite(features)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, features, 0.0).sum(axis=0) / count
        apart = np.where(known, features - mean, 0.0)
        return np.asarray(np.sqrt((apart * apart).sum(axis=0) / count))


def _days(timestamps: Floats) -> list[slice]:
    """Stretches of a day, counted back from the newest row, that hold enough rows to have a width."""
    day = np.floor((timestamps[-1] - timestamps) / DAY)
    edges = [0, *(np.flatnonzero(np.diff(day)) + 1).tolist(), len(timestamps)]
    return [slice(start, end) for start, end in pairwise(edges) if end - start >= LEAST_ROWS_A_DAY]


def _floors(levels: Floats, signals: tuple[str, ...]) -> Floats:
    """(J,) the least spread of each signal, of its level and of its change, from its levels (M, J)."""
    sizes = np.abs(levels)
    typical, top, largest = column_quantiles(sizes, np.array([0.5, 0.999, 1.0]))
    floors = np.fmax(0.1 * typical, 0.03 * top)
    for j, name in enumerate(signals):
        unit = BY_NAME[name].unit if name in BY_NAME else None
        if largest[j] == 0.0:
            floors[j] = LEAST_OF_ZERO_UNKNOWN if unit is None else LEAST_OF_ZERO[unit]
        else:
            floors[j] = max(floors[j], LEAST_UNKNOWN if unit is None else LEAST[unit])
    return np.asarray(floors)
