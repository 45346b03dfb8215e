"""Evidence to alerts: one for each trouble, and never more than the budget allows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.evidence import CALM, HORIZONS, START, WEEK, evidence, opened, run, samples_of
from loadwatch.judge import Evidence, EvidenceBatch, Judge
from loadwatch.judge.trigger import MERGE_SECONDS
from loadwatch.records import Contribution


def test_an_alert_tells_its_lead_its_confirmation_and_its_end() -> None:
    """A forecast that comes true: opened ahead, confirmed by the rule, closed half an hour after."""
    judge = Judge(HORIZONS)
    spans = [(3600, 0.2, 0.0), (300, 0.5, 0.95), (600, 1.3, 0.99), (3600, 0.2, 0.0)]
    rows = [(level, p) for seconds, level, p in spans for _ in range(seconds // 5)]
    judgements = run(
        judge, (evidence(START + 5.0 * row, level, (0.0, 0.0, p, p)) for row, (level, p) in enumerate(rows))
    )
    (first,) = opened(judgements)
    (last,) = [alert for judgement in judgements for alert in judgement.closed]
    assert first.horizon in (300, 900)
    assert first.foretold
    assert last.identity == first.identity
    assert last.lead_seconds == pytest.approx(270, abs=10)
    assert last.confirmed_by == "rule"
    assert START + 4500 + MERGE_SECONDS <= last.end <= START + 4560 + MERGE_SECONDS
    assert last.peak == 1.0


def test_an_anomaly_during_high_load_joins_its_alert() -> None:
    """One trouble, one alert, and it knows that the other verdict saw it too."""
    judge = Judge(HORIZONS)
    judgements = run(
        judge, (evidence(START + 5.0 * row, 1.9, CALM, 0.3 if row < 200 else 0.9) for row in range(600))
    )
    (alert,) = opened(judgements)
    assert alert.verdict == "high_load"
    assert judgements[-1].alerts == {"high_load": "present"}
    assert judge.open_alerts[0].joined


def test_an_alert_can_be_told_what_drove_it() -> None:
    """Signals and model stay with the alert until it is closed."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(400)))
    signals = (Contribution("cpu", 0.4),)
    assert judge.annotate("high_load", signals, "m1") is not None
    assert judge.annotate("anomaly", signals, "m1") is None
    (closed,) = judge.update(evidence(START + 9000.0)).closed
    assert (closed.signals, closed.model) == (signals, "m1")


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 5.0), st.floats(0.0, 1.0))
def test_alerts_never_exceed_the_budget_for_long(seed: int, budget: float, roughness: float) -> None:
    """Over T weeks of any input there are at most budget * (T + 1) + 1 alerts, of both verdicts together."""
    rng = np.random.default_rng(seed)
    weeks, step = 8, 300.0
    rows = int(weeks * WEEK / step)
    walk = np.cumsum(rng.normal(0.0, 0.2, rows)) * roughness
    wave = 1.0 / (1.0 + np.exp(-(np.sin(walk) * 4 + rng.normal(0.0, 1.0, rows))))
    batch = EvidenceBatch(
        START + step * np.arange(rows),
        2.0 * np.roll(wave, 2),
        np.column_stack([wave] * 4),
        rng.permutation(wave),
    )
    judge = Judge(HORIZONS, budget_per_week=budget)
    assert len(judge.extend(batch).opened) <= max(budget, 1.0) + budget * weeks + 1.0


def test_no_budget_no_alerts() -> None:
    """A budget of none raises no alert, and the flags still tell the state."""
    judgements = run(
        Judge(HORIZONS, budget_per_week=0.0), (evidence(START + 5.0 * row, level=1.9) for row in range(2000))
    )
    assert opened(judgements) == []
    assert judgements[-1].high_load[0]


def test_overspending_raises_the_bar_and_says_so_and_it_comes_down_again() -> None:
    """Stormy weeks spend the budget: the bar stands above the model's threshold; calm ones bring it down."""
    judge = Judge(HORIZONS)
    rng = np.random.default_rng(3)

    def weeks(count: float, stormy: float) -> EvidenceBatch:
        rows = int(count * WEEK / 300)
        start = START if math.isnan(judge._last) else judge._last + 300
        chance = np.where(rng.random(rows) < stormy, rng.uniform(0.6, 0.99, rows), 0.01)
        return EvidenceBatch(
            start + 300.0 * np.arange(rows),
            np.full(rows, 0.5),
            np.column_stack([0 * chance, chance, chance, chance]),
            np.full(rows, 0.1),
        )

    stormy = run(judge, samples_of(weeks(1, 0.02)))
    raised = judge.raised_bars()["high_load"]
    calm = run(judge, samples_of(weeks(5, 0.0)))
    assert any(judgement.budget_spent for judgement in stormy)
    assert raised > 0.5
    assert not calm[-1].budget_spent
    assert judge.raised_bars() == {"high_load": 0.0, "anomaly": 0.0}


