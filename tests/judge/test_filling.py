"""What is full is said, what will be full is said in time, and what is emptied again is not."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from bench_filling import FILLING, NOT_FILLING, drawn, ours

from loadwatch.judge.filling import FillingWatch
from loadwatch.records import Filling

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def followed(shares: Sequence[float], step: float = MINUTE) -> list[tuple[Filling, ...]]:
    """What is said at each of these shares of one thing, a step apart."""
    watch = FillingWatch()
    return [watch.update(number * step, {"x": share}) for number, share in enumerate(shares)]


def test_what_is_full_is_said_until_it_has_fallen_clearly_below() -> None:
    """At 95 %, and again not before it was under 93 %."""
    said = followed([0.9, 0.949, 0.95, 0.94, 0.931, 0.929, 0.94, 0.949])
    assert [len(each) for each in said] == [0, 0, 1, 1, 1, 0, 0, 0]


def test_what_is_unknown_is_neither_full_nor_forgotten() -> None:
    """A reading that failed makes no statement."""
    assert followed([0.97, math.nan, 0.97]) == [(Filling("x", 0.97),), (), (Filling("x", 0.97),)]


@pytest.mark.parametrize("hours", [6.0, 12.0, 24.0])
def test_a_steady_filling_is_forecast_to_the_tenth(hours: float) -> None:
    """From 75 % on: how long it takes at this rate."""
    rate = 0.25 / (hours * HOUR)
    said = followed([0.75 + rate * number * MINUTE for number in range(int(0.9 * hours * 60))])
    first = next(number for number, each in enumerate(said) if each)
    true = hours * HOUR - first * MINUTE
    assert 0.7 * hours * HOUR < true < 0.85 * hours * HOUR  # it looks back a quarter as far as ahead
    assert said[first][0].full_in_seconds == pytest.approx(true, rel=0.1)


def test_the_newest_minutes_decide_where_little_is_left() -> None:
    """After a quiet day a runaway log fills the last tenth in half an hour: nobody waits for a trend."""
    shares = [0.88] * 600 + [0.88 + 0.12 * minute / 30 for minute in range(1, 25)]
    said = followed(shares)
    first = next(number for number, each in enumerate(said) if each)
    assert 600 < first < 620
    assert said[first][0].full_in_seconds < HOUR


def test_a_daemon_that_has_just_started_sees_a_runaway() -> None:
    """Ten minutes are enough where little is left."""
    said = followed([0.88 + 0.12 * minute / 40 for minute in range(20)])
    assert not any(said[:10])
    assert said[15]


def test_what_fills_faster_and_faster_is_told() -> None:
    """With the square of time, long before the last minutes count."""
    said = followed([0.5 + 0.35 * (minute / 600) ** 2 for minute in range(600)])
    assert any(said)


def test_what_is_half_empty_is_being_set_up() -> None:
    """Below seventy per cent nothing is forecast, however steadily it fills."""
    said = followed([0.4 + 0.29 * minute / 360 for minute in range(360)])
    assert not any(said)


def test_a_quick_copy_is_no_runaway_where_much_is_left() -> None:
    """Twenty per cent in twenty minutes, and then it ends."""
    shares = [0.6] * 400 + [0.6 + 0.2 * minute / 20 for minute in range(20)] + [0.8] * 400
    assert not any(followed(shares))


def test_a_copy_of_an_hour_is_no_trend() -> None:
    """It ends; twenty per cent in an hour is not a host that will be full in an hour."""
    shares = [0.6] * 600 + [0.6 + 0.2 * minute / 60 for minute in range(60)] + [0.8] * 600
    assert not any(followed(shares))


def test_what_was_emptied_before_is_silent_up_to_that_height() -> None:
    """A job that fills a part each day and cleans up is told once at most; beyond that height it is news."""
    day = np.concatenate([np.linspace(0.5, 0.85, 1200), np.full(240, 0.5)])
    said = followed([*np.tile(day, 3), *np.linspace(0.5, 0.94, 1500)])
    assert any(said[:1200])
    assert not any(said[1440 : 3 * 1440])
    assert any(said[3 * 1440 :])


def test_the_three_most_urgent_are_said_first() -> None:
    """What is full before what will be, and the fuller before the less full."""
    watch = FillingWatch()
    said = watch.update(0.0, {"a": 0.96, "b": 0.99, "c": 0.5, "d": 0.97, "e": 0.98})
    assert [filling.what for filling in said] == ["b", "e", "d"]


def test_a_thousand_file_systems_cost_no_more_memory_than_the_fullest() -> None:
    """Only those can be said; the emptiest is followed when it becomes one of them."""
    watch = FillingWatch()
    watch.update(0.0, {str(number): number / 2000 for number in range(1000)})
    assert len(watch._trends) == 64


def share_told(draws: Sequence[Callable[..., np.ndarray]]) -> float:
    told = [
        any(left is not None for left in ours(t[::3], shares[::3]))
        for draw in draws
        for t, shares in drawn(draw, 6, seed=7)
    ]
    return sum(told) / len(told)


@pytest.mark.slow
def test_most_fillings_are_told_and_few_in_vain() -> None:
    """Of the benchmark's kinds: over three in four that get full, under one in six that do not."""
    assert share_told(FILLING) > 0.75
    assert share_told(NOT_FILLING) < 1 / 6


def test_one_odd_reading_turns_no_trend() -> None:
    """The newest is too low by as much as was filled in a quarter of an hour: it counts as one of three."""
    rate = 0.25 / (12.0 * HOUR)
    shares = [0.75 + rate * number * MINUTE for number in range(600)]
    (even,), (odd,) = followed(shares)[-1], followed([*shares[:-1], shares[-1] - 0.005])[-1]
    assert even.full_in_seconds is not None
    assert odd.full_in_seconds == pytest.approx(even.full_in_seconds, rel=0.35)


def test_what_is_emptied_by_a_tenth_each_time_is_full_at_no_height_it_had() -> None:
    """A log that is rotated from 85 to 75 per cent: the first rise is foretold, the second is nothing new."""
    rise = [0.75 + 0.1 * minute / 360 for minute in range(361)]
    said = followed([*rise, *rise])
    assert any(said[:361])
    assert not any(said[366:])
