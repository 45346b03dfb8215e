"""Where something is flagged and nobody is alerted, one sentence says why."""

from collections.abc import Mapping

import pytest

from judge.evidence import HORIZONS, evidence
from judge.test_never_silenced import DAY, HOUR, STALL, Host
from loadwatch.judge import Judge


def why(host: Host, verdict: str = "high_load") -> str:
    """The reason given now."""
    said = host.judge.why_no_alert()
    assert said is not None
    assert said.verdict == verdict
    return said.why


def test_calm_and_alerts_need_no_excuse() -> None:
    """Nothing is said of a host that is not flagged, nor where an alert is open."""
    host = Host().live(HOUR)
    assert host.judge.why_no_alert() is None
    host.live(HOUR, 1.8)
    assert host.stages == {"high_load": "present"}
    assert host.judge.why_no_alert() is None


def test_it_says_how_long_it_has_lasted_and_must() -> None:
    """High load alerts once it has lasted beyond the usual; until then the minutes are counted."""
    host = Host().live(HOUR)
    begun = host.now
    host.live(300, 1.05)
    assert why(host) == "an alert takes 10 min of it beyond the usual, so far 5 min"
    said = host.judge.why_no_alert()
    assert said is not None
    assert said.since == begun


def test_it_says_that_the_hour_is_usual_and_how_usual() -> None:
    """The nightly job is flagged each night; after two weeks its hour is known."""
    host = Host()
    for _ in range(14):
        host.live(2 * HOUR).live(HOUR, 1.1).live(21 * HOUR)
    host.live(2 * HOUR).live(0.5 * HOUR, 1.1)
    words = why(host)
    assert words.startswith("high load is usual at this hour, on about ")
    assert words.endswith((" of 10 days", " of 10 weeks on this day"))


def test_it_says_that_the_past_was_as_bad_or_the_budget_is_spent() -> None:
    """Whoever spent the budget on lesser troubles reads so, with what an alert would take."""
    host = Host().spend().live(1200.0, 1.1)
    assert "the last four weeks saw stronger more often than the budget allows" in why(host)
    assert "now 22 min beyond the usual, an alert takes" in why(host)


def test_a_budget_of_none_is_named() -> None:
    """Who ordered silence is reminded of it."""
    assert why(Host(budget=0.0).live(HOUR, 1.8)) == "the budget allows none"


def test_an_anomaly_says_that_it_is_too_early_or_known_or_joined() -> None:
    """On the first day; later, where an alert on high load stands for both."""
    assert (
        why(Host().live(2 * HOUR, score=0.95), "anomaly") == "no anomaly is one before a whole day was seen"
    )
    host = Host().live(2 * DAY).live(HOUR, 1.8).live(HOUR, 1.8, score=0.95)
    assert why(host, "anomaly") == "the open alert on high load stands for it"


def test_a_forecast_below_the_line_of_an_alert_says_so() -> None:
    """A model that flags low probabilities still alerts only on likely ones."""
    host = Host().live(HOUR)
    host.judge.adopt({0: 0.5, 60: 0.5, 300: 0.1, 900: 0.1})
    for _ in range(30):
        host.now += 5.0
        host.judge.update(evidence(host.now, 0.6, (0.0, 0.0, 0.15, 0.15)))
    assert why(host) == "it is less likely than an alert asks for"


@pytest.mark.parametrize("values", [{"memory": 0.99}, STALL])
def test_a_flag_without_an_alert_is_never_left_unexplained(values: Mapping[str, float]) -> None:
    """Whatever a month brings: flagged and no alert means a reason."""
    host = Host(budget=1.0)
    for day in range(28):
        for kind in ({}, values):
            host.live(5 * HOUR, step=300.0)
            for _ in range(40):
                host.live(60.0, 1.1 if day % 3 else 0.4, kind, score=0.9 if day % 5 == 0 else 0.1)
                said = host.judge.why_no_alert()
                flagged = set(host.judge._since)
                assert (said is None) == (flagged <= set(host.stages))


def test_the_reason_survives_a_restart() -> None:
    """Since when it is flagged is not forgotten."""
    host = Host().live(HOUR).live(300, 1.05)
    before = host.judge.why_no_alert()
    restored = Judge.from_state(host.judge.to_state(), HORIZONS)
    restored.update(evidence(host.now, 1.05))
    after = restored.why_no_alert()
    assert before is not None
    assert after is not None
    assert after.since == before.since
