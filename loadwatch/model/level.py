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
from functools import cached_property
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
        edges, falls = self._points(exceedances, levels)
        left = self._left[group_of(levels)]
        after = (falls[:, :, None] > left[..., None]).sum(axis=-1)
        low, high, above, below = _around(edges, falls, after)
        with np.errstate(all="ignore"):
            way = (above - left) / (above - below)
        # Past the last limit it would be more than the whole way.
        found = low + np.minimum(np.maximum(way, 0.0), 1.0) * (high - low)
        return np.asarray(np.maximum.accumulate(np.maximum(found, levels[:, None, None]), axis=1))

    def reached(self, exceedances: Floats, levels: Floats, peaks: Floats) -> Floats:
        """(N, A) the share of the distribution below the peaks (N, A): the inverse of reading it."""
        edges, falls = self._points(exceedances, levels)
        after = (edges[:, None] < peaks[..., None]).sum(axis=-1)
        low, high, above, below = (part[..., 0] for part in _around(edges, falls, after[..., None]))
        way = np.clip((peaks - low) / (high - low), 0.0, 1.0)
        return np.asarray(1.0 - np.exp(above + way * (below - above)))

    @cached_property
    def _left(self) -> Floats:
        """(G, A, 2) the logarithm of the share above each quantile."""
        return np.asarray(np.log1p(-self.shares))

    def _points(self, exceedances: Floats, levels: Floats) -> tuple[Floats, Floats]:
        """Levels (N, L + 1) and the logarithm (N, A, L + 1) of how likely they are exceeded.

        The first is surely exceeded: the present level where it is below the limits, or else 0.
        """
        edges = np.empty((len(levels), len(self.limits) + 1))
        edges[:, 0] = np.where((levels > 0.0) & (levels < 0.99 * self.limits[0]), levels, 0.0)
        edges[:, 1:] = self.limits
        falls = np.zeros((*exceedances.shape[:2], len(self.limits) + 1))
        np.log(np.maximum(exceedances, LEAST), out=falls[..., 1:])
        return edges, falls


def group_of(levels: Floats) -> Integers:
    """(N,) which of the groups that ``BOUNDS`` part each present level belongs to."""
    return np.searchsorted(BOUNDS, levels)


def _around(edges: Floats, falls: Floats, after: Integers) -> tuple[Floats, Floats, Floats, Floats]:
    """(N, A, 2) each: the edges (N, L + 1) before ``after`` (N, A, 2) and there, and the falls of both."""
    after = np.minimum(np.maximum(after, 1), edges.shape[1] - 1)
    row, horizon = np.arange(len(edges))[:, None, None], np.arange(falls.shape[1])[:, None]
    return (
        edges[row, after - 1],
        edges[row, after],
        falls[row, horizon, after - 1],
        falls[row, horizon, after],
    )
