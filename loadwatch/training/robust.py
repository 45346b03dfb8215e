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

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np

from loadwatch.features.quantiles import column_medians, column_quantiles
from loadwatch.records import Floats
from loadwatch.signals import BY_NAME, Unit

DAY: Final = 86400.0
NORMAL_WIDTH: Final = 4.65  # q99 - q01 of a normal distribution, in deviations
NORMAL_QUANTILES: Final = {0.75: 1.15, 0.95: 1.96}  # of the absolute values of a normal distribution
DEVIATION_SHARE: Final = 0.3
TYPICAL_DAYS: Final = 3.0
LEAST_ROWS_A_DAY: Final = 60
COLUMNS: Final = 16  # of a long history, worked on at once

# Least spread by unit: a smaller deviation is real, perhaps, but nothing an operator would get up for.
LEAST: Final[dict[Unit, float]] = {
    "ratio": 0.003,
    "1": 0.01,
    "bytes": 65_536.0,
    "bytes_per_second": 1000.0,
    "per_second": 0.3,
    "connections": 1.0,
    "seconds": 0.001,
}
LEAST_UNKNOWN: Final = 1e-4
# Where a signal never left zero, a first event should be noticed but not drown everything else.
LEAST_OF_ZERO: Final[dict[Unit, float]] = {**LEAST, "ratio": 0.01, "per_second": 1.0, "seconds": 0.01}
LEAST_OF_ZERO_UNKNOWN: Final = 0.01


def robust_spread(timestamps: Floats, features: Floats) -> Floats:
    """(K,) spread of features (M, K) of minutes (M,), flagged ones included; NaN without a value.

    Flagged minutes do not move a centre, but leaving them out here cuts the tail off, and the ordinary bursts
    in it come back as alarms (measured: recall 0.82 in place of 0.88).
    """
    days = _days(timestamps)
    return np.concatenate([_spread(days, features[:, part]) for part in column_parts(features.shape[1])])


def column_parts(columns: int) -> list[slice]:
    """Some columns at a time: each is worked on by itself, in several copies."""
    return [slice(first, first + COLUMNS) for first in range(0, max(columns, 1), COLUMNS)]


def _spread(days: list[slice], features: Floats) -> Floats:
    """(K,) the width of features (M, K), held by that of a typical day."""
    spread = _width(features)
    if len(days) > 1:
        widths = np.array([_width(features[rows]) for rows in days])
        spread = np.fmin(spread, TYPICAL_DAYS * column_medians(widths))
    return spread


def labelled_normal_spread(distances: Floats) -> Floats:
    """(K,) the spread with which distances (M, K) from the centre, labelled normal, are ordinary.

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


def least_spreads(levels: Floats, signals: tuple[str, ...], units: Mapping[str, Unit]) -> Floats:
    """(J,) the least spread of each signal, of its level and of its change, from its levels (M, J).

    units: of signals that are not ours, where they have one.
    """
    sizes = np.abs(levels)
    typical, top, largest = column_quantiles(sizes, np.array([0.5, 0.999, 1.0]))
    floors = np.fmax(0.1 * typical, 0.03 * top)
    for j, name in enumerate(signals):
        unit = BY_NAME[name].unit if name in BY_NAME else units.get(name)
        if largest[j] == 0.0:
            floors[j] = LEAST_OF_ZERO_UNKNOWN if unit is None else LEAST_OF_ZERO[unit]
        else:
            floors[j] = max(floors[j], LEAST_UNKNOWN if unit is None else LEAST[unit])
    return np.asarray(floors)
