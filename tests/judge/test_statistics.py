"""What alerts were worth, said honestly."""

import json

from loadwatch.judge.statistics import is_false, summarise, with_labels
from loadwatch.records import Alert, Contribution, Label, Span

WEEK = 604_800.0
MONTH = Span(0.0, 4 * WEEK)


def alert(start: float, **fields: object) -> Alert:
    """A closed alert of ten minutes."""
    return Alert(**{"identity": 1, "verdict": "high_load", "start": start, "end": start + 600.0} | fields)  # type: ignore[arg-type]


def test_a_month_of_alerts_in_figures() -> None:
    """Counts, rates a week, hit rate, lead and what was missed."""
    alerts = [
        alert(1000.0, horizon=900, lead_seconds=300.0, confirmed_by="rule"),
        alert(50_000.0, horizon=300, lead_seconds=100.0, confirmed_by="rule"),
        alert(90_000.0, horizon=900),
        alert(200_000.0, confirmed_by="pressure"),
        alert(300_000.0, verdict="anomaly"),
    ]
    figures = summarise(alerts, MONTH)
    assert (figures.alerts, figures.false, figures.per_week, figures.false_per_week) == (4, 1, 1.0, 0.25)
    assert (figures.forecasts, figures.hit_rate, figures.median_lead_seconds) == (3, 2 / 3, 200.0)


def test_nothing_is_claimed_of_little() -> None:
    """One alert in the first hour is not 168 a week; without forecasts there is no hit rate."""
    figures = summarise([alert(100.0)], Span(0.0, 3600.0))
    assert figures.alerts == figures.false == 1
    assert figures.per_week is None
    assert figures.false_per_week is None
    assert figures.hit_rate is None
    assert figures.median_lead_seconds is None
    assert summarise([alert(100.0)], Span(0.0, 0.99 * WEEK)).per_week is None
    assert summarise([alert(100.0)], Span(0.0, WEEK)).per_week == 1.0


def test_an_open_alert_is_not_yet_false() -> None:
    """It may still come true, and counts once it is closed."""
    assert summarise([alert(100.0, end=None)], MONTH).alerts == 0


def test_the_operator_has_the_last_word() -> None:
    """A label decides, the newest one where several do; without any, the confirming samples do."""
    seen = alert(1000.0, confirmed_by="rule")
    high = Label(Span(900.0, 1100.0), "high", identity=1)
    normal = Label(Span(1500.0, 1700.0), "normal", identity=2)
    elsewhere = Label(Span(5000.0, 6000.0), "incident", identity=3)
    unseen = with_labels(alert(1000.0), [high, elsewhere])
    assert (unseen.judged, unseen.confirmed_by, is_false(unseen)) == ("right", "label", False)
    wrong = with_labels(seen, [high, normal])
    assert (wrong.judged, is_false(wrong)) == ("wrong", True)
    assert with_labels(wrong, [elsewhere]).judged is None
    assert not is_false(seen)
    assert is_false(alert(1000.0))


def test_an_alert_comes_back_from_json() -> None:
    """Every field, signals with their signs."""
    told = alert(1.0, signals=(Contribution("cpu", 0.4), Contribution("memory", -0.1)), peak=0.9)
    assert Alert.from_plain(json.loads(json.dumps(told.to_plain()))) == told
