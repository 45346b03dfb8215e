"""Rows to learn from, as the caller has them and as the network wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy.typing as npt

from loadwatch.nn.arrays import Array, as_table
from loadwatch.nn.errors import InputError
from loadwatch.nn.losses import Loss
from loadwatch.nn.network import Network


@dataclass(frozen=True)
class Data:
    """Inputs X (rows, I), targets T (rows, O), and how much each target counts: weights (rows, O)."""

    X: npt.ArrayLike
    T: npt.ArrayLike
    weights: npt.ArrayLike | None = None


class Tables(NamedTuple):
    """The same, checked, finite, in the network's number format."""

    X: Array
    T: Array
    weights: Array | None


def tables(network: Network, loss: Loss, data: Data, name: str = "") -> Tables:
    """Check `data` against a network and its loss; `name` ("validation ") goes before X and y in a refusal.

    Raises:
        InputError: wrong shape, NaN, infinity, no rows, targets that the loss cannot mean.
    """
    X = as_table(f"{name}X", data.X, network.inputs, network.dtype)
    T = as_table(f"{name}y", data.T, network.outputs, network.dtype)
    if len(X) != len(T):
        raise InputError(f"{name}X has {len(X)} rows, but {name}y has {len(T)}; expected as many")
    least, most = loss.targets
    if T.min() < least or T.max() > most:
        raise InputError(
            f"{name}y of shape {T.shape} goes from {T.min()} to {T.max()}, "
            f"expected {least:g} to {most:g} for the loss {loss.name}"
        )
    if data.weights is None:
        return Tables(X, T, None)
    weights = as_table(f"{name}weights", data.weights, network.outputs, network.dtype)
    if len(weights) != len(X) or weights.min() < 0.0:
        raise InputError(
            f"{name}weights have shape {weights.shape} and minimum {weights.min()}, "
            f"expected ({len(X)}, {network.outputs}) and at least 0"
        )
    return Tables(X, T, weights)
