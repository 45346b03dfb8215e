"""The parts of the judge, each by itself: lines, static limits, seasonality, tokens, history."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.judge.alerting import Alerter, AlertInput
from loadwatch.judge.budget import CREDIT, MEMORY_SECONDS, WEEK, SeverityHistory, TokenBucket
from loadwatch.judge.flags import Hysteresis, clear_line
from loadwatch.judge.limits import LIMITS, StaticLimits, is_suffering
from loadwatch.judge.seasonality import SLOT_SECONDS, Seasonality
from loadwatch.signals import BY_NAME

MIDNIGHT = 1_700_006_400.0
DAY = 86_400.0


@given(st.floats(0.01, 1.0))
def test_the_line_to_clear_lies_below_the_line_to_raise(raise_at: float) -> None:
    """Between the two nothing changes, which is what keeps a flag from flapping."""
    assert 0.0 < clear_line(raise_at) <= raise_at


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.1, 60.0)), max_size=200))
def test_a_flag_keeps_its_times(samples: list[tuple[float, float]]) -> None:
    """It rises only after its time at the line, and falls only after its time below the lower one."""
    flag = Hysteresis(raise_at=0.6, clear_at=0.4, raise_seconds=30.0, clear_seconds=45.0)
    above = below = 0.0
    before: bool | None = False
    for value, elapsed in samples:
        above = above + elapsed if value >= 0.6 else 0.0
        below = below + elapsed if value < 0.4 else 0.0
        after = flag.update(value, elapsed)
        if after and not before:
            assert above >= 30.0
        if before and not after:
            assert below >= 45.0
        before = after


# --- static limits


def test_every_line_of_the_guard_is_on_a_signal_of_the_schema() -> None:
    """A misspelt signal would be a limit that never holds."""
    for line in LIMITS:
        assert {line.signal, *line.beside} <= BY_NAME.keys()
        assert line.clear_at < line.raise_at


@pytest.mark.parametrize(
    ("values", "seconds", "signal"),
    [
        ({"cpu": 0.97}, 600, "cpu"),
        ({"memory": 0.99}, 120, "memory"),
        ({"network": 0.95, "network_receive": 9e7, "network_transmit": 1e6}, 300, "network"),
        ({"swap": 0.95, "memory": 0.93}, 300, "swap"),
        ({"memory_pressure": 0.7}, 30, "memory_pressure"),
        ({"io_pressure": 0.9}, 120, "io_pressure"),
        ({"cpu_pressure": 0.9, "cpu": 0.9}, 300, "cpu_pressure"),
    ],
)
def test_the_guard_sees_each_limit_after_its_time(
    values: dict[str, float], seconds: float, signal: str
) -> None:
    """Not before, and by name."""
    limits = StaticLimits()
    raised = [limits.update(values, 5.0) for _ in range(int(seconds / 5) + 1)]
    assert raised == [False] * (int(seconds / 5) - 1) + [True, True]
    assert limits.raised == (signal,)


@pytest.mark.parametrize(
    "values",
    [
        {"swap": 1.0, "memory": 0.4},  # old pages; nothing waits
        {
            "network": 1.0,
            "network_receive": 3e4,
            "network_transmit": 1e3,
        },  # the largest rate a quiet host saw
        {"cpu_pressure": 1.0, "cpu": 0.3},  # one throttled container
        {"cpu": float("nan"), "memory": float("nan")},
        {},
    ],
)
def test_the_guard_is_not_fooled(values: dict[str, float]) -> None:
    """Signals that look like a limit and are none, and signals that are unknown or absent."""
    limits = StaticLimits()
    assert not any(limits.update(values, 5.0) for _ in range(1000))


def test_suffering_is_what_the_kernel_says() -> None:
    """Pressure confirms; use alone, however high, does not."""
    assert is_suffering({"memory_pressure": 0.2})
    assert not is_suffering({"cpu": 1.0, "memory": 0.99, "memory_pressure": float("nan")})


# --- seasonality


def live(seasonality: Seasonality, days: int, busy: range, start: float = MIDNIGHT) -> None:
    """Let days pass, minute by minute, with high load in these hours of each."""
    last = start
    for minute in range(days * 1440):
        now = start + 60.0 * minute
        if not seasonality.is_within(now):
            seasonality.enter(now, last)
        if minute // 60 % 24 in busy:
            seasonality.spend(60.0)
        last = now


def test_the_everyday_hour_is_familiar_and_no_excess() -> None:
    """After two weeks of the same morning, one more is no news; the same at night is, all of it."""
    seasonality = Seasonality()
    live(seasonality, 14, range(9, 11))
    then = MIDNIGHT + 14 * DAY
    assert seasonality.familiarity(then + 9 * 3600, 900) > 2.0
    assert seasonality.familiarity(then + 15 * 3600, 900) == 0.0
    # A forecast may come ten minutes early.
    assert seasonality.familiarity(then + 9 * 3600 - 900 - 590, 900) > 2.0
    assert seasonality.familiarity(then + 9 * 3600 - 900 - 610, 900) == 0.0
    seasonality.enter(then + 9 * 3600, then)
    assert seasonality.spend(1800.0) < 200.0
    seasonality.enter(then + 20 * 3600, then)
    assert seasonality.spend(1800.0) == 1800.0


def test_a_trouble_is_not_its_own_excuse() -> None:
    """High load through a day that never had any counts in full from the first hour to the last."""
    seasonality = Seasonality()
    live(seasonality, 14, range(0))
    start = MIDNIGHT + 14 * DAY
    excess, last = 0.0, start
    for minute in range(600):
        now = start + 60.0 * minute
        if not seasonality.is_within(now):
            seasonality.enter(now, last)
        excess += seasonality.spend(60.0)
        last = now
    assert excess == 600 * 60.0


def test_a_half_hour_hardly_seen_teaches_nothing() -> None:
    """Maintenance and gaps are not learned as the ordinary."""
    seasonality = Seasonality()
    live(seasonality, 3, range(9, 11))
    noon = MIDNIGHT + 3.5 * DAY
    seasonality.enter(noon, MIDNIGHT + 3 * DAY)
    seasonality.spend(1800.0)
    seasonality.lose(1500.0)
    seasonality.enter(noon + SLOT_SECONDS, noon + SLOT_SECONDS - 1.0)
    before = seasonality.to_state()["day"]
    seasonality.enter(noon + 2 * SLOT_SECONDS, noon + SLOT_SECONDS)
    assert seasonality.to_state()["day"] == before


def test_seasonality_survives_a_restart() -> None:
    """In the middle of a half hour, through JSON."""
    seasonality, other = Seasonality(), Seasonality()
    live(seasonality, 2, range(9, 11))
    other.restore(json.loads(json.dumps(seasonality.to_state())))
    now = MIDNIGHT + 2 * DAY
    for one in (seasonality, other):
        one.enter(now + SLOT_SECONDS, now)
    assert other.to_state() == seasonality.to_state()


# --- budget


@given(st.floats(0.1, 10.0), st.lists(st.floats(0.0, WEEK / 4), max_size=300))
def test_a_token_bucket_never_grants_more_than_its_law(per_week: float, waits: list[float]) -> None:
    """Paying whenever it can, T weeks cost at most a week's worth, the credit, and T budgets."""
    tokens, now, paid = TokenBucket(per_week), MIDNIGHT, 0
    tokens.begin(now)
    for wait in waits:
        now += wait
        while tokens.can_pay(now):
            tokens.pay(now)
            paid += 1
    assert paid <= max(per_week, 1.0) + CREDIT + per_week * (now - MIDNIGHT) / WEEK + 1e-6


