"""Stored statistics are exact, mergeable, and harmless where a column never moved."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.features.moments import Moments, Normaliser


@given(
    split=st.integers(0, 64),
    offset=st.sampled_from([0.0, 1e9]),
    seed=st.integers(0, 2**32 - 1),
    holes=st.booleans(),
)
def test_merged_moments_equal_moments_of_the_whole(split, offset, seed, holes):
    """Where the stream is cut does not change the stored mean and deviation, even far from zero."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(64, 3)) + offset
    if holes:
        X[rng.random(X.shape) < 0.2] = np.nan
    merged = Moments.of(X[:split])
    merged.add(X[split:])
    whole = Moments.of(X)
    np.testing.assert_array_equal(merged.count, whole.count)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    # Around 1e9 a float64 resolves 1e-7, which is what the deviation of 1 may be off by.
    np.testing.assert_allclose(merged.deviation, whole.deviation, rtol=1e-6)


def test_moments_agree_with_numpy():
    """The deviation is the population's."""
    X = np.random.default_rng(0).gamma(2.0, size=(1000, 4))
    np.testing.assert_allclose(Moments.of(X).mean, X.mean(axis=0))
    np.testing.assert_allclose(Moments.of(X).deviation, X.std(axis=0))


def test_moments_of_nothing_are_merged_without_effect():
    """A column never known has count 0 and deviation 0, and no warning is raised."""
    moments = Moments.empty(2)
    moments.add(np.array([[np.nan, 1.0], [np.nan, 3.0]]))
    moments.merge(Moments.empty(2))
    np.testing.assert_array_equal(moments.count, [0.0, 2.0])
    np.testing.assert_array_equal(moments.mean, [0.0, 2.0])
    np.testing.assert_array_equal(moments.deviation, [0.0, 1.0])


def test_a_constant_column_neither_divides_by_zero_nor_shouts_when_it_moves():
    """Constant means 0; a small first move is small; a large one is clipped."""
    normaliser = Normaliser.from_moments(Moments.of(np.full((100, 1), 5.0)), floor=0.1)
    Z = normaliser.apply(np.array([[5.0], [5.01], [1e12], [-1e12], [np.nan]]))
    assert Z.dtype == np.float32
    np.testing.assert_allclose(Z.ravel(), [0.0, 0.1, 6.0, -6.0, 0.0], rtol=1e-4)
