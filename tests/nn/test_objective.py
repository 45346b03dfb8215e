"""A loss on a batch: sums and weights."""

import numpy as np
import pytest

from loadwatch.nn import BinaryCrossEntropy, MeanSquared, loss_and_gradient, mean_loss, weights_of
from loadwatch.nn.objective import Objective

from .examples import build, data


def test_unweighted_loss_is_the_plain_mean() -> None:
    """The mean over all rows and outputs."""
    X, T = data(MeanSquared(), 3, 2)
    network = build([3, 4, 2])
    assert mean_loss(network, MeanSquared(), X, T) == pytest.approx(np.mean((network.forward(X) - T) ** 2))


def test_weights_of_one_over_outputs_are_no_weights() -> None:
    """Giving the weights that are meant anyway changes neither value nor gradient."""
    X, T = data(BinaryCrossEntropy(), 3, 2)
    network = build([3, 4, 2])
    plain = loss_and_gradient(network, BinaryCrossEntropy(), X, T)
    weighted = loss_and_gradient(network, BinaryCrossEntropy(), X, T, weights_of(T))
    assert weighted[0] == pytest.approx(plain[0], rel=1e-12)
    np.testing.assert_allclose(weighted[1], plain[1], rtol=1e-10, atol=1e-15)


def test_output_weights_weigh_outputs() -> None:
    """The loss is the weighted sum of the losses of the outputs: 0.3 of the first, 0.0875 of the others."""
    X, T = data(MeanSquared(), 3, 3)
    network = build([3, 4, 3])
    each = np.mean((network.forward(X) - T) ** 2, axis=0)
    weights = weights_of(T, outputs=[0.3, 0.0875, 0.0875])
    assert mean_loss(network, MeanSquared(), X, T, weights) == pytest.approx(each @ [0.3, 0.0875, 0.0875])


def test_value_and_slope_come_from_one_call() -> None:
    """The number returned is the loss whose slope is in dZ: moving z along -dZ lowers it as told."""
    objective = Objective(BinaryCrossEntropy(), 2, 3, np.float64)
    Z, T, dZ, other = np.ones((2, 3)), np.zeros((2, 3)), np.empty((2, 3)), np.empty((2, 3))
    value = objective(Z, T, dZ)
    moved = objective(Z - 1e-6 * dZ, T, other)
    assert (value - moved) / 1e-6 == pytest.approx(float((dZ**2).sum()), rel=1e-5)
