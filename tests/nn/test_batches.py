"""Shuffled mini-batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import batches as module
from loadwatch.nn.batches import Batches


def table(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, T and weights in which each row carries its own number."""
    number = np.arange(float(rows))[:, None]
    return (
        np.hstack([number, -number]),
        np.hstack([number, number + 0.5]),
        number @ [[2.0, 3.0]],
    )


@pytest.mark.slow
@given(rows=st.integers(1, 200), batch_size=st.integers(1, 64), chunk=st.sampled_from([1, 200, 1 << 16]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_an_epoch_is_every_row_once(rows: int, batch_size: int, chunk: int) -> None:
    """Whatever the sizes, each row comes once, with its own target and weight, shuffled anew each epoch."""
    X, T, weights = table(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_NUMBERS", chunk)
        drawn = Batches(X, T, weights, batch_size, np.random.default_rng(0))
        epochs = []
        for _ in range(2):
            seen = []
            for X1T, TT, weightsT in drawn:
                assert X1T.shape[1] == TT.shape[1] <= batch_size
                assert (X1T[2] == 1.0).all()
                np.testing.assert_array_equal(X1T[0], TT[0])
                np.testing.assert_array_equal(TT[0] + 0.5, TT[1])
                np.testing.assert_array_equal(weightsT, [2.0 * TT[0], 3.0 * TT[0]])
                seen += X1T[0].tolist()
            epochs.append(seen)
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(rows))
    assert rows < 20 or epochs[0] != epochs[1]
    assert drawn.count == -(-rows // batch_size)


def test_incomplete_last_batch_can_be_dropped() -> None:
    """With `drop_last` every batch is whole; fewer rows than a batch make one batch of them all."""
    drawn = Batches(*table(10), 4, np.random.default_rng(0), drop_last=True)
    assert [TT.shape[1] for _, TT, _ in drawn] == [4, 4]
    assert (drawn.count, drawn.trained_rows) == (2, 8)
    few = Batches(*table(3), 32, np.random.default_rng(0), drop_last=True)
    assert [TT.shape[1] for _, TT, _ in few] == [3]


def test_batches_are_views_made_once() -> None:
    """The second epoch runs over the same memory as the first."""
    drawn = Batches(*table(64), 8, np.random.default_rng(0))
    places = [[X1T.ctypes.data for X1T, _, _ in drawn] for _ in range(2)]
    assert places[0] == places[1]
