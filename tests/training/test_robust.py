"""Centre and spread shrug off incidents, gaps and constants."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.training.robust import LEAST, LEAST_OF_ZERO, column_quantiles, robust_scale

MINUTES = 60.0 * np.arange(4 * 1440.0)
ALL = np.ones(len(MINUTES), bool)


def features(seed=0, signals=1):
    return np.random.default_rng(seed).normal(10.0, 2.0, (len(MINUTES), 2 * signals))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.floats(0.0, 0.9), st.integers(0, 2**32 - 1))
def test_quantiles_equal_numpy_s(rows, missing, seed):
    """One sort gives what numpy gives column by column."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(rows, 4))
    table[rng.random(table.shape) < missing] = np.nan
    table[0] = 1.0
    shares = np.array([0.0, 0.01, 0.5, 0.99, 1.0])
    np.testing.assert_allclose(column_quantiles(table, shares), np.nanquantile(table, shares, axis=0))


def test_spread_of_noise_is_its_deviation():
    """A spread of one is a deviation of one."""
    centre, spread = robust_scale(MINUTES, features(), ("made_up",), ALL)
    np.testing.assert_allclose(centre, 10.0, rtol=0.02)
    np.testing.assert_allclose(spread[1], 2.0, rtol=0.05)


def test_one_wild_day_does_not_become_the_measure():
    """A day of chaos widens the spread at most threefold."""
    table = features()
    table[-1440:] += np.random.default_rng(1).normal(0.0, 20.0, (1440, 2))
    _, spread = robust_scale(MINUTES, table, ("made_up",), ALL)
    assert spread[1] < 6.5


def test_a_flagged_stretch_moves_the_centre_no_longer():
    """Once flagged, not even half of the history moves the centre."""
    table = features()
    table[: len(table) * 6 // 10] += 100.0
    normal = ALL.copy()
    normal[: len(table) * 6 // 10] = False
    assert robust_scale(MINUTES, table, ("made_up",), normal)[0][0] < 11.0
    assert robust_scale(MINUTES, table, ("made_up",), ALL)[0][0] > 100.0


def test_constants_get_a_floor_of_their_unit():
    """A signal that never moved can move by its unit's least before it counts as one spread."""
    table = np.zeros((len(MINUTES), 4))
    table[:, 1] = 0.5
    _, spread = robust_scale(MINUTES, table, ("swap", "memory"), ALL)
    assert spread[0] == LEAST_OF_ZERO["ratio"]
    assert spread[1] > LEAST["ratio"]


def test_a_signal_without_values_has_no_centre():
    """Never seen is unknown, not zero."""
    table = features(signals=2)
    table[:, [1, 3]] = np.nan
    centre, _ = robust_scale(MINUTES, table, ("made_up", "away"), ALL)
    assert np.isnan(centre).tolist() == [False, True, False, True]
