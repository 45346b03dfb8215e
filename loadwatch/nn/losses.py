"""How wrong an output is: value and gradient from one place, so that they cannot disagree.

    cross-entropy   L = log(1 + e^z) - t z                      dL/dz = sigmoid(z) - t
    squared error   L = (z - t)^2                               dL/dz = 2 (z - t)
    Huber           L = c (r - c/2), r = z - t,                 dL/dz = c
                    c = r limited to [-delta, delta]

Cross-entropy takes logits z, not probabilities: its slope then is just the error, while sigmoid'(z) times the
error (the slope of another loss) fades where the network is most wrong. Huber: Annals of Mathematical
Statistics 35 (1964).
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from loadwatch.nn.arrays import ONE, TWO, ZERO, Array


class Loss(Protocol):
    """A loss by the number.

    `link` names the activation that turns z into what t measures, `targets` is the range of a meaningful t.
    """

    name: str
    link: str
    targets: tuple[float, float]

    def terms(self, Z: Array, T: Array, L: Array, dZ: Array, scratch: Array) -> None:
        """L <- L(z, t) and dZ <- dL/dz, number by number; all arrays have one shape."""


class BinaryCrossEntropy:
    """L = softplus(z) - t z for t in 0..1, finite at any z."""

    name = "cross_entropy"
    link = "sigmoid"
    targets = (0.0, 1.0)

    def terms(self, Z: Array, T: Array, L: Array, dZ: Array, scratch: Array) -> None:
        """L = log(1 + e^-|z|) - min(z, 0) + z - t z, which is the same and never overflows.

        The first term is at most a rounding of 1 off, as log1p would not be; it takes three times as long.
        """
        E, M = scratch, dZ
        np.abs(Z, out=E)
        np.minimum(Z, ZERO, out=M)
        np.negative(E, out=E)
        np.exp(E, out=E)  # e^-|z|, never above 1
        E += ONE
        np.log(E, out=L)
        L -= M
        np.exp(M, out=M)
        np.divide(M, E, out=dZ)  # sigmoid(z)
        dZ -= T
        np.multiply(T, Z, out=E)
        np.subtract(Z, E, out=E)
        L += E


class MeanSquared:
    """L = (z - t)^2."""

    name = "squared_error"
    link = "identity"
    targets = (-math.inf, math.inf)

    def terms(self, Z: Array, T: Array, L: Array, dZ: Array, scratch: Array) -> None:  # noqa: ARG002 - one form for all
        """L = r^2, dZ = 2 r, where r = z - t."""
        np.subtract(Z, T, out=dZ)
        np.multiply(dZ, dZ, out=L)
        dZ *= TWO


class Huber:
    """Squared near the target, linear beyond `delta`: an outlier pulls no harder than delta."""

    name = "huber"
    link = "identity"
    targets = (-math.inf, math.inf)

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def terms(self, Z: Array, T: Array, L: Array, dZ: Array, scratch: Array) -> None:
        """L = c (r - c/2), dZ = c."""
        np.subtract(Z, T, out=scratch)
        np.clip(scratch, -self.delta, self.delta, out=dZ)
        np.multiply(dZ, -0.5, out=L)
        L += scratch
        L *= dZ
