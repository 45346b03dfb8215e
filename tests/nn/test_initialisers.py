"""Weights before the first step."""

from itertools import pairwise

import numpy as np
import pytest

from loadwatch.nn import (
    BinaryCrossEntropy,
    Dense,
    Network,
    NeuralNetwork,
    diagnose,
    glorot_uniform,
    he_normal,
    normal,
)
from loadwatch.nn.initialisers import Initialiser, constant

from .examples import XOR_X, XOR_Y


@pytest.mark.parametrize(
    ("initialiser", "deviation"),
    [
        (he_normal, np.sqrt(2.0 / 300)),
        (glorot_uniform, np.sqrt(2.0 / 500)),
        (normal(0.5), 0.5 / np.sqrt(300)),
    ],
)
def test_deviation_is_that_of_the_formula(initialiser: Initialiser, deviation: float) -> None:
    """W (300, 200) has mean 0 and the deviation its paper gives it."""
    W = np.empty((300, 200))
    initialiser(np.random.default_rng(0), W)
    assert W.std() == pytest.approx(deviation, rel=0.01)
    assert abs(W.mean()) < 4.0 * deviation / np.sqrt(W.size)


def test_default_suits_the_activation() -> None:
    """He for ReLU, Glorot (bounded) for tanh, sigmoid and linear layers; biases are zero."""
    for name, spread in (
        ("relu", np.sqrt(2.0 / 300)),
        ("tanh", np.sqrt(2.0 / 500)),
        ("sigmoid", np.sqrt(2.0 / 500)),
    ):
        layer = Network([Dense(300, 200, name)], seed=0).dense[0]
        assert layer.W.std() == pytest.approx(spread, rel=0.01)
        assert not layer.b.any()


def test_a_seed_means_the_same_network_in_both_formats() -> None:
    """Weights are drawn once in float64 and rounded."""
    single, double = (NeuralNetwork([3, 5, 1], seed=4, dtype=dtype).theta for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single, double.astype(np.float32))


def signal(initialiser: Initialiser, hidden: str, layers: int = 20) -> float:
    """The deviation of what comes out of many layers, for an input of deviation 1."""
    network = Network([Dense(100, 100, hidden, initialiser) for _ in range(layers)], dtype="float64", seed=0)
    return float(network.forward(np.random.default_rng(1).normal(size=(200, 100))).std())


def test_right_size_keeps_the_signal_through_twenty_layers() -> None:
    """He keeps the size of a signal through ReLU layers; Glorot, made for others, loses it there."""
    assert 0.2 < signal(he_normal, "relu") < 5.0
    assert signal(glorot_uniform, "relu") < 0.02


def test_zero_initialisation_fails() -> None:
    """With equal weights all units of a layer stay equal: no training breaks the tie, XOR stays at ln 2."""
    network = NeuralNetwork([2, 4, 1], hidden="tanh", dtype="float64", seed=0)
    network.theta[:] = 0.0
    network.train(XOR_X, XOR_Y, epochs=40, verbose=False)
    assert network.loss(XOR_X, XOR_Y) == pytest.approx(np.log(2.0), rel=1e-3)
    assert np.ptp(network.network.dense[0].W, axis=1).max() == 0.0


def test_too_large_initialisation_fails() -> None:
    """Weights a hundred times too large saturate every tanh: the units are dead before the first step."""
    sizes = [10, 20, 20, 1]
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(50, 10)), rng.random((50, 1))
    share = {}
    for gain in (1.0, 100.0):
        layers = [Dense(i, o, "tanh", normal(gain)) for i, o in pairwise(sizes)]
        found = diagnose(Network(layers, dtype="float64", seed=0), BinaryCrossEntropy(), X, T)
        slopes = [layer.gradient_rms for layer in found.layers]
        share[gain] = slopes[0]
    assert share[100.0] < 1e-3 * share[1.0]


def test_constant_fills_with_its_value() -> None:
    """`constant` is for proofs such as the ones above."""
    W = np.empty((2, 3))
    constant(0.25)(np.random.default_rng(0), W)
    np.testing.assert_array_equal(W, 0.25)
