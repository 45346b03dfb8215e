"""Layers: what happens between one vector of numbers and the next.

    Dense      Y = f(X W + b)
               dZ = dY f'(Z)      dW = X^T dZ      db = 1^T dZ      dX = dZ W^T
    Dropout    Y = X M            dX = dY M        M = 1/(1-p) where kept, 0 where dropped

Shapes: X (B, I), W (I, O), b (O,), Y (B, O). Two liberties are taken with memory, none with the formulas:

- W and b are neighbours, `Wb` (I + 1, O), and every input carries a column of ones, X1 = [X 1]. Then
  X1 Wb = X W + b, and X1^T dZ holds dW and db at once: the bias costs nothing.
- A batch is stored with one sample a column, as in the textbooks: X1T (I + 1, B), YT (O, B). So YT is one
  contiguous block inside the next layer's X1T, above its row of ones, and is written there without a copy.

A layer owns parameters; the arrays of one batch are in a `Slot`, made once for a batch size and used every
step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadwatch.nn.activations import Activation
from loadwatch.nn.activations import activation as activation_by_name
from loadwatch.nn.arrays import Array
from loadwatch.nn.errors import InputError
from loadwatch.nn.initialisers import Initialiser


@dataclass(slots=True)
class Slot:
    """Where one layer finds its batch. `dXT` is None where nobody asks for the gradient of the input."""

    X1T: Array  # (I + 1, B), the last row is ones
    YT: Array  # (O, B)
    dYT: Array  # noqa: N815 - (O, B), consumed by backward
    dY: Array  # noqa: N815 - (B, O), the same memory
    dXT: Array | None  # noqa: N815 - (I, B)
    scratch: Array  # (O, B)


class Dense:
    """Y = f(X W + b)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: str | Activation = "relu",
        initialiser: Initialiser | None = None,
    ) -> None:
        if inputs < 1 or outputs < 1:
            raise InputError(
                f"a dense layer has {inputs} inputs and {outputs} outputs, expected at least one each"
            )
        self.inputs = inputs
        self.outputs = outputs
        self.activation = activation_by_name(activation) if isinstance(activation, str) else activation
        self.initialiser = initialiser or self.activation.initialiser
        self.bound = False

    @property
    def size(self) -> int:
        """The number of parameters, weights and biases."""
        return (self.inputs + 1) * self.outputs

    def bind(self, theta: Array, gradient: Array) -> None:
        """Live in these two flat arrays of `size` numbers, for good."""
        if self.bound:
            raise InputError(
                f"this dense layer of {self.inputs} inputs and {self.outputs} outputs already belongs to a "
                "network; make a new layer for each place"
            )
        self.bound = True
        self.Wb = theta.reshape(self.inputs + 1, self.outputs)
        self.dWb = gradient.reshape(self.inputs + 1, self.outputs)
        self.WbT = self.Wb.T
        self.W, self.b = self.Wb[:-1], self.Wb[-1]
        self.dW, self.db = self.dWb[:-1], self.dWb[-1]

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw W; b is zero."""
        self.initialiser(rng, self.W)
        self.b[...] = 0.0

    def forward(self, at: Slot) -> None:
        """Y = f(X1 Wb)."""
        np.dot(self.WbT, at.X1T, out=at.YT)
        self.activation.apply(at.YT, at.scratch)

    def backward(self, at: Slot) -> None:
        """Fill dWb = X1^T dZ and dX = dZ W^T, where dZ = dY f'(Z)."""
        self.activation.pull_back(at.YT, at.dYT, at.scratch)
        np.dot(at.X1T, at.dY, out=self.dWb)
        if at.dXT is not None:
            np.dot(self.W, at.dYT, out=at.dXT)


class Dropout:
    """Y = X M while training; not there at all when predicting, for M is 1 on average (inverted dropout).

    Srivastava et al., "Dropout" (2014), section 10. `held` keeps the last mask, so that a gradient can be
    proven.
    """

    def __init__(self, rate: float) -> None:
        if not 0.0 <= rate < 1.0:
            raise InputError(f"dropout is {rate}, expected 0 <= dropout < 1")
        self.rate = rate
        self.held = False
        self.rng = np.random.default_rng()

    def forward(self, at: Slot) -> None:
        """Y = X M; the mask is in `scratch`."""
        M = at.scratch
        if not self.held:
            self.rng.random(out=M, dtype=M.dtype.type)
            np.greater_equal(M, self.rate, out=M)
            M *= 1.0 / (1.0 - self.rate)
        np.multiply(at.X1T[:-1], M, out=at.YT)

    def backward(self, at: Slot) -> None:
        """Fill dX = dY M."""
        if at.dXT is not None:
            np.multiply(at.dYT, at.scratch, out=at.dXT)


Layer = Dense | Dropout
