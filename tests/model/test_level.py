"""How high the load level will get is read from the forecast as quantiles that fit together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.model.level import BOUNDS, HIGHEST, LIMITS, QUANTILES, LevelDistribution, group_of

AHEAD = 3


def distribution(median: float = 0.5, high: float = 0.9) -> LevelDistribution:
    return LevelDistribution(LIMITS, np.tile([median, high], (len(BOUNDS) + 1, AHEAD, 1)))


def read(rng: np.random.Generator, rows: int, *, level: LevelDistribution) -> tuple[np.ndarray, np.ndarray]:
    """Levels and the quantiles read of any probabilities."""
    levels = rng.uniform(-0.2, 2.0, rows)
    chances = rng.random((rows, AHEAD)) ** 3
    others = rng.random((rows, AHEAD, level.others)) ** 3
    return levels, level.quantiles(level.exceedances(chances, others), levels)


@given(seed=st.integers(0, 2**32 - 1))
def test_quantiles_fit_together_whatever_the_network_says(seed: int) -> None:
    """The higher is never below the lower, none falls with the horizon, none is below the present level."""
    levels, quantiles = read(np.random.default_rng(seed), 20, level=distribution())
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=2) >= 0.0).all()
    assert (np.diff(quantiles, axis=1) >= 0.0).all()
    assert (quantiles >= levels[:, None, None]).all()


def test_a_level_that_is_sure_is_read_between_its_limits() -> None:
    """What surely exceeds 0.5 and surely not 0.625 lies between them, in every quantile."""
    level = distribution()
    sure = np.where(np.array(LIMITS) <= 0.5, 1.0, 0.0)
    place = LIMITS.index(1.0)
    others = np.delete(sure, place)
    exceedances = level.exceedances(np.full((1, AHEAD), sure[place]), np.tile(others, (1, AHEAD, 1)))
    quantiles = level.quantiles(exceedances, np.array([0.2]))
    assert ((quantiles > 0.5) & (quantiles < 0.625)).all()


def test_beyond_the_last_limit_it_is_the_last_limit() -> None:
    """Which then stands for itself or more; a present level above it stands for itself."""
    level = distribution()
    surely = level.exceedances(np.ones((2, AHEAD)), np.ones((2, AHEAD, level.others)))
    quantiles = level.quantiles(surely, np.array([0.3, 4.0]))
    assert (quantiles[0] == HIGHEST).all()
    assert (quantiles[1] == 4.0).all()


def test_the_probability_that_is_told_is_the_one_that_is_read() -> None:
    """Where high load has a chance of a tenth, the level of 0.9 is the limit itself."""
    level = distribution()
    others = np.where(np.delete(LIMITS, LIMITS.index(1.0)) < 1.0, 0.5, 0.01)
    exceedances = level.exceedances(np.full((1, AHEAD), 0.1), np.tile(others, (1, AHEAD, 1)))
    assert level.quantiles(exceedances, np.array([0.2]))[0, :, 1] == pytest.approx(1.0)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.95))
def test_what_is_reached_is_the_inverse_of_what_is_read(seed: int, share: float) -> None:
    """So that a quantile corrected by what came holds as often as it says."""
    rng, level = np.random.default_rng(seed), distribution(share, share)
    levels = np.full(20, 0.05)
    others = np.sort(rng.uniform(0.01, 0.99, (20, AHEAD, len(LIMITS))), axis=2)[..., ::-1]
    place = LIMITS.index(1.0)
    exceedances = level.exceedances(others[..., place], np.delete(others, place, axis=2))
    read = np.stack([level.quantiles(exceedances[:, [a]], levels)[:, 0, 0] for a in range(AHEAD)], axis=1)
    inside = (read > 0.051) & (read < HIGHEST)
    np.testing.assert_allclose(level.reached(exceedances, levels, read)[inside], share, atol=1e-6)


def test_nothing_is_said_before_it_was_measured() -> None:
    """A model whose quantiles were never held against what came gives none."""
    _, quantiles = read(np.random.default_rng(0), 5, level=distribution(np.nan, np.nan))
    assert np.isnan(quantiles).all()


def test_idle_and_busy_moments_are_corrected_by_themselves() -> None:
    """The present level decides the group."""
    np.testing.assert_array_equal(group_of(np.array([0.01, 0.3, 0.9, 1.2])), [0, 1, 2, 3])
    shares = np.tile([0.5, 0.9], (len(BOUNDS) + 1, AHEAD, 1))
    shares[2] = [0.8, 0.99]
    level = LevelDistribution(LIMITS, shares)
    falling = np.tile(np.linspace(0.99, 0.01, len(LIMITS)), (2, AHEAD, 1))
    place = LIMITS.index(1.0)
    exceedances = level.exceedances(falling[..., place], np.delete(falling, place, axis=2))
    busy, idle = level.quantiles(exceedances, np.array([0.6, 0.3]))
    assert (busy > idle).all()
    assert len(QUANTILES) == busy.shape[1]
