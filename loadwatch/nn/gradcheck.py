"""Proof of a gradient: against what the loss does when theta is moved a little.

    coordinate   n_i = (L(theta + h e_i) - L(theta - h e_i)) / 2h          error = |g - n| / (|g| + |n|)
    direction    n   = (L(theta + h u) - L(theta - h u)) / 2h, |u| = 1     error = |g.u - n| / (|g.u| + |n|)

The first proves every number of a small network; the second costs two passes whatever the size (as in
HIPS/autograd, `check_grads`). Done in float64: there the error is about 1e-10, in float32 it would be noise.

A ReLU has no derivative at its kink. Where the move takes any unit across one (its slope differs on the two
sides), the step is made smaller, and if that does not help the coordinate is left out: no gradient would be
right there.
"""

from __future__ import annotations

import math

import numpy as np

from loadwatch.nn.arrays import Array
from loadwatch.nn.layers import Dense
from loadwatch.nn.losses import Loss
from loadwatch.nn.network import Network, Pass
from loadwatch.nn.objective import Objective
from loadwatch.nn.optimisers import L2

STEPS = (1e-5, 1e-6, 1e-7)


class Probe:
    """Loss and gradient of one batch as functions of theta, on a float64 twin; dropout keeps one mask."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        X: Array,
        T: Array,
        *,
        weights: Array | None = None,
        l2: float = 0.0,
    ) -> None:
        self.network = network.astype(np.float64)
        self.at = Pass(self.network, len(X))
        self.at.load(X)
        self.objective = Objective(loss, network.outputs, len(X), np.float64)
        self.TT = np.ascontiguousarray(np.asarray(T, np.float64).T)
        self.weightsT = None if weights is None else np.ascontiguousarray(np.asarray(weights, np.float64).T)
        self.l2 = L2(l2, self.network.theta, self.network.weight_mask)
        self.at.forward()
        for dropout in self.network.dropouts:
            dropout.held = True

    def loss(self) -> float:
        """The loss at the present theta of the twin, L2 included."""
        value = self.objective(self.at.forward(), self.TT, self.at.dZT, self.weightsT)
        return value + self.l2(self.network.gradient)

    def gradient(self) -> Array:
        """Its gradient there, as a new array."""
        self.objective(self.at.forward(), self.TT, self.at.dZT, self.weightsT)
        self.at.backward()
        self.l2(self.network.gradient)
        return self.network.gradient.copy()

    def slope(self, direction: Array) -> float | None:
        """The central difference along `direction`; None where a kink is in the way at any step."""
        theta = self.network.theta.copy()
        try:
            for h in STEPS:
                self.network.theta[...] = theta + h * direction
                above, signs_above = self.loss(), self._signs()
                self.network.theta[...] = theta - h * direction
                below, signs_below = self.loss(), self._signs()
                if all(np.array_equal(a, b) for a, b in zip(signs_above, signs_below, strict=True)):
                    return (above - below) / (2.0 * h)
            return None
        finally:
            self.network.theta[...] = theta

    def _signs(self) -> list[Array]:
        return [
            np.sign(slot.YT)
            for layer, slot in zip(self.network.layers, self.at.slots, strict=True)
            if isinstance(layer, Dense)
        ]


def relative_gradient_error(
    network: Network, loss: Loss, X: Array, T: Array, *, weights: Array | None = None, l2: float = 0.0
) -> float:
    """|g - n| / (|g| + |n|) over all parameters; below 1e-7 for a right gradient. `network` is left alone."""
    probe = Probe(network, loss, X, T, weights=weights, l2=l2)
    gradient = probe.gradient()
    analytic, numeric = [], []
    for place in range(len(gradient)):
        direction = np.zeros_like(gradient)
        direction[place] = 1.0
        slope = probe.slope(direction)
        if slope is not None:
            analytic.append(float(gradient[place]))
            numeric.append(slope)
    return _relative(np.array(analytic), np.array(numeric))


def directional_gradient_error(
    network: Network,
    loss: Loss,
    X: Array,
    T: Array,
    *,
    seed: int | np.random.Generator,
    weights: Array | None = None,
    l2: float = 0.0,
) -> float:
    """The same along one random direction: two passes, whatever the size of the network."""
    probe = Probe(network, loss, X, T, weights=weights, l2=l2)
    gradient = probe.gradient()
    direction = np.random.default_rng(seed).standard_normal(len(gradient))
    # Half along the gradient, so that the slope is never a small difference of large numbers.
    norm = float(np.linalg.norm(gradient))
    direction = direction / np.linalg.norm(direction) + (gradient / norm if norm > 0.0 else 0.0)
    direction /= np.linalg.norm(direction)
    slope = probe.slope(direction)
    return 0.0 if slope is None else _relative(np.array([gradient @ direction]), np.array([slope]))


def _relative(analytic: Array, numeric: Array) -> float:
    """0 where both are 0."""
    size = float(np.linalg.norm(analytic) + np.linalg.norm(numeric))
    difference = float(np.linalg.norm(analytic - numeric))
    return difference / size if size > 0.0 and math.isfinite(size) else difference
