"""A loss at work on a network and its data.

    batch   sum over rows and outputs of w L(z, t), divided by the rows

A weight w belongs to one number of the targets, see weighting.py; unless given it is 1 / O, so that the loss
is the plain mean.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from loadwatch.nn.arrays import Array
from loadwatch.nn.losses import Loss
from loadwatch.nn.network import Network, Pass
from loadwatch.nn.optimisers import L2

ROWS_AT_ONCE = 1000


class Objective:
    """A loss at work on batches of one shape (O, B): sums, weighs, and owns the scratch it needs for that."""

    def __init__(self, loss: Loss, outputs: int, rows: int, dtype: npt.DTypeLike) -> None:
        self.terms = loss.terms
        self.L, self.scratch = np.empty((2, outputs, rows), dtype)
        self.every_L = self.L.reshape(-1)
        self.ones = np.ones_like(self.every_L)
        self.per_number = np.asarray(1.0 / (outputs * rows), dtype)
        self.per_row = np.asarray(1.0 / rows, dtype)

    def __call__(self, ZT: Array, TT: Array, dZT: Array, weightsT: Array | None = None) -> float:
        """The loss of a batch; `dZT` is filled with its gradient. All arrays (O, B)."""
        self.terms(ZT, TT, self.L, dZT, self.scratch)
        if weightsT is None:
            dZT *= self.per_number
            return float(self.every_L.dot(self.ones)) * float(self.per_number)
        self.L *= weightsT
        dZT *= weightsT
        dZT *= self.per_row
        return float(self.every_L.dot(self.ones)) * float(self.per_row)


def mean_loss(network: Network, loss: Loss, X: Array, T: Array, weights: Array | None = None) -> float:
    """The loss over all rows X (rows, I), T (rows, O), without dropout; in constant memory."""
    total = 0.0
    for at, objective, TT, weightsT in _batches(network, loss, X, T, weights):
        total += objective(at.forward(), TT, at.dZT, weightsT) * TT.shape[1]
    return total / len(X)


def loss_and_gradient(
    network: Network, loss: Loss, X: Array, T: Array, weights: Array | None = None, l2: float = 0.0
) -> tuple[float, Array]:
    """Loss over all rows with its L2 term, and its gradient by `theta` as a new array; without dropout.

    Overwrites `network.gradient`, changes nothing else.
    """
    total, gradient = 0.0, np.zeros_like(network.theta)
    for at, objective, TT, weightsT in _batches(network, loss, X, T, weights):
        share = TT.shape[1] / len(X)
        total += share * objective(at.forward(), TT, at.dZT, weightsT)
        at.backward()
        gradient += share * network.gradient
    return total + L2(l2, network.theta, network.weight_mask)(gradient), gradient


def _batches(
    network: Network, loss: Loss, X: Array, T: Array, weights: Array | None
) -> Iterator[tuple[Pass, Objective, Array, Array | None]]:
    made: dict[int, tuple[Pass, Objective]] = {}
    for start in range(0, len(X), ROWS_AT_ONCE):
        span = slice(start, min(start + ROWS_AT_ONCE, len(X)))
        rows = span.stop - span.start
        if rows not in made:
            at = Pass(network, rows, training=False)
            made[rows] = at, Objective(loss, network.outputs, rows, network.dtype)
        at, objective = made[rows]
        at.load(X[span])
        TT = np.ascontiguousarray(T[span].T)
        yield at, objective, TT, None if weights is None else np.ascontiguousarray(weights[span].T)
