"""The linear model is fitted exactly, stays finite, and gives way to persistence while onsets are few."""

from dataclasses import replace

import numpy as np
import pytest

from loadwatch.features.forecast import ForecastSpec
from loadwatch.features.moments import Moments, Normaliser
from loadwatch.labels.rule import Rule
from loadwatch.training.linear import NOW_SHARE, SHARE, fit_linear, fit_logistic
from loadwatch.training.synthetic import synthetic_recording
from loadwatch.training.table import TrainingTable, learning_table


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    recording = synthetic_recording(60.0, 4_500, seed=3)
    levels = Rule.parse("cpu > 0.8").levels(recording)
    return learning_table(recording, levels, (0, 300), np.random.default_rng(0))[0]


@pytest.mark.slow
def test_the_logistic_regression_is_the_known_one():
    """Newton's method ends where scikit-learn's solver ends."""
    library = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = (X @ [1.0, -2.0, 0.0] + rng.logistic(size=500) > 1.0).astype(float)
    weights = rng.uniform(0.5, 1.5, 500)
    theirs = library.LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(X, y, weights)
    # Ours shrinks the bias by a thousandth of what it shrinks a weight; theirs not at all.
    np.testing.assert_allclose(
        fit_logistic(X, y, weights), [*theirs.coef_[0], theirs.intercept_[0]], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    "y", [np.zeros(50), np.ones(50), np.arange(50) >= 25], ids=["never", "always", "separable"]
)
def test_separable_data_stay_finite(y):
    """Never, always, or exactly above a limit: large weights, no overflow."""
    theta = fit_logistic(np.linspace(-6.0, 6.0, 50)[:, None], y.astype(float), np.ones(50))
    assert np.isfinite(theta).all()
    assert np.abs(theta).max() < 50.0


def test_the_anchor_counts_more_the_fewer_onsets_were_seen(table):
    """All of it without any, a little more than its usual share after a hundred; now is its own matter."""
    Z = Normaliser.from_moments(Moments.of(table.features)).apply(table.features)
    shares = [fit_linear(Z, replace(table, onsets=onsets), len(table))[1] for onsets in (0, 6, 100)]
    np.testing.assert_allclose([share[0] for share in shares], NOW_SHARE)
    np.testing.assert_allclose([share[1] for share in shares], [1.0, 0.65, SHARE + 0.7 * 6 / 106])


def test_the_anchor_looks_at_the_level_only(table):
    """Signals of other names have no weight in it."""
    Z = Normaliser.from_moments(Moments.of(table.features)).apply(table.features)
    weights, _ = fit_linear(Z, table, len(table))
    foreign = [not name.startswith("level:") for name in table.spec.names]
    assert any(foreign)
    assert not weights[:-1][foreign].any()


def test_what_came_back_three_times_is_believed_although_other_servers_have_no_weeks():
    """Likely by the host's own three onsets; without any, what synthetic servers show stands."""
    spec = ForecastSpec.fitting(300.0 * np.arange(3.0), (), 900.0)
    weekly, before = spec.names.index("level:repeats_weekly"), np.r_[np.full(3000, -0.3), np.full(9, 4.0)]
    theirs = np.r_[np.full(150, 0.0), np.full(30, 4.0)]  # came back each fifth time
    Z = np.zeros((3189, len(spec.names)))
    Z[:, weekly] = np.r_[before, theirs]
    y = np.r_[before > 0.0, np.zeros(150), np.arange(30) % 5 == 0].astype(float)
    rows = len(Z)
    parts = (np.arange(float(rows)), Z, np.column_stack([0.0 * y, y]), np.ones(rows))
    table = TrainingTable(spec, (0, 900), *parts, 3, np.zeros(rows, bool), np.full((rows, 1), np.nan))

    def chance(onsets: int) -> float:
        weights, _ = fit_linear(Z, replace(table, onsets=onsets), 3009)
        return float(1.0 / (1.0 + np.exp(-(4.0 * weights[weekly, 1] + weights[-1, 1]))))

    assert chance(0) < 0.45
    assert chance(3) > 0.5
