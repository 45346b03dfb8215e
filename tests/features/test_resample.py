"""Samples of any spacing become means of a minute, the same in a stream and in bulk."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.features.resample import PIECE, MinuteResampler, whole_minutes

STEPS = st.sampled_from([0.5, 1.0, 5.0, 4.7, 5.3, 15.0, 29.0, 31.0, 59.9, 60.0, 61.0, 300.0, 700.0, 5000.0])


def gather(timestamps, values, cuts=()):
    """Rows, timestamps and means of all minutes, with the samples given in pieces."""
    clock = MinuteResampler(values.shape[1])
    rows, means = [], []
    for start, end in pairwise([0, *cuts, len(timestamps)]):
        minutes = clock.extend(timestamps[start:end], values[start:end])
        rows += (minutes.rows + start).tolist()
        means.append(minutes.values)
    return rows, np.concatenate(means)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=200), st.integers(0, 2**32 - 1))
def test_cutting_the_stream_changes_nothing(steps, seed):
    """With any spacing, pauses, missing values: sample by sample, in pieces, at once, the same minutes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(steps), 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    timestamps = 1.5e9 + np.cumsum(steps)
    rows, means = gather(timestamps, values)
    for cuts in (range(1, len(steps)), sorted(rng.integers(0, len(steps), 3).tolist())):
        again, means_again = gather(timestamps, values, cuts)
        assert again == rows
        np.testing.assert_allclose(means_again, means, rtol=1e-12)


@pytest.mark.parametrize("step", [60.0, 45.0, 75.0, 300.0, 900.0])
def test_rows_about_a_minute_apart_or_more_are_judged_one_by_one(step):
    """Rows of a minute, or of five, are never averaged, doubled or held back, even when they jitter."""
    jitter = np.random.default_rng(1).uniform(-0.4, 0.4, 500)
    timestamps = 30.0 + np.arange(500) * step + jitter
    assert gather(timestamps, np.zeros((500, 1)))[0] == list(range(500))


@pytest.mark.parametrize("step", [1.0, 5.0, 10.0, 15.0])
def test_fine_samples_complete_about_a_minute(step):
    """Sampling every few seconds gives one judgement a minute."""
    timestamps = np.arange(0.0, 3600.0, step)
    assert len(gather(timestamps, np.zeros((len(timestamps), 1)))[0]) == pytest.approx(60, abs=2)


def test_a_mean_leaves_out_what_is_not_finite():
    """A missing or infinite value neither spoils the mean of a minute nor counts in it."""
    timestamps = np.array([0.0, 20.0, 40.0, 60.0])
    values = np.array([[1.0, np.nan], [2.0, np.nan], [np.inf, np.nan], [4.0, np.nan]])
    _, means = gather(timestamps, values)
    np.testing.assert_array_equal(means[1], [3.0, np.nan])


def test_a_clock_set_back_starts_a_new_minute():
    """After the clock is set back, minutes go on at once instead of waiting until it has caught up."""
    timestamps = np.array([1000.0, 1005.0, 400.0])
    rows, means = gather(timestamps, timestamps[:, None])
    assert (rows, means.ravel().tolist()) == ([0, 2], [1000.0, 400.0])


def test_spread_holds_each_judgement_until_the_next():
    """What was judged at a minute stands for the samples up to the next."""
    timestamps = np.arange(0.0, 150.0, 20.0)
    minutes = MinuteResampler(1).extend(timestamps, np.zeros((8, 1)))
    assert minutes.rows.tolist() == [0, 3, 6]
    assert minutes.spread(np.array([1.0, 2.0, 3.0]), np.array(0.0)).tolist() == [1, 1, 1, 2, 2, 2, 3, 3]


def test_a_long_history_gives_the_same_minutes_piece_by_piece():
    """What is worked on at once bounds the memory and changes nothing."""
    rng = np.random.default_rng(4)
    timestamps = 1.7e9 + np.cumsum(rng.uniform(1.0, 9.0, 2 * PIECE + 5))
    values = rng.normal(size=(len(timestamps), 2))
    at_once = MinuteResampler(2).extend(timestamps, values)
    times, means = whole_minutes(timestamps, 2, lambda rows: values[rows])
    np.testing.assert_array_equal(times, at_once.timestamps)
    np.testing.assert_allclose(means, at_once.values)


@pytest.mark.parametrize(("pause", "mean"), [(590.0, 2.0), (610.0, 4.0)])
def test_what_came_before_ten_minutes_of_silence_is_in_no_mean(pause, mean):
    """Two samples after a full minute, a pause, and one more: the minute has all three, or the last alone."""
    timestamps = np.array([*np.arange(0.0, 65.0, 5.0), 65.0, 70.0, 70.0 + pause])
    values = np.array([*np.zeros(13), 1.0, 1.0, 4.0])[:, None]
    rows, means = gather(timestamps, values)
    assert rows[-1] == 15
    assert means[-1] == pytest.approx(mean)
