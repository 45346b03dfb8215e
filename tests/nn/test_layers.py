"""Dense and dropout, against formulas written independently with einsum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import Dense, Dropout, InputError, Network, Pass


@given(B=st.integers(1, 9), I=st.integers(1, 7), O=st.integers(1, 7), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_dense_is_its_formulas(B: int, I: int, O: int, seed: int) -> None:  # noqa: E741
    """Y = tanh(XW + b), dW = X^T dZ, db = 1^T dZ, dX = dZ W^T, for any shape."""
    rng = np.random.default_rng(seed)
    network = Network([Dense(I, O, "tanh")], dtype="float64", seed=seed)
    layer = network.dense[0]
    layer.b[...] = rng.normal(size=O)
    X, dY = rng.normal(size=(B, I)), rng.normal(size=(B, O))
    at = Pass(network, B, inputs=True)
    at.load(X)
    Y = at.forward().T.copy()
    at.dZT[...] = dY.T
    at.backward()
    dZ = dY * (1.0 - Y**2)
    np.testing.assert_allclose(Y, np.tanh(np.einsum("bi,io->bo", X, layer.W) + layer.b), rtol=1e-12)
    np.testing.assert_allclose(layer.dW, np.einsum("bi,bo->io", X, dZ), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(layer.db, dZ.sum(axis=0), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(at.dX, np.einsum("bo,io->bi", dZ, layer.W), rtol=1e-10, atol=1e-13)


def test_dropout_is_inverted_and_right_on_average() -> None:
    """A kept number grows by 1/(1-p), so that the mean stays; the share of dropped ones is p."""
    network = Network([Dense(1, 1000, "identity"), Dropout(0.2), Dense(1000, 1, "identity")], seed=0)
    network.dense[0].W[...], network.dense[1].W[...] = 1.0, 1.0
    at = Pass(network, 100)
    at.load(np.ones((100, 1), np.float32))
    at.forward()
    Y = at.slots[1].YT
    np.testing.assert_array_equal(np.unique(Y), np.float32([0.0, 1.25]))
    assert Y.mean() == pytest.approx(1.0, abs=4.0 * 0.5 / np.sqrt(Y.size))


def test_dropout_draws_anew_unless_held() -> None:
    """Each step has its own mask; a held one stays until it is let go."""
    network = Network([Dense(3, 50), Dropout(0.5), Dense(50, 1)], seed=0)
    at = Pass(network, 8)
    at.load(np.ones((8, 3)))
    masks = []
    for held in (False, False, True):
        network.dropouts[0].held = held
        at.forward()
        masks.append(at.slots[1].scratch.copy())
    assert not np.array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[1], masks[2])


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_impossible_dropout_is_refused(rate: float) -> None:
    """Dropping everything, or less than nothing, is no dropout."""
    with pytest.raises(InputError, match="dropout is"):
        Dropout(rate)


def test_impossible_layer_is_refused() -> None:
    """A layer has inputs and outputs."""
    with pytest.raises(InputError, match="0 inputs and 3 outputs"):
        Dense(0, 3)
