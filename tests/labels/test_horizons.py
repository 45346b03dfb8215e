"""What the forecast is to learn says high, calm or unknown, and never guesses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.labels.horizons import exceedances, inside, labelled_levels, peaks
from loadwatch.records import Label, Span

NAN = np.nan


def high_within(t, level, horizon):
    return exceedances(np.asarray(t, float), np.asarray(level, float), [horizon])[:, 0, 0]


def test_now_is_the_row_itself():
    """Horizon 0 asks for the level at this very row."""
    np.testing.assert_array_equal(high_within([0, 5, 10], [0.5, 1.5, NAN], 0), [0, 1, NAN])


def test_a_horizon_looks_at_what_comes_after_the_row():
    """The row's own high load does not count; the end of the span does."""
    t = 60.0 * np.arange(8)
    level = [0.1, 1.5, 0.1, 0.1, 1.5, 0.1, 0.1, 0.1]
    np.testing.assert_array_equal(high_within(t, level, 120), [1, 0, 1, 1, 0, 0, NAN, NAN])


def test_a_horizon_shorter_than_a_step_is_decided_by_the_next_row():
    """Because that row is the mean of the time in question."""
    np.testing.assert_array_equal(high_within(300.0 * np.arange(4), [0.1, 1.5, 0.1, 0.1], 60), [1, 0, 0, NAN])


def test_a_gap_breaks_the_window_unless_it_was_high_before():
    """A reboot hides what would have come; a high moment seen before it is known all the same."""
    t = np.r_[60.0 * np.arange(5), 4000.0 + 60.0 * np.arange(5)]
    level = [0.1, 0.1, 0.1, 1.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    np.testing.assert_array_equal(high_within(t, level, 180), [1, 1, 1, NAN, NAN, 0, 0, NAN, NAN, NAN])


def test_one_unknown_sample_breaks_nothing():
    """A source that failed once leaves the window whole."""
    t, level = 5.0 * np.arange(20), np.full(20, 0.1)
    level[10] = NAN
    assert (high_within(t, level, 30)[:10] == 0).all()


@given(rows=st.integers(0, 60), seed=st.integers(0, 2**32 - 1), horizon=st.sampled_from([0, 7, 60, 300]))
def test_higher_limits_are_exceeded_less(rows, seed, horizon):
    """The answers for several limits fit together: nobody is above 1.1 who is not above 0.9."""
    rng = np.random.default_rng(seed)
    t, level = np.cumsum(rng.uniform(1.0, 40.0, rows)), rng.uniform(0.5, 1.5, rows)
    table = exceedances(t, level, [horizon], [0.9, 1.0, 1.1])[:, 0]
    assert (np.nan_to_num(table[:, 0]) >= np.nan_to_num(table[:, 1])).all()
    assert (np.nan_to_num(table[:, 1]) >= np.nan_to_num(table[:, 2])).all()


@given(rows=st.integers(0, 60), seed=st.integers(0, 2**32 - 1), horizon=st.sampled_from([7, 60, 300]))
def test_the_highest_level_is_that_of_the_rows_within_the_horizon(rows, seed, horizon):
    """As one would find it row by row; unknown where not all of the span was watched."""
    rng = np.random.default_rng(seed)
    t, level = 5.0 * np.arange(rows), rng.uniform(0.5, 1.5, rows)
    for place, highest in enumerate(peaks(t, level, [horizon])[:, 0]):
        ahead = level[(t > t[place]) & (t <= t[place] + horizon)]
        assert np.isnan(highest) or highest == ahead.max()
        assert np.isfinite(highest) or t[place] + horizon > t[-1]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("high", [0.1, 1.25, 2.0]), ("normal", [0.1, 0.1, 0.75]), ("incident", [0.1, 0.1, 2.0])],
)
def test_the_operator_overrides_the_rule(kind, expected):
    """In the span of the label only; an incident is no statement about load."""
    t, level = np.array([0.0, 5.0, 10.0]), np.array([0.1, 0.1, 2.0])
    np.testing.assert_array_equal(labelled_levels(t, level, [Label(Span(5.0, 11.0), kind)]), expected)


def test_spans_hold_their_start_and_not_their_end():
    """As everywhere: start <= t < end."""
    np.testing.assert_array_equal(
        inside(np.array([0.0, 1.0, 2.0, 3.0]), [Span(1.0, 3.0)]), [False, True, True, False]
    )
