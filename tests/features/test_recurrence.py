"""Recurrences in bulk give what the plain loop gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.features.recurrence import decayed_sums, last_known, running_maximum, trailing_maximum


@given(rows=st.integers(1, 400), columns=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_decayed_sums_equal_the_plain_recurrence(rows, columns, seed):
    """Working in blocks changes nothing, with decays from 0 (a fresh start) to 1 (a plain sum)."""
    rng = np.random.default_rng(seed)
    decay = np.clip(rng.uniform(-0.2, 1.2, (rows, columns)), 0.0, 1.0)
    x, start = rng.normal(size=(rows, columns)), rng.normal(size=columns)
    expected, y = np.empty_like(x), start
    for i in range(rows):
        y = expected[i] = decay[i] * y + x[i]
    np.testing.assert_allclose(decayed_sums(decay, x, start), expected, rtol=1e-10, atol=1e-10)


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_running_maximum_starts_anew_in_each_segment(lengths, seed):
    """No segment hears of the one before."""
    x = np.random.default_rng(seed).normal(size=(sum(lengths), 2))
    segments = np.repeat(np.arange(len(lengths)) * 3, lengths)
    parts = np.split(x, np.cumsum(lengths)[:-1])
    expected = np.vstack([np.maximum.accumulate(part, axis=0) for part in parts])
    np.testing.assert_array_equal(running_maximum(x, segments), expected)


@given(
    rows=st.integers(0, 30),
    before=st.integers(0, 30),
    window=st.integers(1, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_trailing_maximum_ignores_what_is_unknown(rows, before, window, seed):
    """It is the largest known value of the window; rows before the beginning are unknown."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((rows + before, 1)) < 0.3, np.nan, rng.normal(size=(rows + before, 1)))
    expected = np.full((rows, 1), np.nan)
    for i in range(rows):
        part = x[max(0, before + i + 1 - window) : before + i + 1]
        if np.isfinite(part).any():
            expected[i] = np.nanmax(part)
    np.testing.assert_array_equal(trailing_maximum(x, window, rows), expected)


def test_last_known_carries_values_over_gaps():
    """Unknown is filled with the last known value, at the beginning with the start."""
    x = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(last_known(x, np.array([7.0, 8.0])), [[7.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
