"""What the anomaly score looks at: the level of every signal, and its deviation from its own short average.

    f1 = x_t                level
    f2 = x_t - e_(t-1)      change: against the average of before, which x_t itself has not touched yet
    e  <- e + a (x_t - e)   a = 1 - 2^(-gap / half-life), gap in seconds since this signal's last value

The second found a fifth more incidents than the level alone; one half-life of ten minutes did as well as
sets of two to four from three minutes to half a day (SMD, see the benchmark of the anomaly score).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadwatch.records import Floats


@dataclass(frozen=True, slots=True)
class DeviationSpec:
    """Spans of time, in seconds, so that they mean the same at any sampling interval.

    half_life_seconds: of the average. forget_seconds: a signal away for longer starts anew with its next
    value, because a comparison with what was before a gap would be a spike that nobody can act on.
    """

    half_life_seconds: float = 600.0
    forget_seconds: float = 1800.0


DEFAULT: Final = DeviationSpec()


class DeviationFeatures:
    """Stream: one row of J signals in, 2J features out; O(J) time and memory a row.

    A value that is not finite gives NaN in both its features and leaves its average as it was.
    """

    def __init__(self, spec: DeviationSpec, signals: int) -> None:
        self._spec = spec
        self._average = np.full(signals, math.nan)
        self._seen = np.full(signals, -math.inf)

    def update(self, timestamp: float, values: Floats) -> Floats:
        """The (2J,) features of the row with (J,) values: J levels, then J changes; a new array."""
        known = np.isfinite(values)
        gap = timestamp - self._seen
        fresh = known & ~((gap >= 0.0) & (gap <= self._spec.forget_seconds))
        self._average[fresh] = values[fresh]
        with np.errstate(invalid="ignore"):
            change = values - self._average
        change[~known] = math.nan
        moved = known & ~fresh
        self._average[moved] += -np.expm1(_decay(gap[moved], self._spec)) * change[moved]
        self._seen[known] = timestamp
        return np.concatenate([np.where(known, values, math.nan), change])


def deviation_features(spec: DeviationSpec, timestamps: Floats, values: Floats) -> Floats:
    """(N, 2J): for every row of (N, J) values what `DeviationFeatures` gives, all at once."""
    rows, signals = values.shape
    features = np.full((rows, 2 * signals), math.nan)
    if not rows:
        return features
    known = np.isfinite(values)
    x = np.where(known, values, 0.0)
    seen = np.maximum.accumulate(np.where(known, timestamps[:, None], -math.inf), axis=0)
    gap = np.full((rows, signals), math.inf)
    gap[1:] = timestamps[1:, None] - seen[:-1]
    fresh = known & (gap > spec.forget_seconds)
    # e <- keep e + gain x; a missing value keeps all of e, a fresh start nothing.
    keep = np.where(fresh, 0.0, np.where(known, np.exp(_decay(np.where(known, gap, 0.0), spec)), 1.0))
    before = _averages_before(keep, (1.0 - keep) * x)
    features[:, :signals] = np.where(known, values, math.nan)
    features[:, signals:] = np.where(known, np.where(fresh, 0.0, x - before), math.nan)
    return features


def _decay(gap: Floats, spec: DeviationSpec) -> Floats:
    """The natural logarithm of what is left of an average after `gap` seconds."""
    return gap * (-math.log(2.0) / spec.half_life_seconds)


def _averages_before(keep: Floats, added: Floats) -> Floats:
    """e_(t-1) for every row of the recurrence e_t = keep_t e_(t-1) + added_t; (N, J) each.

    A loop over rows with whole vectors of signals: on one-minute rows it costs two microseconds a row, and
    unlike a scan by cumulative products it cannot underflow.
    """
    before = np.empty_like(keep)
    average = np.zeros(keep.shape[1])
    for row in range(len(keep)):
        before[row] = average
        np.multiply(keep[row], average, out=average)
        average += added[row]
    return before
