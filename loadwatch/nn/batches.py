"""Shuffled mini-batches without a copy a step.

Rows are gathered by a random order into a chunk of several batches that fits in the processor's cache; the
batches are views of the chunk, made once. An epoch of a small training set is one gather; a large one is
never copied as a whole in its shuffled order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loadwatch.nn.arrays import Array

CHUNK_NUMBERS = 1 << 16  # 256 KiB of float32: a quarter of a usual second-level cache


class Batch(NamedTuple):
    """Views of one batch, one sample a column: inputs with their row of ones, targets, weights."""

    X1T: Array  # (I + 1, B)
    TT: Array  # (O, B)
    weightsT: Array | None  # noqa: N815 - (O, B)


class Chunk:
    """Room for `count` batches of `rows`; `fill` draws the next samples into it."""

    def __init__(self, tables: tuple[Array, Array, Array | None], count: int, rows: int) -> None:
        X, T, weights = tables
        self.X: Array = np.empty((count * rows, X.shape[1]), X.dtype)
        self.X1: Array = np.ones((count * rows, X.shape[1] + 1), X.dtype)
        self.T: Array = np.empty((count * rows, T.shape[1]), T.dtype)
        self.TT: Array = np.empty((count, T.shape[1], rows), T.dtype)
        self.weightsT = None if weights is None else np.empty_like(self.TT)
        self.tables, self.rows = tables, rows
        self.batches = [
            Batch(
                self.X1[k * rows : (k + 1) * rows].T,
                self.TT[k],
                None if self.weightsT is None else self.weightsT[k],
            )
            for k in range(count)
        ]

    def fill(self, order: npt.NDArray[np.intp]) -> list[Batch]:
        """The batches of the samples in `order`, whose number is a multiple of the batch size."""
        X, T, weights = self.tables
        count = len(order) // self.rows
        # "clip" only says that the order is known to be in range; "raise" would gather into a copy first.
        np.take(X, order, axis=0, out=self.X[: len(order)], mode="clip")
        self.X1[: len(order), :-1] = self.X[: len(order)]
        self._columns(T, order, self.TT[:count])
        if weights is not None and self.weightsT is not None:
            self._columns(weights, order, self.weightsT[:count])
        return self.batches[:count]

    def _columns(self, table: Array, order: npt.NDArray[np.intp], into: Array) -> None:
        part = self.T[: len(order)]
        np.take(table, order, axis=0, out=part, mode="clip")
        into[...] = part.reshape(len(into), self.rows, -1).transpose(0, 2, 1)


class Batches:
    """All batches of an epoch, freshly shuffled at each iteration.

    The last batch is smaller where the rows do not divide; with `drop_last` it is left out.
    """

    def __init__(
        self,
        X: Array,
        T: Array,
        weights: Array | None,
        batch_size: int,
        rng: np.random.Generator,
        *,
        drop_last: bool = False,
    ) -> None:
        self.rows, self.rng = len(X), rng
        self.batch_size = min(batch_size, self.rows)
        whole, rest = divmod(self.rows, self.batch_size)
        self.last = 0 if drop_last else rest
        self.count = whole + (1 if self.last else 0)
        self.sizes = [size for size in (self.batch_size, self.last) if size]
        self.trained_rows = whole * self.batch_size + self.last
        chunk = max(1, min(whole, CHUNK_NUMBERS // (self.batch_size * X.shape[1])))
        self._whole = Chunk((X, T, weights), chunk, self.batch_size)
        self._last = Chunk((X, T, weights), 1, self.last) if self.last else None

    def __iter__(self) -> Iterator[Batch]:
        order = self.rng.permutation(self.rows)
        end = self.rows - self.rows % self.batch_size
        step = len(self._whole.batches) * self.batch_size
        for start in range(0, end, step):
            yield from self._whole.fill(order[start : min(start + step, end)])
        if self._last is not None:
            yield from self._last.fill(order[end:])
