"""What ails a network is found, and health is not called illness."""

import numpy as np
import pytest

from loadwatch.nn import (
    BinaryCrossEntropy,
    Dense,
    Network,
    NeuralNetwork,
    diagnose,
    loss_and_gradient,
    normal,
)

from .examples import XOR_X, XOR_Y, build, data


def test_norms_are_those_of_the_gradient() -> None:
    """One norm a layer, of gradients and not of weights; together they make the norm of the whole."""
    X, T = data(BinaryCrossEntropy(), 3, 2)
    network = build([3, 5, 4, 2])
    found = diagnose(network, BinaryCrossEntropy(), X, T)
    value, gradient = loss_and_gradient(network, BinaryCrossEntropy(), X, T)
    assert found.loss == pytest.approx(value)
    assert np.sqrt(sum(layer.gradient_norm**2 for layer in found.layers)) == pytest.approx(
        np.linalg.norm(gradient)
    )
    assert [layer.weight_norm for layer in found.layers] == [
        np.linalg.norm(layer.W) for layer in network.dense
    ]


def test_dead_units_are_counted() -> None:
    """A ReLU that is off on every row is dead; one that is on for a single row is not."""
    network = NeuralNetwork([2, 4, 1], dtype="float64", seed=0)
    layer = network.network.dense[0]
    layer.W[...], layer.b[...] = 1.0, [-10.0, -10.0, -1.5, 0.5]
    found = network.diagnose(XOR_X, XOR_Y)
    assert (found.layers[0].dead, found.layers[0].units) == (2, 4)
    assert "layer 1: 2 of 4 relu units are dead on every row" in found.warnings


def test_vanishing_gradient_is_warned_of() -> None:
    """Ten sigmoid layers: the first learns nothing."""
    found = NeuralNetwork([2] + [8] * 10 + [1], hidden="sigmoid", seed=0).diagnose(XOR_X, XOR_Y)
    assert any(warning.startswith("vanishing gradient: root mean square") for warning in found.warnings)


def test_exploding_gradient_is_warned_of() -> None:
    """Ten linear layers of too large weights: the first is thrown about."""
    layers = [Dense(8, 8, "identity", normal(0.1)) for _ in range(9)]
    for layer in layers[1:]:
        layer.initialiser = normal(20.0)
    network = Network([*layers, Dense(8, 1, "identity", normal(1e-9))], dtype="float64", seed=0)
    network.dense[0].W[...] *= 1e-12
    network.dense[-1].W[...] = 1.0
    X = np.random.default_rng(0).normal(size=(5, 8))
    found = diagnose(network, BinaryCrossEntropy(), X, np.ones((5, 1)))
    assert any(warning.startswith("exploding gradient") for warning in found.warnings)


def test_gradient_that_is_not_finite_is_exploding() -> None:
    """Overflow is named, not printed as a numpy warning."""
    network = build([2, 4, 1], "identity", dtype="float32")
    network.theta[...] = 1e30
    found = diagnose(network, BinaryCrossEntropy(), XOR_X.astype("f"), XOR_Y.astype("f"))
    assert "exploding gradient: it is not finite" in found.warnings


def test_healthy_network_has_no_warning() -> None:
    """A fresh network of ordinary size is well."""
    rng = np.random.default_rng(0)
    network = NeuralNetwork([8, 16, 8, 1], seed=0)
    assert network.diagnose(rng.normal(size=(100, 8)), rng.integers(0, 2, (100, 1))).warnings == ()
