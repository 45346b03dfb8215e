"""What has been so for days, or comes back at its hour, is ordinary; what happened once is not."""

import numpy as np
import pytest

from loadwatch.features.half_hours import SLOTS, WEEK
from loadwatch.model.recurring import LevelDrift, RecurringOddity

FIRST = 19_000 * SLOTS  # a midnight
STEP = 600.0


def hours(days):
    return FIRST * 1800.0 + STEP * np.arange(days * 144)


def recurring(timestamps, odd, height=50.0):
    """The answer at each row for one signal that is odd by ``height`` where ``odd`` holds, else by 1."""
    values = np.where(odd, height, 1.0)[:, None]
    return RecurringOddity(1).extend(timestamps, values)[:, 0]


def at(timestamps, day, hour):
    return int(np.searchsorted(timestamps, FIRST * 1800.0 + day * 86400.0 + hour * 3600.0))


def test_a_nightly_job_is_ordinary_from_its_fourth_night():
    """Three nights of five are enough, two are not; half an hour early or late is the same job."""
    timestamps = hours(6)
    hour = timestamps % 86400.0 / 3600.0
    found = recurring(timestamps, (hour >= 2.0) & (hour < 3.0))
    nights = [found[at(timestamps, day, 2.5)] for day in range(6)]
    assert nights == [0.0, 0.0, 0.0, 50.0, 50.0, 50.0]
    assert found[at(timestamps, 5, 1.5)] == found[at(timestamps, 5, 3.0)] == 50.0
    assert found[at(timestamps, 5, 1.0)] == found[at(timestamps, 5, 3.5)] == 0.0


def test_what_is_hardly_above_the_rest_of_the_day_does_not_come_back():
    """Only what stands out from its day threefold is something that recurs."""
    timestamps = hours(6)
    hour = timestamps % 86400.0 / 3600.0
    odd = (hour >= 2.0) & (hour < 3.0)
    assert recurring(timestamps, odd, 2.9)[at(timestamps, 5, 2.5)] == 0.0
    assert recurring(timestamps, odd, 3.1)[at(timestamps, 5, 2.5)] == pytest.approx(3.1)


def test_a_spread_that_has_grown_for_good_is_ordinary_after_two_and_a_half_days():
    """At whatever hour; what was odd for a day and a half is not, nor what fills most of too short a past."""
    timestamps = hours(16)
    since = (timestamps - timestamps[0]) / 86400.0
    found = recurring(timestamps, since >= 6.0)
    assert not found[since < 8.4].any()
    assert (found[since > 8.6] == 50.0).all()
    assert not recurring(timestamps, (since >= 6.0) & (since < 7.5))[since < 12.0].any()
    assert not recurring(timestamps, since < 1.0)[since < 2.4].any()


@pytest.mark.slow
def test_a_weekly_job_is_ordinary_the_third_time():
    """Two weeks that had it are enough, one is not; of four, one may have missed it."""
    timestamps = hours(36)
    since = (timestamps - FIRST * 1800.0) % (WEEK * 1800.0)
    found = recurring(timestamps, (since >= 7200.0) & (since < 3 * 3600.0))
    assert [found[at(timestamps, 7 * week, 2.5)] for week in range(5)] == [0.0, 0.0, 50.0, 50.0, 50.0]
    one = recurring(
        timestamps, (timestamps >= timestamps[0] + 7200.0) & (timestamps < timestamps[0] + 10800.0)
    )
    assert [one[at(timestamps, 7 * week, 2.5)] for week in range(1, 5)] == [0.0, 1.0, 1.0, 1.0]
    week = (timestamps - FIRST * 1800.0) // (WEEK * 1800.0)
    missed = recurring(timestamps, (since >= 7200.0) & (since < 3 * 3600.0) & (week != 3))
    assert missed[at(timestamps, 28, 2.5)] == 50.0


def test_what_is_left_out_is_unknown_and_not_calm():
    """Two nights known to be odd and one left out are not three."""
    timestamps = hours(6)
    hour, day = timestamps % 86400.0 / 3600.0, (timestamps // 86400.0).astype(int)
    values = np.where((hour >= 2.0) & (hour < 3.0), 50.0, 1.0)
    values[day - day[0] < 3] = np.nan
    found = RecurringOddity(1).extend(timestamps, values[:, None])[:, 0]
    assert found[at(timestamps, 5, 2.5)] == 0.0


def drift(timestamps, values, width=2.0):
    return LevelDrift(np.array([width])).extend(timestamps, values[:, None])[:, 0]


def test_a_new_level_is_ordinary_after_two_and_a_half_days():
    """By all but one spread; and back again as long after its end."""
    timestamps = hours(16)
    since = (timestamps - timestamps[0]) / 86400.0
    found = drift(timestamps, np.where((since >= 6.0) & (since < 10.0), 12.0, 0.0))
    assert not found[since < 8.45].any()
    assert (found[(since > 8.55) & (since < 10.0)] == 10.0).all()
    assert not found[since > 12.6].any()


def test_an_incident_of_two_days_moves_no_level():
    """Nor does what stays within a spread."""
    timestamps = hours(12)
    since = (timestamps - timestamps[0]) / 86400.0
    assert not drift(timestamps, np.where((since >= 6.0) & (since < 8.0), 12.0, 0.0)).any()
    assert not drift(timestamps, np.where(since >= 6.0, 1.9, 0.0)).any()


def test_a_level_is_not_judged_before_a_day_was_seen():
    """A first day at its own level moves nothing."""
    timestamps = hours(2)
    found = drift(timestamps, np.full(len(timestamps), 12.0))
    assert not found[: at(timestamps, 1, 0.0)].any()
    assert found[-1] == 10.0


def test_going_back_to_the_level_of_the_training_is_ordinary_at_once():
    """However long a host was elsewhere; a level that is neither is as far as it is from the nearer."""
    timestamps = hours(16)
    since = (timestamps - timestamps[0]) / 86400.0
    values = np.where((since >= 6.0) & (since < 12.0), 12.0, 0.0)
    values[since >= 13.0] = 30.0
    levels = LevelDrift(np.array([2.0])).levels(timestamps, values[:, None])[:, 0]
    assert (levels[(since >= 6.0) & (since < 8.45)] == 12.0).all()
    assert (levels[(since > 8.55) & (since < 12.0)] == 2.0).all()
    assert not levels[(since >= 12.0) & (since < 13.0)].any()
    assert levels[at(timestamps, 13, 1.0)] == 20.0
