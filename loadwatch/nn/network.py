"""The network: layers in a row on one flat parameter vector.

`theta` holds every parameter, `gradient` the derivative of the loss by each; layers see reshaped views of
both. So optimiser, clipping, checkpoint and gradient check are one line each on a vector, and none needs to
know of layers.

A `Pass` is the network tied to one batch size: all buffers and views are made once, a step only computes. A
network has one owner at a time: passes share nothing across threads, and what they return is valid until
their next call.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from loadwatch.nn.activations import activation
from loadwatch.nn.arrays import Array, as_dtype, as_matrix, refuse_non_finite
from loadwatch.nn.errors import InputError
from loadwatch.nn.layers import Dense, Dropout, Layer, Slot

PASSES_KEPT = 4  # batch sizes whose buffers are kept: whole and last batch, one row, one more
ROWS_KEPT = 4096  # a larger batch is a rare one, and its buffers are given back


class Network:
    """A chain of layers. `link` turns its outputs (logits) into what they mean, when predicting.

    Its weights are drawn from `seed`; with `drawn` false all of `theta` is 0 until it is written.

    Attributes:
        theta: all parameters, flat and writable; layer by layer, W (I, O) row by row and then b.
        gradient: as `theta`, filled by `Pass.backward`.
        weight_mask: 1 where `theta` holds a weight, 0 where it holds a bias.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        link: str = "identity",
        dtype: npt.DTypeLike = np.float32,
        seed: int | np.random.Generator | None = None,
        drawn: bool = True,
    ) -> None:
        self.layers = tuple(layers)
        self.dense = tuple(layer for layer in self.layers if isinstance(layer, Dense))
        self.dtype = as_dtype(dtype)
        self.link = activation(link)
        _refuse_broken_chain(self.dense)
        self.inputs = self.dense[0].inputs
        self.outputs = self.dense[-1].outputs
        size = sum(layer.size for layer in self.dense)
        self.theta: Array = np.zeros(size, self.dtype)
        self.gradient: Array = np.zeros(size, self.dtype)
        self.weight_mask: Array = np.ones(size, self.dtype)
        self._bind()
        self._passes: dict[int, Pass] = {}
        if drawn:  # for numpy's random part is megabytes of code, and who only predicts can do without
            rng = np.random.default_rng(seed)
            for layer in self.dense:
                layer.initialise(rng)
            for dropout in self.dropouts:
                dropout.rng = rng.spawn(1)[0]

    @property
    def dropouts(self) -> tuple[Dropout, ...]:
        """The dropout layers, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Dropout))

    def _bind(self) -> None:
        start = 0
        for layer in self.dense:
            end = start + layer.size
            layer.bind(self.theta[start:end], self.gradient[start:end])
            self.weight_mask[end - layer.outputs : end] = 0.0
            start = end

    def forward(self, X: npt.ArrayLike) -> Array:
        """Logits (B, O) of X (B, I), without dropout; a view that the next call overwrites."""
        matrix = as_matrix("X", X, self.inputs)
        at = self._pass(len(matrix))
        at.load(matrix)
        return at.forward().T

    def predict(self, X: npt.ArrayLike, batch_size: int = 1000) -> Array:
        """link(logits) of X (rows, I) as a new array (rows, O); else, memory does not grow with the rows."""
        matrix = as_matrix("X", X, self.inputs)
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, expected at least 1")
        rows = len(matrix)
        Y: Array = np.empty((rows, self.outputs), self.dtype)
        for start in range(0, rows, batch_size):
            end = min(start + batch_size, rows)
            at = self._pass(end - start)
            at.load(matrix[start:end] if end - start < rows else matrix)
            YT = at.forward()
            self.link.apply(YT, at.scratch)
            Y[start:end] = YT.T
        return Y

    def activations(self, X: npt.ArrayLike) -> list[Array]:
        """What each dense layer gives for X (B, I): a new array (B, O) a layer, the logits last."""
        matrix = as_matrix("X", X, self.inputs)
        at = self._pass(len(matrix))
        at.load(matrix)
        at.forward()
        return [slot.YT.T.copy() for slot in at.slots]

    def _pass(self, rows: int) -> Pass:
        """The pass for this batch size without dropout, kept for the next time unless it is large."""
        found = self._passes.get(rows)
        if found is None:
            found = Pass(self, rows, training=False)
            if rows <= ROWS_KEPT:
                if len(self._passes) >= PASSES_KEPT:
                    self._passes.pop(next(iter(self._passes)))
                self._passes[rows] = found
        return found

    def astype(self, dtype: npt.DTypeLike) -> Network:
        """A network of its own with the same layers and parameters in another number format."""
        twins: list[Layer] = [
            Dense(layer.inputs, layer.outputs, layer.activation, layer.initialiser)
            if isinstance(layer, Dense)
            else Dropout(layer.rate)
            for layer in self.layers
        ]
        twin = Network(twins, link=self.link.name, dtype=dtype, seed=0)
        twin.theta[...] = self.theta
        return twin


class Pass:
    """A network tied to a batch of `rows`, with every view made beforehand.

    With `training`, dropout is at work; with `inputs`, backward goes on to the gradient of the input.
    """

    def __init__(self, network: Network, rows: int, *, training: bool = True, inputs: bool = False) -> None:
        dtype = network.dtype
        layers = [layer for layer in network.layers if training or isinstance(layer, Dense)]
        widths = [network.inputs]
        for layer in layers:
            widths.append(layer.outputs if isinstance(layer, Dense) else widths[-1])
        X1T = [np.ones((width + 1, rows), dtype) for width in widths]
        dXT = [np.zeros((width, rows), dtype) for width in widths]
        self.X1: Array = np.ones((rows, widths[0] + 1), dtype)
        self._X = self.X1[:, :-1]
        self._finite = np.empty(self.X1.shape, np.bool_)
        self.slots = [
            Slot(X1T[k], X1T[k + 1][:-1], dXT[k + 1], dXT[k + 1].T, dXT[k], np.zeros_like(dXT[k + 1]))
            for k in range(len(layers))
        ]
        self.slots[0].X1T = self.X1.T
        if not inputs:
            self.slots[0].dXT = None
        self.ZT = self.slots[-1].YT
        self.dZT = self.slots[-1].dYT
        self.dX = dXT[0].T
        self.scratch = self.slots[-1].scratch
        self._first = self.slots[0]
        self._way = list(zip(layers, self.slots, strict=True))
        self._back = self._way[::-1]

    def load(self, X: npt.NDArray[Any]) -> None:
        """Take in X (B, I), converted to the network's number format.

        Raises:
            InputError: for NaN, infinity, or numbers too large for the format.
        """
        if X.dtype == self.X1.dtype:
            self._X[...] = X
        else:
            with np.errstate(over="ignore"):
                self._X[...] = X
        if not np.isfinite(self.X1, out=self._finite).all():
            refuse_non_finite("X", self._X)

    def forward(self, X1T: Array | None = None) -> Array:
        """Logits, transposed (O, B), of the batch that was loaded, or of X1T (I + 1, B), last row ones."""
        if X1T is not None:
            self._first.X1T = X1T
        for layer, slot in self._way:
            layer.forward(slot)
        return self.ZT

    def backward(self) -> None:
        """From `dZT` (O, B), the derivative by the logits, to `network.gradient`; consumes `dZT`."""
        for layer, slot in self._back:
            layer.backward(slot)


def _refuse_broken_chain(dense: tuple[Dense, ...]) -> None:
    if not dense:
        raise InputError("a network needs at least one dense layer, got none")
    for number, (before, after) in enumerate(pairwise(dense), start=1):
        if before.outputs != after.inputs:
            raise InputError(
                f"dense layer {number} gives {before.outputs} numbers, "
                f"but layer {number + 1} takes {after.inputs}"
            )
