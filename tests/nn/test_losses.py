"""Values of the losses, against formulas written independently; their slopes are in test_gradcheck."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import Array, BinaryCrossEntropy, Huber, MeanSquared
from loadwatch.nn.losses import Loss


def terms(loss: Loss, Z: Array, T: Array) -> tuple[Array, Array]:
    L, dZ = np.empty_like(Z), np.empty_like(Z)
    loss.terms(Z, T, L, dZ, np.empty_like(Z))
    return L, dZ


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_is_that_of_the_probabilities(dtype: str) -> None:
    """L = -t log p - (1 - t) log(1 - p) with p = sigmoid(z), and its slope is p - t."""
    rng = np.random.default_rng(0)
    Z, T = rng.normal(0.0, 4.0, (3, 50)), rng.random((3, 50))
    p = 1.0 / (1.0 + np.exp(-Z))
    L, dZ = terms(BinaryCrossEntropy(), Z.astype(dtype), T.astype(dtype))
    np.testing.assert_allclose(L, -T * np.log(p) - (1.0 - T) * np.log(1.0 - p), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dZ, p - T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_extremes_is_exact_and_silent(dtype: str) -> None:
    """A confident mistake costs |z|, a confident hit nothing; no overflow, no warning, no NaN."""
    Z = np.array([[-1e4, 1e4, -1e4, 1e4, -3e38, 3e38]], dtype)
    T = np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        L, dZ = terms(BinaryCrossEntropy(), Z, T)
    np.testing.assert_array_equal(L, np.array([[1e4, 1e4, 0.0, 0.0, 0.0, 0.0]], dtype))
    np.testing.assert_array_equal(dZ, [[-1.0, 1.0, 0.0, 0.0, 0.0, 0.0]])


def test_nan_is_handed_on() -> None:
    """A loss of NaN is NaN, so that training can stop."""
    for loss in (BinaryCrossEntropy(), MeanSquared(), Huber()):
        assert np.isnan(terms(loss, np.array([[np.nan]]), np.array([[1.0]]))[0]).all()


def test_squared_error_by_hand() -> None:
    """(3 - 1)^2 = 4, slope 2 (3 - 1) = 4."""
    assert [float(part[0, 0]) for part in terms(MeanSquared(), np.array([[3.0]]), np.array([[1.0]]))] == [
        4.0,
        4.0,
    ]


@given(r=st.floats(-50.0, 50.0), delta=st.floats(0.1, 10.0))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_huber_is_squared_within_delta_and_linear_beyond(r: float, delta: float) -> None:
    """The two branches of the textbook, and a slope that never exceeds delta."""
    expected = 0.5 * r * r if abs(r) <= delta else delta * (abs(r) - 0.5 * delta)
    L, dZ = terms(Huber(delta), np.array([[r]]), np.array([[0.0]]))
    assert L[0, 0] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert abs(dZ[0, 0]) <= delta
