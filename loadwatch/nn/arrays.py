"""What crosses the border: converted once, refused by name and shape before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loadwatch.nn.errors import InputError

Array = npt.NDArray[np.floating[Any]]

DTYPES = ("float32", "float64")

# Constants of the step loop: zero-dimensional float32 arrays are exact here, never turn a float32 array into
# float64, and cost a ufunc half of what a Python float costs it (0.3 against 0.6 us on a small batch).
ZERO, ONE, TWO = (np.array(value, np.float32) for value in (0.0, 1.0, 2.0))


def as_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The number format of a network: float32 in production, float64 in proofs."""
    chosen = np.dtype(dtype)
    if chosen.name not in DTYPES:
        raise InputError(f"dtype is {chosen.name}, expected one of {', '.join(DTYPES)}")
    return chosen


def as_matrix(name: str, values: npt.ArrayLike, columns: int | None) -> npt.NDArray[Any]:
    """`values` as a non-empty two-dimensional array of real numbers, not copied when it is one already.

    Raises:
        InputError: for a wrong number of axes or columns, no rows, or things that are no numbers.
    """
    matrix = np.asarray(values)
    if matrix.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {matrix.dtype}, expected real numbers")
    if matrix.ndim != 2 or (columns is not None and matrix.shape[1] != columns) or matrix.size == 0:
        wanted = f"(rows, {'columns' if columns is None else columns}) with at least one row"
        hint = f"; did you mean {name}.reshape(-1, 1)?" if matrix.ndim == 1 and columns == 1 else ""
        raise InputError(f"{name} has shape {matrix.shape}, expected {wanted}{hint}")
    return matrix


def refuse_non_finite(name: str, matrix: npt.NDArray[Any]) -> None:
    """Raise for NaN or infinity, naming the first such place; allocates nothing unless it raises."""
    if np.isfinite(matrix.min()) and np.isfinite(matrix.max()):  # both reductions hand NaN through
        return
    row, column = np.argwhere(~np.isfinite(matrix))[0]
    raise InputError(
        f"{name} of shape {matrix.shape} has {matrix[row, column]} at row {row}, column {column}; "
        "expected finite numbers (fill or drop missing values first)"
    )


def as_table(name: str, values: npt.ArrayLike, columns: int | None, dtype: np.dtype[Any]) -> Array:
    """A checked, finite, C-ordered matrix in the network's own format; copied only when it has to be."""
    matrix = as_matrix(name, values, columns)
    with np.errstate(over="ignore"):  # 1e300 becomes infinity in float32, and is refused as such below
        table: Array = np.ascontiguousarray(matrix, dtype=dtype)
    refuse_non_finite(name, table)
    return table
