"""Thresholds keep the budget on the past they are made from, and nothing makes them collapse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.training.thresholds import (
    block_maxima,
    count_episodes,
    threshold_for_budget,
)

DAY = 86400.0


def noise(days, seed, step=60.0):
    rng = np.random.default_rng(seed)
    timestamps = np.arange(0.0, days * DAY, step)
    return timestamps, rng.exponential(size=len(timestamps))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.sampled_from([0.2, 0.5, 1.0, 2.0]))
def test_the_past_stays_within_the_budget(seed, days, budget):
    """Alarms above the threshold make no more episodes on the past than asked for."""
    timestamps, scores = noise(days, seed, 600.0)
    threshold = threshold_for_budget(timestamps, scores, budget)
    blocks, maxima = block_maxima(timestamps, scores)
    assert count_episodes(blocks[maxima > threshold]) <= max(1.0, budget * days)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 2.0), st.floats(1.0, 3.0))
def test_a_larger_budget_never_raises_the_threshold(seed, budget, factor):
    """Who allows more alarms gets a threshold that is lower or the same."""
    timestamps, scores = noise(12, seed, 600.0)
    assert threshold_for_budget(timestamps, scores, budget * factor) <= threshold_for_budget(
        timestamps, scores, budget
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_the_threshold_scales_with_the_score(seed, factor):
    """Only the order of scores and their sizes matter, not the unit."""
    timestamps, scores = noise(5, seed, 600.0)
    assert threshold_for_budget(timestamps, scores * factor, 1.0) == pytest.approx(
        factor * threshold_for_budget(timestamps, scores, 1.0)
    )


def test_a_storm_does_not_collapse_the_threshold():
    """Where half of the past is one storm, the threshold stays in it and does not run to the bottom."""
    timestamps, scores = noise(10, 3)
    scores[: len(scores) // 2] += 100.0
    assert threshold_for_budget(timestamps, scores, 1.0) > 100.0


def test_a_short_past_gives_a_careful_threshold():
    """Half an hour says little about what happens once a day: the threshold lies well above all it held."""
    timestamps, scores = noise(1 / 48, 4, 10.0)
    assert threshold_for_budget(timestamps, scores, 1.0) > 4.0 * scores.max()


def test_a_long_storm_counts_as_the_budget_s_half_hours_only():
    """Thirty hours in a row are one episode, but three alarmed half hours an episode are the most."""
    timestamps = 1800.0 * np.arange(480.0)
    scores = np.ones(480)
    scores[200:260] = np.linspace(101.0, 160.0, 60)
    # A sixteenth of all half hours, thirty of them, may lie above.
    assert threshold_for_budget(timestamps, scores, 1.0) == pytest.approx(130.5, abs=1.0)


def test_alarms_within_an_hour_and_a_half_are_one_episode():
    """Two calm half hours between them do not part them, three do."""
    assert count_episodes(np.array([1.0, 2.0, 5.0, 9.0])) == 2


def test_no_score_gives_no_threshold():
    """Unknown stays unknown."""
    assert np.isnan(threshold_for_budget(np.array([1.0]), np.array([np.nan]), 1.0))
