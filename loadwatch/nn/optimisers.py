"""Steps downhill, in place on flat vectors; which parameter belongs to which layer is nobody's business here.

    SGD     v <- mu v + g                                  theta <- theta - lr v
    Adam    m <- b1 m + (1 - b1) g                         theta <- theta - lr m^ / (sqrt(v^) + eps)
            v <- b2 v + (1 - b2) g^2                       m^ = m / (1 - b1^t),  v^ = v / (1 - b2^t)
    AdamW   as Adam, and before it                         theta <- theta - lr lambda theta  (weights only)
    clip    g <- g min(1, limit / |g|)
    L2      loss + lambda/2 |weights|^2                    g <- g + lambda weights

Polyak (1964); Kingma and Ba, "Adam" (2015), algorithm 1; Loshchilov and Hutter, "Decoupled Weight Decay
Regularization" (2019), algorithm 2; Pascanu et al. (2013), section 3.2.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from loadwatch.nn.arrays import Array
from loadwatch.nn.errors import InputError


class Optimiser(Protocol):
    """What training asks of an optimiser."""

    def bind(self, theta: Array, gradient: Array, weight_mask: Array) -> None:
        """Work on these vectors from now on, with nothing remembered of others."""

    def step(self, rate: float) -> None:
        """Move `theta` once; `gradient` is read only."""

    def forget(self, places: Array) -> None:
        """Drop what was remembered of the parameters where `places` is 1: they were replaced."""


class SGD:
    """Gradient descent with momentum mu: 0 is the plain one."""

    def __init__(self, momentum: float = 0.9) -> None:
        if not 0.0 <= momentum < 1.0:
            raise InputError(f"momentum is {momentum}, expected 0 <= momentum < 1")
        self.momentum = momentum

    def bind(self, theta: Array, gradient: Array, weight_mask: Array) -> None:  # noqa: ARG002 - one form for all
        """Start afresh on these vectors."""
        self.theta, self.gradient = theta, gradient
        self.velocity = np.zeros_like(theta)
        self.scratch = np.empty_like(theta)

    def step(self, rate: float) -> None:
        """Take the step of SGD."""
        self.velocity *= self.momentum
        self.velocity += self.gradient
        np.multiply(self.velocity, rate, out=self.scratch)
        self.theta -= self.scratch

    def forget(self, places: Array) -> None:
        """Drop what was remembered where `places` is 1."""
        self.velocity *= 1.0 - places


class Adam:
    """Each parameter moves by about `rate`, whatever the size of its gradient.

    The moments are kept without their factors, M = m / (1 - b1) and V = v / (1 - b2). Both factors and both
    corrections for the start then are numbers, not vectors, and go into the step size a and into e:

        theta <- theta - a M / (sqrt(V) + e),   c = sqrt((1 - b2^t) / (1 - b2)),
                 a = lr (1 - b1) / (1 - b1^t) c,   e = eps c

    which is the same step with two passes over the vectors less.
    """

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        if not (0.0 <= beta1 < 1.0 and 0.0 <= beta2 < 1.0):
            raise InputError(f"Adam's betas are {beta1} and {beta2}, expected both in 0 <= beta < 1")
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def bind(self, theta: Array, gradient: Array, weight_mask: Array) -> None:  # noqa: ARG002 - one form for all
        """Start afresh on these vectors."""
        self.theta, self.gradient = theta, gradient
        self.M, self.V = np.zeros_like(theta), np.zeros_like(theta)
        self.scratch = np.empty_like(theta)
        self.steps = 0
        # Zero-dimensional arrays of theta's format: numpy takes them in twice as fast as Python floats.
        self._b1, self._b2 = np.array(self.beta1, theta.dtype), np.array(self.beta2, theta.dtype)
        self._a, self._e = np.array(0.0, theta.dtype), np.array(0.0, theta.dtype)

    def step(self, rate: float) -> None:
        """Take the step of Adam, as above."""
        self.steps += 1
        c = math.sqrt((1.0 - self.beta2**self.steps) / (1.0 - self.beta2))
        self._a[()] = rate * (1.0 - self.beta1) / (1.0 - self.beta1**self.steps) * c
        self._e[()] = self.epsilon * c
        M, V, S, g = self.M, self.V, self.scratch, self.gradient
        M *= self._b1
        M += g
        V *= self._b2
        np.multiply(g, g, out=S)
        V += S
        np.sqrt(V, out=S)
        S += self._e
        np.divide(M, S, out=S)
        S *= self._a
        self.theta -= S

    def forget(self, places: Array) -> None:
        """Drop what was remembered where `places` is 1."""
        self.M *= 1.0 - places
        self.V *= 1.0 - places


class AdamW(Adam):
    """Adam, and weights (not biases) decay by themselves: by the share lr x decay each step."""

    def __init__(
        self, decay: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(beta1, beta2, epsilon)
        if decay < 0.0:
            raise InputError(f"weight decay is {decay}, expected at least 0")
        self.decay = decay

    def bind(self, theta: Array, gradient: Array, weight_mask: Array) -> None:
        """Start afresh on these vectors; the mask says which of them decay."""
        super().bind(theta, gradient, weight_mask)
        self.weight_mask = weight_mask
        self._share = np.array(0.0, theta.dtype)

    def step(self, rate: float) -> None:
        """Decay, then take the step of Adam."""
        self._share[()] = rate * self.decay
        np.multiply(self.theta, self.weight_mask, out=self.scratch)
        self.scratch *= self._share
        self.theta -= self.scratch
        super().step(rate)


class L2:
    """lambda/2 |weights|^2: its value, and its gradient added to that of the loss. Biases are left alone."""

    def __init__(self, rate: float, theta: Array, weight_mask: Array) -> None:
        self.rate, self.theta, self.weight_mask = rate, theta, weight_mask
        self.scratch = np.empty_like(theta)

    def __call__(self, gradient: Array) -> float:
        """Add to `gradient`, return the value."""
        np.multiply(self.theta, self.weight_mask, out=self.scratch)
        value = 0.5 * self.rate * float(self.scratch.dot(self.scratch))
        self.scratch *= self.rate
        gradient += self.scratch
        return value


def clip_by_norm(gradient: Array, limit: float) -> float:
    """Shorten `gradient` to `limit` where it is longer; returns its length before."""
    norm = math.sqrt(float(gradient.dot(gradient)))
    if norm > limit:
        gradient *= limit / norm
    return norm


def optimiser(name: str) -> Optimiser:
    """A fresh optimiser with its paper's settings: sgd, adam or adamw."""
    kinds: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
    if name not in kinds:
        raise InputError(f"optimiser is {name!r}, expected one of {', '.join(kinds)}")
    return kinds[name]()
