"""What values are scaled by: a logarithm of rates; exact, mergeable means and deviations of columns."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from loadwatch.records import Floats


def signed_log(values: Floats) -> Floats:
    """log(1 + |x|) with the sign of x: tames rates, and leaves ratios, between 0 and 1, nearly alone."""
    return np.copysign(np.log1p(np.abs(values)), values)


@dataclass(slots=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations of each of K columns, in float64; NaN is left out.

    Merging follows Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979): no catastrophic cancellation, and where the rows are cut does not matter.
    """

    count: Floats  # (K,)
    mean: Floats  # (K,)
    squares: Floats  # (K,) sum of (x - mean)^2

    @classmethod
    def empty(cls, columns: int) -> Self:
        """Moments of nothing."""
        return cls(np.zeros(columns), np.zeros(columns), np.zeros(columns))

    @classmethod
    def of(cls, X: Floats) -> Self:
        """Moments of the rows of X (N, K)."""
        known = np.isfinite(X)
        count = known.sum(axis=0).astype(np.float64)
        filled = np.where(known, X, 0.0)
        mean = filled.sum(axis=0) / np.maximum(count, 1.0)
        squares = (np.where(known, X - mean, 0.0) ** 2).sum(axis=0)
        return cls(count, mean, squares)

    def merge(self, other: "Moments") -> None:
        """Take in the rows that ``other`` has seen."""
        total = self.count + other.count
        share = np.divide(other.count, total, out=np.zeros_like(total), where=total > 0)
        difference = other.mean - self.mean
        self.mean = self.mean + difference * share
        self.squares = self.squares + other.squares + difference**2 * self.count * share
        self.count = total

    def add(self, X: Floats) -> None:
        """Take in the rows of X (N, K)."""
        self.merge(Moments.of(X))

    def thinned(self, share: float) -> "Moments":
        """As if only this share of the rows had been seen."""
        return Moments(self.count * share, self.mean.copy(), self.squares * share)

    @property
    def deviation(self) -> Floats:
        """(K,) root of the mean squared deviation; 0 where nothing or one value is known."""
        deviation: Floats = np.sqrt(self.squares / np.maximum(self.count, 1e-9))
        return deviation


@dataclass(frozen=True, slots=True, eq=False)
class Normaliser:
    """z = clip((x - mean) / scale, -limit, limit), in float32: what a network sees.

    mean, scale: (K,) float64, scale positive.
    """

    mean: Floats
    scale: Floats
    limit: float = 6.0

    @classmethod
    def from_moments(cls, moments: Moments, *, floor: Floats | float = 1e-3, limit: float = 6.0) -> Self:
        """Scale by deviation plus ``floor``, a scalar or (K,), in the units of the column.

        The floor keeps a column that was constant in training from dividing by zero, and from shouting when
        it first moves by less than anybody would notice; the clip bounds what it may say at all.
        """
        return cls(moments.mean.copy(), moments.deviation + floor, limit)

    def apply(self, X: Floats) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """X (N, K) as (N, K) float32; unknown (NaN) becomes 0, the ordinary."""
        Z = (X - self.mean) / self.scale
        # Twice as quick as clip, which is half of the work on a single row.
        np.minimum(np.maximum(Z, -self.limit, out=Z), self.limit, out=Z)
        Z[np.isnan(Z)] = 0.0  # nothing is infinite any more
        return Z.astype(np.float32)
