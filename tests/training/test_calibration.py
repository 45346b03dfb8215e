"""Probabilities are corrected no more than the data warrant, and thresholds keep to the alert budget."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.training.calibration import WEEK_SECONDS, choose_threshold, fit_calibration, reliability


@settings(deadline=None, max_examples=20)
@given(slope=st.floats(0.5, 1.8), shift=st.floats(-1.0, 1.0), seed=st.integers(0, 2**32 - 1))
def test_a_distortion_of_the_logits_is_found(slope, shift, seed):
    """With much data the correction undoes it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 2.0, 20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(slope * logits + shift)))).astype(float)
    found = fit_calibration(logits, y, np.ones(20_000))
    # Four standard errors of 20 000 rows.
    np.testing.assert_allclose(found, [slope, shift], atol=0.15)


@pytest.mark.parametrize("y", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
def test_three_rows_correct_next_to_nothing(y):
    """Doubt leaves the logits as they are."""
    slope, shift = fit_calibration(np.array([-3.0, 0.0, 2.0]), np.array(y), np.ones(3))
    assert slope == pytest.approx(1.0, abs=0.2)
    assert shift == pytest.approx(0.0, abs=0.2)


@given(budget=st.floats(0.5, 100.0), weeks=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_thresholds_keep_to_the_budget(budget, weeks, seed):
    """On what was normal, no more half hours are flagged than asked for."""
    t = np.arange(0.0, weeks * WEEK_SECONDS + 900.0, 900.0)
    p = np.random.default_rng(seed).random(len(t)) * 0.5 + 0.1
    never = np.zeros(len(t))
    threshold = choose_threshold(t, p, never, never, budget)
    flagged = np.unique(t[p >= threshold] // 1800.0)
    assert len(flagged) <= budget * weeks
    assert 0.05 <= threshold <= 0.95


def test_a_short_history_trusts_one_half():
    """An hour of calm is no licence to flag at one per cent."""
    t = np.arange(0.0, 3600.0, 5.0)
    threshold = choose_threshold(t, np.full(len(t), 1e-4), np.zeros(len(t)), np.zeros(len(t)), 7.0)
    assert threshold == pytest.approx(0.5, abs=0.01)


def test_reliability_sets_forecasts_beside_what_happened():
    """Mean forecast, observed share and rows of each tenth that has any; weights count."""
    table = reliability(np.array([0.05, 0.05, 0.95]), np.array([0.0, 1.0, 1.0]), np.array([3.0, 1.0, 1.0]))
    assert table == [(pytest.approx(0.05), 0.25, 2), (pytest.approx(0.95), 1.0, 1)]