def test_the_bar_is_what_the_past_exceeded_as_often_as_allowed() -> None:
    """Of forty troubles in four weeks two a week may call: seven are worse, and the next makes eight."""
    history = SeverityHistory()
    history.begin(MIDNIGHT)
    for number in range(40):
        history.add(MIDNIGHT + number * 60_000.0, float(number))
    now = MIDNIGHT + MEMORY_SECONDS
    assert sum(severity > history.bar(now, 2.0) for severity in range(40)) == 7
    assert history.bar(now, 0.0) == 39.0
    assert history.bar(now, 20.0) == -np.inf


def test_the_severity_history_forgets_after_four_weeks() -> None:
    """A storm of last quarter does not keep the bar up."""
    history = SeverityHistory()
    history.begin(MIDNIGHT)
    history.add(MIDNIGHT, 5.0)
    assert history.bar(MIDNIGHT + MEMORY_SECONDS, 0.0) == 5.0
    assert history.bar(MIDNIGHT + MEMORY_SECONDS + 1, 0.0) == -np.inf


# --- alerts


def test_a_forecast_is_weighed_from_neither_an_unlikely_nor_more_than_an_even_chance() -> None:
    """Whatever threshold the past of a host led to."""
    alerter = Alerter(2.0)
    alerter.adopt({60: 0.05, 300: 0.4, 900: 0.95})
    assert alerter.lines == (0.2, 0.4, 0.5)


def test_each_kind_of_alert_has_its_share_of_the_budget() -> None:
    """While all is unspent twice the share may pass: of 5 a week 10 forecasts, 4 anomalies, 2.5 of high load.

    After four weeks with 200 troubles of each kind; one less, for the next makes it so many. An anomaly has
    to be twice as odd as these.
    """
    alerter = Alerter(5.0)
    alerter.begin(MIDNIGHT)
    now = MIDNIGHT + 4 * WEEK
    for number in range(200):
        for kind in (alerter.forecast, alerter.present, alerter.anomaly):
            kind.severities.add(now - number, 1000.0 + number)
    assert alerter.forecast.bar(now, alerter.tokens) == 1199.0 - 39
    assert alerter.present.bar(now, alerter.tokens) == 1199.0 - 9
    assert alerter.anomaly.bar(now, alerter.tokens) == pytest.approx(1199.0 - 15 + math.log(2.0))


def test_a_forecast_that_grows_surer_is_no_more_severe() -> None:
    """From 98 per cent on; below that a likelier one is."""
    alerter = Alerter(2.0)
    alerter.adopt({60: 0.5})
    alerter.begin(MIDNIGHT)
    nearly, sure, surer = (
        alerter.foretold(MIDNIGHT, AlertInput(0.3, (chance,), 0.1, anomalous=False, origin=None, values={}))
        for chance in (0.97, 0.98, 0.9999)
    )
    assert nearly is not None
    assert sure is not None
    assert nearly < sure == surer
