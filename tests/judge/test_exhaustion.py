"""The end of memory is foretold from a rise that lasts, and from nothing else."""

import json
import math
from collections.abc import Iterable

import numpy as np
import pytest

from loadwatch.judge.exhaustion import Exhaustion
from loadwatch.records import Floats

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
END = 0.98


def rise(first: float, last: float, hours: float, step: float = MINUTE) -> Floats:
    """From one share to another, straight."""
    return np.linspace(first, last, round(hours * HOUR / step), endpoint=False)


def flat(share: float, hours: float, step: float = MINUTE) -> Floats:
    """The same share for so long."""
    return np.full(round(hours * HOUR / step), share)


def said(*shares: Iterable[float], step: float = MINUTE) -> list[int | None]:
    """What is said at each of these shares, a step apart."""
    values = np.concatenate([np.asarray(list(part)) for part in shares])
    return Exhaustion().extend(step * np.arange(len(values)), values)


@pytest.mark.parametrize("step", [60.0, 300.0])
@pytest.mark.parametrize(
    ("hours", "least", "within"),
    [
        (2.0, 0.35, 2.0),
        (4.0, 0.75, 2.0),
        (6.0, 1.2, 2.0),
        (24.0, 3.0, 4.0),
        (48.0, 3.0, 4.0),
        (120.0, 18.0, 24.0),
    ],
)
def test_a_steady_leak_is_foretold(step: float, hours: float, least: float, within: float) -> None:
    """From 0.42 to 1 in hours or days: told with so many hours left, and within no more than it says."""
    answers = said(flat(0.42, 24.0, step), rise(0.42, 1.0, hours, step), step=step)
    end = (24.0 + hours * (END - 0.42) / 0.58) * HOUR
    first, answer = next((number, each) for number, each in enumerate(answers) if each is not None)
    assert answer == within * HOUR
    assert least * HOUR < end - first * step < 1.02 * answer
    assert all(each is not None for each in answers[first : int(end // step)])


def test_below_85_per_cent_nothing_is_said() -> None:
    """What fills half of the memory within an hour may well be done before it is full."""
    assert not any(said(flat(0.2, 2.0), rise(0.2, 0.849, 1.2)))
    assert any(said(flat(0.2, 2.0), rise(0.2, 0.89, 1.2)))


@pytest.mark.parametrize("top", [0.9, 0.97])
def test_a_step_is_no_trend(top: float) -> None:
    """A process that takes a third of the memory at once, or a short peak, foretells nothing."""
    assert not any(said(flat(0.6, 3.0), flat(top, 3.0)))
    assert not any(said(flat(0.86, 3.0), flat(top, 0.3), flat(0.86, 3.0)))


def test_noise_and_a_creeping_rise_are_no_trend() -> None:
    """A percent an hour, or the noise of a full but steady host, says nothing of its end."""
    rng = np.random.default_rng(0)
    assert not any(said(0.96 + 0.004 * rng.standard_normal(7 * 1440)))
    assert not any(said(rise(0.94, 0.978, 2.2)))
    assert any(said(rise(0.92, 0.978, 2.2)))


@pytest.mark.parametrize(("after", "until"), [(0.93, 120), (0.8, 1)])
def test_a_rise_that_ends_is_no_longer_one(after: float, until: int) -> None:
    """Two hours after the last rise nothing is foretold any more, and at once where memory is given back."""
    answers = said(flat(0.6, 2.0), rise(0.6, 0.93, 3.0), flat(after, 6.0))
    assert answers[299] is not None
    assert not any(answers[300 + until :])


def test_where_memory_has_been_before_is_nothing_new() -> None:
    """A job that takes it to 93 % each day is told the first time; a leak beyond that is told again."""
    job = np.concatenate([flat(0.5, 20.0), rise(0.5, 0.93, 4.0)])
    answers = said(job, job, job, flat(0.5, 20.0), rise(0.5, 0.979, 4.0))
    days = [any(left is not None for left in answers[day * 1440 : (day + 1) * 1440]) for day in range(4)]
    assert days == [True, False, False, True]


def test_after_eight_days_it_is_new_again() -> None:
    """What was so long ago is no custom."""
    job = np.concatenate([flat(0.5, 20.0), rise(0.5, 0.93, 4.0)])
    for days, told in ((7, False), (9, True)):
        answers = said(job, flat(0.5, 24.0 * days - 24.0), job)
        assert any(left is not None for left in answers[days * 1440 :]) is told


def test_a_leak_that_came_to_the_end_is_foretold_each_time() -> None:
    """That the same host was at its end two days ago does not make it a custom."""
    leak = np.concatenate([flat(0.42, 42.0), rise(0.42, 0.999, 6.0)])
    answers = said(leak, leak, leak)
    assert all(any(left is not None for left in answers[day * 1440 : (day + 2) * 1440]) for day in (0, 2, 4))


def test_ordinary_scatter_is_not_taken_for_giving_back() -> None:
    """A collector that frees nine per cent now and then does not reset what a leak has reached."""
    leak = rise(0.5, 0.99, 7.0)
    freed = np.concatenate([leak[:310], leak[310:330] - 0.09, leak[330:]])
    assert any(left is not None for left in said(flat(0.5, 2.0), freed)[120 + 345 : 120 + 400])


def test_an_unknown_share_says_nothing() -> None:
    """Of a host without the signal nothing is ever said, and a reading that failed changes nothing."""
    assert Exhaustion().extend(MINUTE * np.arange(3.0), None) == [None] * 3
    leak = np.concatenate([flat(0.5, 3.0), rise(0.5, 0.97, 5.0)])
    failed = leak.copy()
    failed[7::10] = math.nan
    assert [each for number, each in enumerate(said(failed)) if number % 10 != 7][-9:] == said(leak)[-9:]


def test_across_a_hole_there_is_no_rise() -> None:
    """What happened while the host was off is no trend."""
    leak = np.concatenate([flat(0.5, 3.0), rise(0.5, 0.96, 5.0)])
    times = MINUTE * np.arange(len(leak))
    assert Exhaustion().extend(times, leak)[460] is not None
    times[440:] += 5 * DAY
    assert not any(Exhaustion().extend(times, leak)[440:])


def test_a_clock_set_back_ends_what_was_said() -> None:
    """What was foretold by a wrong clock is not said until that time comes."""
    leak = np.concatenate([flat(0.5, 3.0), rise(0.5, 0.96, 5.0)])
    watch = Exhaustion()
    assert watch.extend(DAY + MINUTE * np.arange(len(leak)), leak)[-1] is not None
    assert watch.update(HOUR, 0.96) is None


def test_a_restart_forgets_nothing() -> None:
    """Through JSON it goes on as if nothing had happened."""
    shares = np.concatenate([flat(0.5, 3.0), rise(0.5, 0.94, 4.0), flat(0.5, 3.0), rise(0.5, 0.97, 4.0)])
    times = MINUTE * np.arange(len(shares))
    whole, first, second = Exhaustion(), Exhaustion(), Exhaustion()
    expected = whole.extend(times, shares)
    found = first.extend(times[:800], shares[:800])
    second.restore(json.loads(json.dumps(first.to_state(), allow_nan=False)))
    assert found + second.extend(times[800:], shares[800:]) == expected
    assert second.to_state() == whole.to_state()
    fresh = Exhaustion()
    fresh.restore(json.loads(json.dumps(Exhaustion().to_state(), allow_nan=False)))
    assert fresh.to_state() == Exhaustion().to_state()
