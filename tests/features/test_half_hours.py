"""Means of half hours are those of their rows, by number, however the rows are cut."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.features.half_hours import HALF_HOUR, HalfHourMeans, half_hour_runs
from loadwatch.features.quantiles import (
    column_medians,
    column_quantiles,
    lower_medians,
    trailing_counts,
    trailing_medians,
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([60.0, 700.0, 1800.0, 9000.0]), min_size=1, max_size=60), st.integers(0, 2**31)
)
def test_means_are_those_of_the_rows_of_each_half_hour(steps, seed):
    """Of closed half hours that are remembered; anything else is unknown."""
    rng = np.random.default_rng(seed)
    timestamps, values = 1.7e9 + np.cumsum(steps), rng.normal(size=(len(steps), 2))
    values[rng.random(values.shape) < 0.3] = np.nan
    means, expected = HalfHourMeans(2, 6), {}
    for first, edges in half_hour_runs(timestamps, 4):
        at_once = rng.random() < 0.5  # or one by one: cuts do not matter
        if at_once:
            means.open(first)
            means.add_run(values[edges[0] : edges[-1]], edges - edges[0])
        for number, (start, stop) in enumerate(pairwise(edges), start=first):
            for row in range(stop if at_once else start, stop):
                if not means.is_open(number):
                    means.open(number)
                means.add(values[row : row + 1])
            known = [column[np.isfinite(column)] for column in values[start:stop].T]
            expected[number] = [column.mean() if len(column) else np.nan for column in known]
    *closed, newest = expected
    np.testing.assert_array_equal(means.of(np.array([newest, newest + 6])), np.full((2, 2), np.nan))
    for number in closed:
        found = means.of(np.array([number]))[0]
        # A later half hour may have taken its place in the ring.
        if number > newest - 6 or np.isfinite(found).any():
            np.testing.assert_allclose(found, expected[number])
    again = HalfHourMeans(2, 6)
    again.restore(*means.to_arrays())
    np.testing.assert_array_equal(again.of(np.array(closed or [0])), means.of(np.array(closed or [0])))


def test_a_past_that_does_not_fit_is_refused():
    """Parts of other lengths are named."""
    with pytest.raises(ValueError, match="do not fit"):
        HalfHourMeans(2, 6).restore(np.arange(3), np.zeros((3, 5)))


def test_runs_cover_all_rows():
    """Each row lies in its half hour, a hole or the longest run ends a run; of no rows there is none."""
    timestamps = np.array([0.0, 10.0, HALF_HOUR, 5 * HALF_HOUR, 6 * HALF_HOUR, 7 * HALF_HOUR])
    found = [(number, edges.tolist()) for number, edges in half_hour_runs(timestamps, 2)]
    assert found == [(0, [0, 2, 3]), (5, [3, 4, 5]), (7, [5, 6])]
    assert list(half_hour_runs(timestamps[:0], 2)) == []


def test_quantiles_leave_out_what_is_unknown():
    """As numpy's, over the first axis, and NaN where nothing is known."""
    table = np.random.default_rng(0).normal(size=(30, 4, 3))
    table[np.random.default_rng(1).random(table.shape) < 0.4] = np.nan
    table[:, 2, 1] = np.nan
    shares = np.array([0.0, 0.3, 0.99])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of numpy's, about the column without a value
        expected = np.nanquantile(table, shares, axis=0)
    np.testing.assert_allclose(column_quantiles(table, shares), expected)
    np.testing.assert_array_equal(column_medians(table), column_quantiles(table, np.array([0.5]))[0])
    assert lower_medians(np.array([[4.0], [1.0], [2.0], [np.nan], [3.0]])).tolist() == [2.0]
    assert np.isnan(column_medians(np.empty((0, 2)))).all()


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("rows", [7, 12])
def test_trailing_medians_are_those_of_each_stretch(columns, rows):
    """Of one column and one stretch as of many, NaN where not wanted; the table stays as it was."""
    table = np.random.default_rng(0).normal(size=(rows, columns))
    table[2:4] = np.nan
    before, wanted = table.copy(), np.ones((rows - 6, columns), bool)
    wanted[1:2, 0] = False
    medians, counts = trailing_medians(table, 7, wanted), trailing_counts(np.isfinite(table), 7)
    for first in range(rows - 6):
        part = table[first : first + 7]
        np.testing.assert_allclose(medians[first], np.where(wanted[first], column_medians(part), np.nan))
        np.testing.assert_array_equal(counts[first], np.isfinite(part).sum(axis=0))
    np.testing.assert_array_equal(table, before)