def test_flags_at_several_horizons_are_one_alert() -> None:
    """A horizon that is flagged only because a shorter one is costs the budget nothing."""
    judge = Judge(HORIZONS)
    judge.adopt({0: 0.5, 60: 0.5, 300: 0.5, 900: 0.95})
    spans = [(3600, 0.2, 0.0), (900, 1.3, 0.9), (3600, 0.2, 0.0)]
    rows = [(level, p) for seconds, level, p in spans for _ in range(seconds // 5)]
    judgements = run(
        judge, (evidence(START + 5.0 * row, level, (p,) * 4) for row, (level, p) in enumerate(rows))
    )
    assert all(judgements[760].high_load.values())
    assert len(opened(judgements)) == 1


def test_a_forecast_that_stood_for_hours_before_it_came_true_is_no_hit() -> None:
    """Later than the forecasts look ahead it was wrong first: the rule confirms it, there is no lead."""
    judge = Judge(HORIZONS)
    spans = [(3600, 0.2, 0.0), (1200, 0.5, 0.95), (600, 1.3, 0.99), (3600, 0.2, 0.0)]
    rows = [(level, p) for seconds, level, p in spans for _ in range(seconds // 5)]
    judgements = run(
        judge, (evidence(START + 5.0 * row, level, (0.0, 0.0, p, p)) for row, (level, p) in enumerate(rows))
    )
    (last,) = [alert for judgement in judgements for alert in judgement.closed]
    assert last.foretold
    assert last.confirmed_by == "rule"
    assert last.lead_seconds is None


def stretches(*parts: tuple[float, float, float, float], step: float = 5.0) -> list[Evidence]:
    """Samples of stretches: seconds, load level, probability ahead, anomaly score."""
    samples, now = [], START
    for seconds, level, chance, score in parts:
        for _ in range(round(seconds / step)):
            samples.append(evidence(now, level, (0.0, chance, chance, chance), score))
            now += step
    return samples


def test_calm_forgets_excess_at_half_the_pace() -> None:
    """High load with short pauses adds up to an alert; the same with a long one between does not."""
    high, pause, calm = (450.0, 1.01, 0.0, 0.1), (150.0, 0.2, 0.0, 0.1), (1_500.0, 0.2, 0.0, 0.1)
    (alert,) = opened(run(Judge(HORIZONS), stretches(high, pause, high, pause)))
    assert START + 700.0 <= alert.start <= START + 1_000.0
    assert opened(run(Judge(HORIZONS), stretches(high, calm, high, calm))) == []


def test_twice_the_limit_counts_double_and_more_no_more() -> None:
    """A ratio that explodes for three minutes is three minutes of trouble, not half an hour of it."""
    calm = (900.0, 0.2, 0.0, 0.1)
    assert opened(run(Judge(HORIZONS), stretches((180.0, 10.0, 0.0, 0.1), calm))) == []
    (alert,) = opened(run(Judge(HORIZONS), stretches((600.0, 10.0, 0.0, 0.1), calm)))
    assert START + 300.0 <= alert.start <= START + 350.0


@pytest.mark.parametrize(("minutes", "verdicts"), [(20.0, ["anomaly"]), (80.0, ["anomaly", "high_load"])])
def test_high_load_soon_after_an_anomaly_belongs_to_it(minutes: float, verdicts: list[str]) -> None:
    """Within the hour it is the same trouble, unless far worse than ever; later it is one of its own."""
    judge = Judge(HORIZONS, budget_per_week=20.0)
    # A day and more, or no anomaly may alert; with high load nearly as long as that which comes.
    past = [(40_000.0, 0.2, 0.0, 0.1), (800.0, 1.01, 0.0, 0.1), (60_000.0, 0.2, 0.0, 0.1)]
    coming = [(60.0 * minutes, 0.2, 0.0, 0.95), (1_000.0, 1.01, 0.0, 0.95)]
    start = START + sum(seconds for seconds, *_ in past)
    alerts = opened(run(judge, stretches(*past, *coming)))
    assert [alert.verdict for alert in alerts if alert.start >= start] == verdicts


def test_a_forecast_in_the_echo_of_high_load_is_no_news() -> None:
    """For a quarter of an hour after it, that it may come again tells nobody anything."""
    after = stretches((120.0, 1.1, 0.0, 0.1), (2_400.0, 0.2, 0.95, 0.1))
    (alert,) = opened(run(Judge(HORIZONS), after))
    assert alert.foretold
    assert START + 120.0 + 900.0 <= alert.start <= START + 120.0 + 1_100.0
