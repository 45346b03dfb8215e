"""Spreads shrug off incidents, gaps and constants."""

import numpy as np

from loadwatch.training.robust import (
    LEAST,
    LEAST_OF_ZERO,
    LEAST_OF_ZERO_UNKNOWN,
    least_spreads,
    robust_spread,
)

MINUTES = 60.0 * np.arange(4 * 1440.0)


def features(seed=0):
    return np.random.default_rng(seed).normal(10.0, 2.0, (len(MINUTES), 2))


def test_spread_of_noise_is_its_deviation():
    """A spread of one is a deviation of one."""
    np.testing.assert_allclose(robust_spread(MINUTES, features()), 2.0, rtol=0.05)


def test_one_wild_day_does_not_become_the_measure():
    """A day of chaos widens the spread at most threefold."""
    table = features()
    table[-1440:] += np.random.default_rng(1).normal(0.0, 20.0, (1440, 2))
    assert (robust_spread(MINUTES, table) < 6.5).all()


def test_constants_get_a_floor_of_their_unit():
    """A signal that never moved can move by its unit's least before it counts as one spread."""
    table = np.zeros((len(MINUTES), 2))
    table[:, 1] = 0.5
    least = least_spreads(table, ("swap", "memory"), {})
    assert least[0] == LEAST_OF_ZERO["ratio"]
    assert least[1] > LEAST["ratio"]


def test_a_signal_of_an_operator_s_own_has_the_floor_of_its_unit_too():
    """Ours keep theirs, whatever somebody calls them."""
    table = np.zeros((len(MINUTES), 3))
    units = {"requests": "per_second", "swap": "per_second"}
    least = least_spreads(table, ("requests", "swap", "imported"), units)
    assert least.tolist() == [LEAST_OF_ZERO["per_second"], LEAST_OF_ZERO["ratio"], LEAST_OF_ZERO_UNKNOWN]


def test_a_signal_without_values_has_no_spread():
    """Never seen is unknown, not zero."""
    table = features()
    table[:, 1] = np.nan
    assert np.isnan(robust_spread(MINUTES, table)).tolist() == [False, True]


def test_half_an_hour_is_no_day():
    """A day of which less than an hour of minutes was measured does not count as a typical one."""
    later = MINUTES[-1] + 86_400.0 * np.arange(1.0, 7.0)[:, None] + 60.0 * np.arange(30.0)
    still = np.full((later.size, 2), 10.0)
    spread = robust_spread(np.concatenate([MINUTES, later.ravel()]), np.vstack([features(), still]))
    np.testing.assert_allclose(spread, 2.0, rtol=0.05)
