"""The proof of every derivative, and the proof that the prover sees a wrong one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import (
    BinaryCrossEntropy,
    Dense,
    Dropout,
    MeanSquared,
    Network,
    directional_gradient_error,
    loss_and_gradient,
    relative_gradient_error,
    weights_of,
)
from loadwatch.nn.activations import ACTIVATIONS
from loadwatch.nn.arrays import Array
from loadwatch.nn.losses import Loss

from .examples import LOSSES, build, data

RIGHT = 1e-7  # a right gradient in float64 is near 1e-10, a wrong one near 1


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradient_is_right_for_every_activation_and_loss(hidden: str, loss: Loss) -> None:
    """Number by number, the gradient is the derivative of the loss that is reported."""
    network = build([3, 5, 4, 2], hidden)
    assert relative_gradient_error(network, loss, *data(loss, 3, 2)) < RIGHT


@pytest.mark.parametrize("output", ACTIVATIONS)
def test_gradient_is_right_for_every_output_activation(output: str) -> None:
    """The last layer may bend too; nothing is magically paired with a loss."""
    network = Network([Dense(3, 4, "tanh"), Dense(4, 2, output)], dtype="float64", seed=3)
    assert relative_gradient_error(network, MeanSquared(), *data(MeanSquared(), 3, 2)) < RIGHT


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid"])
def test_gradient_is_right_with_a_dropout_mask_held(hidden: str) -> None:
    """Dropout scales forward and backward alike, also where f' is read from an output beside the mask."""
    network = build([3, 8, 6, 2], hidden, dropout=0.4)
    assert relative_gradient_error(network, BinaryCrossEntropy(), *data(BinaryCrossEntropy(), 3, 2)) < RIGHT


def test_gradient_is_right_with_dropout_of_the_input() -> None:
    """Dropout may also stand before the first dense layer."""
    network = Network([Dropout(0.3), Dense(4, 3, "tanh"), Dense(3, 1, "identity")], dtype="float64", seed=1)
    assert relative_gradient_error(network, BinaryCrossEntropy(), *data(BinaryCrossEntropy(), 4, 1)) < RIGHT


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_gradient_is_right_with_weights_and_l2(loss: Loss) -> None:
    """Sample, output and class weights and L2 enter value and gradient alike."""
    X, T = data(loss, 3, 2)
    weights = weights_of(T, rows=np.linspace(0.0, 3.0, len(T)), outputs=[0.3, 2.0], classes=(1.0, 4.0))
    error = relative_gradient_error(build([3, 4, 2]), loss, X, T, weights=np.abs(weights), l2=0.1)
    assert error < RIGHT


def test_gradient_over_many_batches_is_the_gradient_of_the_whole() -> None:
    """`loss_and_gradient` cuts large data into batches, and the sum is not changed by the cut."""
    X, T = data(MeanSquared(), 3, 2, rows=2345)
    network = build([3, 4, 2])
    value, gradient = loss_and_gradient(network, MeanSquared(), X, T)
    rows = [
        loss_and_gradient(network, MeanSquared(), X[k : k + 469], T[k : k + 469]) for k in range(0, 2345, 469)
    ]
    assert value == pytest.approx(np.mean([row[0] for row in rows]), rel=1e-12)
    np.testing.assert_allclose(gradient, np.mean([row[1] for row in rows], axis=0), rtol=1e-10, atol=1e-14)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    hidden=st.sampled_from(sorted(ACTIVATIONS)),
    loss=st.sampled_from(LOSSES),
    dropout=st.sampled_from([0.0, 0.5]),
    rows=st.integers(1, 12),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_gradient_is_right_for_any_architecture(
    sizes: list[int], hidden: str, loss: Loss, dropout: float, rows: int, seed: int
) -> None:
    """Whatever the layers, along a random direction the gradient is the slope of the loss."""
    rng = np.random.default_rng(seed)
    layers: list[Dense | Dropout] = []
    for inputs, outputs in pairwise(sizes):
        layers += [Dropout(dropout)] if layers else []
        layers += [Dense(inputs, outputs, hidden)]
    network = Network(layers, dtype="float64", seed=rng)
    network.theta += rng.normal(0.0, 0.1, network.theta.size)
    X, T = data(loss, sizes[0], sizes[-1], rows, seed)
    assert directional_gradient_error(network, loss, X, T, seed=rng) < 1e-6  # one direction may nearly cancel


def test_wrong_gradient_is_seen() -> None:
    """A loss whose slope is half of what its value says does not pass."""

    class Halved(MeanSquared):
        def terms(self, Z: Array, T: Array, L: Array, dZ: Array, scratch: Array) -> None:
            super().terms(Z, T, L, dZ, scratch)
            dZ *= 0.5

    X, T = data(Halved(), 3, 2)
    assert relative_gradient_error(build([3, 4, 2]), Halved(), X, T) == pytest.approx(1.0 / 3.0, abs=1e-6)
    assert directional_gradient_error(build([3, 4, 2]), Halved(), X, T, seed=0) > 0.3


def test_kinks_are_left_out_and_nothing_else() -> None:
    """Where a row of zeros puts every ReLU on its kink, the proof holds for all that has a derivative."""
    network = build([3, 4, 1])
    for layer in network.dense:
        layer.b[...] = 0.0
    X, T = data(BinaryCrossEntropy(), 3, 1)
    X[0] = 0.0
    assert relative_gradient_error(network, BinaryCrossEntropy(), X, T) < RIGHT


def test_checking_leaves_the_network_alone() -> None:
    """The proof works on a twin: no parameter and no gradient of the network moves."""
    network = build([3, 4, 1], dtype="float32")
    theta, gradient = network.theta.copy(), network.gradient.copy()
    relative_gradient_error(network, BinaryCrossEntropy(), *data(BinaryCrossEntropy(), 3, 1))
    np.testing.assert_array_equal(network.theta, theta)
    np.testing.assert_array_equal(network.gradient, gradient)
