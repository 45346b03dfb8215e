"""Recurrences over whole arrays: what a stream does row by row, done for many rows at once.

    y[i] = decay[i] y[i-1] + x[i]

Every average, profile and running mean of this room is such a recurrence. In blocks of about sqrt(N) rows
all blocks are advanced together, then the value carried from block to block is added: O(N) work in
2 sqrt(N) numpy calls, and exact to rounding (no division by vanishing products).
"""

import math

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def decayed_sums(decay: Floats, x: Floats, start: Floats) -> Floats:
    """Y (N, K) with ``y[i] = decay[i] * y[i-1] + x[i]`` and ``y[-1] = start``.

    decay: (N, 1) or (N, K), 0 to 1; x: (N, K); start: (K,).

    >>> decayed_sums(np.array([[0.5], [0.5]]), np.array([[1.0], [1.0]]), np.array([4.0])).ravel()
    array([3. , 2.5])
    """
    rows, columns = x.shape
    if rows < 64:
        return _one_by_one(decay, x, start)
    length = math.isqrt(rows - 1) + 1
    blocks = -(-rows // length)
    product, y = _in_blocks(decay, blocks, length), _in_blocks(x, blocks, length)
    for i in range(1, length):  # all blocks advance by a step
        y[i] += product[i] * y[i - 1]
        product[i] *= product[i - 1]
    carry = np.empty((blocks, columns))
    carry[0] = start
    for block in range(1, blocks):
        carry[block] = y[-1, block - 1] + product[-1, block - 1] * carry[block - 1]
    for i in range(length):
        y[i] += product[i] * carry
    return y.transpose(1, 0, 2).reshape(-1, columns)[:rows]


def _in_blocks(table: Floats, blocks: int, length: int) -> Floats:
    """A copy (length, blocks, K) of a table (N, K), block by block, with zeros behind.

    What all blocks have at the same step lies together: a third less time than with each block by itself.
    """
    padded = np.zeros((blocks * length, table.shape[1]))
    padded[: len(table)] = table
    return padded.reshape(blocks, length, -1).transpose(1, 0, 2).copy()


def _one_by_one(decay: Floats, x: Floats, start: Floats) -> Floats:
    y = np.empty_like(x)
    previous = start
    for i in range(len(x)):
        previous = y[i] = decay[i] * previous + x[i]
    return y


def running_maximum(x: Floats, segments: Integers) -> Floats:
    """The largest value so far within the row's own segment: x (N, K), segments (N,) ascending."""
    y = x.copy()
    if len(x) < 2:
        return y
    step = 1
    longest = int(np.bincount(segments - segments[0]).max())
    while step < longest:
        same = segments[step:] == segments[:-step]
        later = np.maximum(y[step:], y[:-step])
        y[step:] = np.where(same[:, None], later, y[step:])
        step *= 2
    return y


def trailing_maximum(x: Floats, window: int, rows: int) -> Floats:
    """The largest known value of the ``window`` rows up to each of the last ``rows`` rows of x (N, K).

    NaN is unknown and ignored; rows before the beginning are unknown; NaN where nothing is known.
    """
    needed = rows + window - 1
    y = x[-needed:] if needed else x[:0]
    if len(y) < needed:
        y = np.vstack([np.full((needed - len(y), x.shape[1]), np.nan), y])
    width = 1
    # Doubling: a window of 2w is the maximum of two windows of w, the last step overlaps.
    while width < window:
        shift = min(width, window - width)
        y = np.fmax(y[shift:], y[:-shift])
        width += shift
    return y[len(y) - rows :]


def last_known(x: Floats, start: Floats) -> Floats:
    """X (N, K) with each NaN replaced by the last known value above it, at the beginning by start (K,)."""
    known = np.isfinite(x)
    if known.all():
        return x
    where = np.where(known, np.arange(1, len(x) + 1)[:, None], 0)
    np.maximum.accumulate(where, axis=0, out=where)
    filled: Floats = np.take_along_axis(np.vstack([start, x]), where, axis=0)
    return filled
