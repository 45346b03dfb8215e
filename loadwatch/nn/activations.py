"""The bend in a layer: y = f(z), applied in place, its derivative written from the output y.

    identity     y = z                           f' = 1
    relu         y = max(z, 0)                   f' = 1 if y > 0 else 0
    leaky_relu   y = max(z, a z)                 f' = 1 if y > 0 else a
    tanh         y = tanh z                      f' = 1 - y^2
    sigmoid      y = 1 / (1 + e^-z)              f' = y (1 - y)

Because f' is a function of y, the layer need not keep z. At a kink (z = 0) the derivative from the left is
taken. All arrays of a call have one shape; `scratch` is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from loadwatch.nn.arrays import ONE, ZERO, Array
from loadwatch.nn.errors import InputError
from loadwatch.nn.initialisers import Initialiser, glorot_uniform, he_normal


class Activation(Protocol):
    """What a dense layer needs to know of its bend."""

    name: str

    @property
    def initialiser(self) -> Initialiser:
        """Weights that suit it."""

    def apply(self, Y: Array, scratch: Array) -> None:
        """Replace Y by f(Y)."""

    def pull_back(self, Y: Array, dY: Array, scratch: Array) -> None:
        """Multiply dY by f'(z), where Y = f(z)."""


class Identity:
    """y = z."""

    name = "identity"
    initialiser = staticmethod(glorot_uniform)

    def apply(self, Y: Array, scratch: Array) -> None:
        """Leave Y as it is."""

    def pull_back(self, Y: Array, dY: Array, scratch: Array) -> None:
        """Leave dY as it is."""


class Relu:
    """y = max(z, 0)."""

    name = "relu"
    initialiser = staticmethod(he_normal)

    def apply(self, Y: Array, scratch: Array) -> None:
        """Y <- max(Y, 0); NaN stays NaN."""
        scratch.fill(0.0)  # against an array numpy's maximum is twice as fast as against one number
        np.maximum(Y, scratch, out=Y)

    def pull_back(self, Y: Array, dY: Array, scratch: Array) -> None:
        """Multiply dY by 1 where Y > 0, by 0 elsewhere."""
        np.sign(Y, out=scratch)
        dY *= scratch


class LeakyRelu:
    """y = max(z, slope z): a unit that is off still learns a little."""

    name = "leaky_relu"
    initialiser = staticmethod(he_normal)

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def apply(self, Y: Array, scratch: Array) -> None:
        """Y <- max(Y, slope Y)."""
        np.multiply(Y, self.slope, out=scratch)
        np.maximum(Y, scratch, out=Y)

    def pull_back(self, Y: Array, dY: Array, scratch: Array) -> None:
        """Multiply dY by 1 where Y > 0, by the slope elsewhere."""
        np.greater(Y, 0.0, out=scratch)
        scratch *= 1.0 - self.slope
        scratch += self.slope
        dY *= scratch


class Tanh:
    """y = tanh z."""

    name = "tanh"
    initialiser = staticmethod(glorot_uniform)

    def apply(self, Y: Array, scratch: Array) -> None:  # noqa: ARG002 - one form for all activations
        """Y <- tanh Y."""
        np.tanh(Y, out=Y)

    def pull_back(self, Y: Array, dY: Array, scratch: Array) -> None:
        """Multiply dY by 1 - Y^2."""
        np.multiply(Y, Y, out=scratch)
        np.subtract(ONE, scratch, out=scratch)
        dY *= scratch


class Sigmoid:
    """y = e^min(z, 0) / (1 + e^-|z|): no exponent is positive, so nothing overflows and no digit is lost."""

    name = "sigmoid"
    initialiser = staticmethod(glorot_uniform)

    def apply(self, Y: Array, scratch: Array) -> None:
        """Y <- 1 / (1 + e^-Y)."""
        np.abs(Y, out=scratch)
        np.negative(scratch, out=scratch)
        np.exp(scratch, out=scratch)
        scratch += ONE
        np.minimum(Y, ZERO, out=Y)
        np.exp(Y, out=Y)
        Y /= scratch

    def pull_back(self, Y: Array, dY: Array, scratch: Array) -> None:
        """Multiply dY by Y (1 - Y)."""
        np.subtract(ONE, Y, out=scratch)
        scratch *= Y
        dY *= scratch


ACTIVATIONS: dict[str, Callable[[], Activation]] = {
    "identity": Identity,
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}


def activation(name: str) -> Activation:
    """A fresh activation by its name; `linear` is another word for `identity`."""
    try:
        return ACTIVATIONS["identity" if name == "linear" else name]()
    except KeyError:
        raise InputError(f"activation is {name!r}, expected one of {', '.join(ACTIVATIONS)}") from None


def sigmoid(Z: Array) -> Array:
    """1 / (1 + e^-z) of any finite or infinite z, as a new array."""
    Y = np.array(Z)
    Sigmoid().apply(Y, np.empty_like(Y))
    return Y
