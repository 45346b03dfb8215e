"""A course is learned where days tell each other, and nowhere else."""

import numpy as np
import pytest

from loadwatch.features.half_hours import SLOTS
from loadwatch.training.course import LEAST_EXPLAINED, course, daily_course, day_table, spread_factors

HOURS = np.arange(SLOTS) / 2.0
DAY_SHAPE = np.sin(2 * np.pi * HOURS / 24.0)
THURSDAY = 0


def days(count, noise, seed=0, shape=DAY_SHAPE):
    rng = np.random.default_rng(seed)
    return (shape + noise * rng.standard_normal((count, SLOTS)))[:, :, None]


def test_the_table_holds_the_mean_of_each_half_hour():
    """Half hours without a value are unknown."""
    timestamps = np.array([0.0, 900.0, 1800.0, 86400.0 + 3600.0])
    table = day_table(timestamps, np.array([[1.0], [3.0], [np.nan], [7.0]]))
    assert table.shape == (2, SLOTS, 1)
    assert table[0, 0, 0] == 2.0
    assert table[1, 2, 0] == 7.0
    assert np.isfinite(table).sum() == 2


def test_a_course_that_days_share_is_found():
    """Within what the noise of some days leaves."""
    found = daily_course(days(14, 0.3), LEAST_EXPLAINED)[:, 0]
    assert np.abs(found - DAY_SHAPE).max() < 0.35
    assert np.corrcoef(found, DAY_SHAPE)[0, 1] > 0.97


@pytest.mark.parametrize(("noise", "there"), [(0.7, True), (1.4, False)])
def test_a_course_that_explains_too_little_is_none(noise, there):
    """Three tenths of the variance of days it was not learned from are the least."""
    assert daily_course(days(30, noise), LEAST_EXPLAINED).any() == there


def test_three_days_have_no_course():
    """Nor a spread by half hour."""
    assert not daily_course(days(3, 0.0), LEAST_EXPLAINED).any()
    assert (spread_factors(days(3, 0.1) ** 2) == 1.0).all()


def test_one_wild_day_moves_no_course():
    """It is a median."""
    table = days(14, 0.1)
    table[10] += 50.0
    assert np.abs(daily_course(table, LEAST_EXPLAINED)[:, 0] - DAY_SHAPE).max() < 0.4


def test_weekends_have_a_course_of_their_own():
    """Where two of them were seen; before, they are as all days."""
    calendar = (THURSDAY + np.arange(21) + 3) % 7
    table = days(21, 0.05)
    table[calendar >= 5] *= 0.1
    found = course(table, THURSDAY)[:, :, 0]
    assert np.abs(found[0] - DAY_SHAPE).max() < 0.2
    assert np.abs(found[1]).max() < 0.3
    young = course(table[:8], THURSDAY)
    np.testing.assert_array_equal(young[0], young[1])


def test_a_course_follows_days_that_moved_lately():
    """Recent days weigh more, by half in five days: a fortnight two hours later outweighs all before it."""
    later = np.roll(DAY_SHAPE, 4)
    table = np.concatenate([days(18, 0.05), days(12, 0.05, seed=1, shape=later)])
    found = daily_course(table, LEAST_EXPLAINED)[:, 0]
    assert np.corrcoef(found, later)[0, 1] > 0.98 > np.corrcoef(found, DAY_SHAPE)[0, 1]


def test_weekends_that_are_half_as_busy_are_told_apart_through_noise():
    """A twentieth of what the common day leaves is enough to be worth it."""
    calendar = (THURSDAY + np.arange(28) + 3) % 7
    table = days(28, 0.0)
    table[calendar >= 5] *= 0.5
    weekday, weekend = course(table + days(28, 0.3, shape=0.0 * DAY_SHAPE), THURSDAY)[:, :, 0]
    assert 0.2 < (weekday - weekend)[12] < 0.7


def test_half_hours_that_spread_wider_each_day_are_known():
    """A busy noon is judged mildly, a calm night a little more strictly, and a flat day alike."""
    rng = np.random.default_rng(0)
    wide = np.where((HOURS > 9) & (HOURS < 17), 6.0, 1.0)
    factors = spread_factors((wide * rng.standard_normal((20, SLOTS)))[:, :, None] ** 2)[:, 0]
    assert factors[26] == pytest.approx(6.0 / np.sqrt(np.mean(wide**2)), rel=0.25)
    assert factors[4] == 0.7
    flat = spread_factors(rng.standard_normal((20, SLOTS, 1)) ** 2)
    assert (flat == 1.0).all()
