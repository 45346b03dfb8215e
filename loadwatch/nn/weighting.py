"""How much each number of the targets counts: the product of the weights of row, output and class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadwatch.nn.arrays import Array
from loadwatch.nn.errors import InputError


def weights_of(
    T: Array,
    *,
    rows: npt.ArrayLike | None = None,
    outputs: npt.ArrayLike | None = None,
    classes: tuple[float, float] | None = None,
) -> Array:
    """The weight of every number of T (B, O), as a new array of its shape.

    Args:
        rows: (B,) one weight a sample.
        outputs: (O,) one weight an output; 1 / O each unless given.
        classes: weights of target 0 and target 1; a target between them gets a weight between them.
    """
    weights = np.full_like(T, 1.0 / T.shape[1])
    if outputs is not None:
        weights[...] = _weights("output weights", outputs, T.shape[1])
    if rows is not None:
        weights *= _weights("sample weights", rows, T.shape[0])[:, None].astype(T.dtype)
    if classes is not None:
        no, yes = (float(weight) for weight in _weights("class weights", classes, 2))
        weights *= no + (yes - no) * T
    return weights


def balanced(T: Array) -> tuple[float, float]:
    """Class weights under which both classes of T count the same, and all of T as much as before."""
    share = min(max(float(T.mean(dtype=np.float64)), 1e-6), 1.0 - 1e-6)
    return 0.5 / (1.0 - share), 0.5 / share


def _weights(name: str, values: npt.ArrayLike, size: int) -> npt.NDArray[np.float64]:
    weights = np.asarray(values, dtype=np.float64)
    if weights.shape != (size,):
        raise InputError(f"{name} have shape {weights.shape}, expected ({size},)")
    wrong = ~(np.isfinite(weights) & (weights >= 0.0))
    if wrong.any():
        raise InputError(f"{name} hold {weights[wrong][0]}, expected finite numbers of at least 0")
    return weights
