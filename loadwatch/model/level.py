"""The load level to come: quantiles of the highest level now or within each horizon.

The forecast says how likely the level is to exceed each of several limits: points of the distribution of the
highest level. From one to the next the probability is taken to fall by a constant factor a step, as tails do.

What is read from it is corrected by how often it was right on rows not learned: the quantile of 0.9 is read
where nine tenths of what really came lay below (Kuleshov et al., "Accurate Uncertainties for Deep Learning
Using Calibrated Regression", 2018), for idle and busy moments each by themselves (Mondrian conformal
prediction: Vovk et al., "Algorithmic Learning in a Random World", 2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loadwatch.features.recurrence import Integers
from loadwatch.records import Floats

QUANTILES: Final = (0.5, 0.9)
SAID: Final = 1.0
"""The limit itself, of which the probability is told: both are read from the same number."""
LIMITS: Final = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 0.9375, 1.0, 1.0625, 1.125, 1.25, 1.5)
"""Learned beside the limit are others: high load is rare, and a near miss tells nearly as much as a hit."""
HIGHEST: Final = LIMITS[-1]
"""No quantile is read beyond: it stands for itself or more."""
BOUNDS: Final = (0.125, 0.5, 1.0)
"""Present levels that part the groups which are corrected by themselves."""
LEAST: Final = 1e-6
"""A probability no smaller, so that it has a logarithm."""


@dataclass(frozen=True, eq=False)
class LevelDistribution:
    """How the distribution of the highest level within each of A horizons ahead is read.

    limits: L ascending levels above 0, 1 among them; shares: (G, A, 2) the share of the distribution that
    lies below each of ``QUANTILES`` at moments of each group, see `group_of`; NaN where that was never
    measured, so that nothing is said.
    """

    limits: tuple[float, ...]
    shares: Floats

    @property
    def others(self) -> int:
        """How many limits there are beside 1."""
        return len(self.limits) - 1

    def exceedances(self, said: Floats, others: Floats) -> Floats:
        """(N, A, L) how likely each limit is exceeded: never rising with the limit.

        said: (N, A) probabilities for the limit 1; others: (N, A, L - 1) those for the other limits.
        """
        place = self.limits.index(SAID)
        table = np.concatenate([others[..., :place], said[..., None], others[..., place:]], axis=-1)
        return np.maximum.accumulate(table[..., ::-1], axis=-1)[..., ::-1]

    def quantiles(self, exceedances: Floats, levels: Floats) -> Floats:
        """(N, A, 2) levels, by the present ones (N,): never below those, and never falling with the horizon.

        Beyond the last limit none is read: the last limit then stands for itself or more.
        """
        points = self._points(exceedances, levels)
        shares = self.shares[group_of(levels)]
        found = np.stack([_read(*points, shares[..., place]) for place in range(len(QUANTILES))], axis=-1)
        lifted = np.where(np.isnan(found), np.nan, np.fmax(found, levels[:, None, None]))
        return np.maximum.accumulate(lifted, axis=1)

    def reached(self, exceedances: Floats, levels: Floats, peaks: Floats) -> Floats:
        """(N, A) the share of the distribution below the peaks (N, A): the inverse of reading it."""
        edges, falls = self._points(exceedances, levels)
        after = np.clip((edges < peaks[..., None]).sum(axis=-1), 1, len(self.limits))
        low, high = _pair(np.broadcast_to(edges, falls.shape), after)
        way = np.clip((peaks - low) / (high - low), 0.0, 1.0)
        above, below = _pair(falls, after)
        return 1.0 - np.exp(above + way * (below - above))

    def _points(self, exceedances: Floats, levels: Floats) -> tuple[Floats, Floats]:
        """Levels (N, 1, L + 1) and the logarithm (N, A, L + 1) of how likely they are exceeded.

        The first is surely exceeded: the present level where it is below the limits, or else 0.
        """
        lowest = self.limits[0]
        present = np.where((levels > 0.0) & (levels < 0.99 * lowest), levels, 0.0)
        edges = np.column_stack([present, np.tile(self.limits, (len(levels), 1))])
        falls = np.log(np.maximum(exceedances, LEAST))
        return edges[:, None], np.concatenate([np.zeros((*falls.shape[:-1], 1)), falls], axis=-1)


def group_of(levels: Floats) -> Integers:
    """(N,) which of the groups that ``BOUNDS`` part each present level belongs to."""
    return np.searchsorted(BOUNDS, levels)


def _read(edges: Floats, falls: Floats, shares: Floats) -> Floats:
    """(N, A) the level below which a share (N, A) of the distribution lies."""
    left = np.log1p(-shares)
    after = np.clip((falls > left[..., None]).sum(axis=-1), 1, falls.shape[-1] - 1)
    above, below = _pair(falls, after)
    low, high = _pair(np.broadcast_to(edges, falls.shape), after)
    with np.errstate(all="ignore"):
        way = np.clip((above - left) / (above - below), 0.0, 1.0)  # past the last limit more than 1
    return np.asarray(low + way * (high - low))


def _pair(table: Floats, after: Integers) -> tuple[Floats, Floats]:
    """(N, A) the entries of table (N, A, L + 1) at the places before ``after`` (N, A), and there."""
    after = after[..., None]
    return np.take_along_axis(table, after - 1, -1)[..., 0], np.take_along_axis(table, after, -1)[..., 0]
