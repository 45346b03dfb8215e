"""Evidence to judgement: flags that tell the state, alerts that stay within the budget."""

import json
import math
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.judge import Evidence, EvidenceBatch, Judge, Judgement
from loadwatch.records import Alert, Contribution

START = 1_700_000_000.0
WEEK = 604_800.0
HORIZONS = (0, 60, 300, 900)
CALM = (0.0, 0.0, 0.0, 0.0)


def evidence(
    timestamp: float,
    level: float = 0.2,
    probabilities: tuple[float, ...] = CALM,
    score: float = 0.1,
    values: Mapping[str, float] | None = None,
    *,
    maintenance: bool = False,
    training: bool = False,
) -> Evidence:
    """A calm sample, but for what is said otherwise."""
    return Evidence(timestamp, float(level), probabilities, float(score), values or {}, maintenance, training)


def run(judge: Judge, samples: Iterable[Evidence]) -> list[Judgement]:
    """Every judgement of a stream."""
    return [judge.update(sample) for sample in samples]


def batch_of(samples: list[Evidence]) -> EvidenceBatch:
    """The same samples as one batch."""
    names = sorted({name for sample in samples for name in sample.values})
    return EvidenceBatch(
        np.array([sample.timestamp for sample in samples]),
        np.array([sample.level for sample in samples]),
        np.array([sample.probabilities for sample in samples]).reshape(len(samples), len(HORIZONS)),
        np.array([sample.anomaly_score for sample in samples]),
        {name: np.array([sample.values.get(name, math.nan) for sample in samples]) for name in names},
        np.array([sample.maintenance for sample in samples], bool),
        np.array([sample.training for sample in samples], bool),
    )


def samples_of(batch: EvidenceBatch) -> list[Evidence]:
    """A batch without raw signals, sample by sample."""
    rows = zip(batch.timestamps.tolist(), batch.levels.tolist(), batch.probabilities.tolist(),
               batch.anomaly_scores.tolist(), strict=True)  # fmt: skip
    return [evidence(timestamp, level, tuple(chances), score) for timestamp, level, chances, score in rows]


def opened(judgements: Iterable[Judgement]) -> list[Alert]:
    """Every alert that was opened."""
    return [alert for judgement in judgements for alert in judgement.opened]


def transitions(flags: Iterable[bool | None]) -> int:
    """How often a flag changed."""
    return sum(one != other for one, other in pairwise(flags))


# --- flags


@pytest.mark.parametrize("interval", [0.5, 1.0, 5.0, 30.0, 300.0])
def test_the_flag_for_now_follows_the_rule(interval: float) -> None:
    """Up within three samples of the rule holding, down within a minute, or one sample, of its end."""
    judge = Judge(HORIZONS)
    count = int(max(600.0, 4 * interval) / interval)
    run(judge, (evidence(START + row * interval) for row in range(count)))
    begin = START + count * interval
    up = run(judge, (evidence(begin + row * interval, level=1.2) for row in range(count)))
    end = begin + count * interval
    down = run(judge, (evidence(end + row * interval) for row in range(count)))
    assert all(judgement.high_load[0] for judgement in up[2:])
    assert up[2].raised_by[0] == "rule"
    late = [row * interval for row, judgement in enumerate(down) if judgement.high_load[0]]
    assert max(late, default=0.0) < 60.0


def test_an_idle_machine_stays_down() -> None:
    """Ten idle minutes raise nothing and call nobody."""
    judgements = run(Judge(HORIZONS), (evidence(START + 5.0 * row) for row in range(120)))
    assert not any(any(judgement.high_load.values()) or judgement.anomaly for judgement in judgements)
    assert opened(judgements) == []


@pytest.mark.parametrize("interval", [1.0, 5.0])
def test_a_storm_of_noise_around_the_threshold_raises_one_alert(interval: float) -> None:
    """Two hours of scatter about every line at once are one trouble: one alert, hardly a change of flag."""
    rng = np.random.default_rng(7)
    judge = Judge(HORIZONS)
    rows = int(7200 / interval)
    noise = 1.0 + 0.1 * rng.standard_normal(rows)
    chance = np.clip(0.5 + 0.1 * rng.standard_normal((rows, 4)), 0.0, 1.0)
    judgements = run(
        judge,
        (
            evidence(START + interval * row, noise[row], tuple(chance[row].tolist()), 0.5 * noise[row])
            for row in range(rows)
        ),
    )
    assert len(opened(judgements)) == 1
    for horizon in HORIZONS:
        assert transitions(judgement.high_load.get(horizon) for judgement in judgements) <= 5


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 1.0)), min_size=50, max_size=400))
def test_flags_do_not_flap(rows: list[tuple[float, float]]) -> None:
    """Whatever comes in, a flag that went up stays for its time: time bounds its changes, not samples."""
    judge = Judge(HORIZONS)
    judgements = run(
        judge,
        (evidence(START + row, level, (p, p, p, p), p) for row, (level, p) in enumerate(rows)),
    )
    # A flag that falls was up for its clearing time: 30 s for now, 4 s, 20 s and 60 s for the horizons.
    for horizon, seconds in ((0, 30), (60, 4), (300, 20), (900, 60)):
        changes = transitions(judgement.high_load.get(horizon) for judgement in judgements[1:])
        assert changes <= 2 * math.ceil(len(rows) / seconds) + 1


def test_a_forecast_must_last_before_it_is_flagged_and_clears_at_a_lower_line() -> None:
    """One odd probability raises nothing; between the lines a flag stays as it is."""
    judge = Judge(HORIZONS)
    judge.adopt({0: 0.5, 60: 0.5, 300: 0.5, 900: 0.8})
    spans = [(60, 0.0), (20, 0.9), (60, 0.1), (60, 0.9), (300, 0.7), (120, 0.1)]
    chances = [p for seconds, p in spans for _ in range(seconds)]
    judgements = run(judge, (evidence(START + row, 0.2, (0, 0, 0, p)) for row, p in enumerate(chances)))
    flags = [judgement.high_load[900] for judgement in judgements]
    assert not any(flags[:160])
    assert all(flags[180:520])
    assert not any(flags[565:])
    assert judgements[200].raised_by == {900: "model"}


def test_what_is_unknown_is_absent() -> None:
    """Without rule, model and score there is no flag at all, neither up nor down."""
    nan = math.nan
    judgement = run(Judge(HORIZONS), [evidence(START + 5.0 * row, nan, (nan,) * 4, nan) for row in range(9)])[
        -1
    ]
    assert judgement.high_load == {}
    assert judgement.anomaly is None


def test_one_failed_reading_does_not_drop_a_flag() -> None:
    """A sample without values in the middle of high load changes nothing."""
    judge = Judge(HORIZONS)
    levels = [1.5] * 30 + [math.nan] + [1.5] * 30
    judgements = run(judge, (evidence(START + 5.0 * row, level) for row, level in enumerate(levels)))
    assert all(judgement.high_load[0] for judgement in judgements)


def test_the_guard_raises_the_flag_whatever_the_model_says() -> None:
    """A CPU at its limit for ten minutes is high load though rule and model see none; and it says so."""
    judge = Judge(HORIZONS)
    judgements = run(judge, (evidence(START + 5.0 * row, values={"cpu": 0.99}) for row in range(240)))
    flags = [judgement.high_load[0] for judgement in judgements]
    assert not any(flags[:119])
    assert all(flags[121:])
    assert judgements[-1].raised_by == {0: "guard"}
    assert judge.limits_reached == ("cpu",)


def test_the_model_may_raise_the_flag_for_now_where_no_rule_holds() -> None:
    """What operators labelled as high load is flagged after a minute, in the model's name."""
    judge = Judge(HORIZONS)
    judgements = run(judge, (evidence(START + 5.0 * row, 0.3, (0.9, 0, 0, 0)) for row in range(30)))
    assert not any(judgement.high_load[0] for judgement in judgements[:12])
    assert judgements[-1].raised_by == {0: "model"}


def test_own_training_makes_the_anomaly_unknown() -> None:
    """What the daemon itself causes is no anomaly, and no proof of normality either."""
    judge = Judge(HORIZONS)
    rows = [evidence(START + 5.0 * row, score=0.9, training=True) for row in range(200)]
    assert {judgement.anomaly for judgement in run(judge, rows)} == {None}


# --- maintenance and gaps


def test_maintenance_silences_everything_and_closes_what_is_open() -> None:
    """No flag, no alert; the one that was open ends where it last had reason."""
    judge = Judge(HORIZONS)
    before = run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(400)))
    during = run(judge, (evidence(START + 2000 + 5.0 * row, 1.8, maintenance=True) for row in range(400)))
    assert len(opened(before)) == 1
    assert during[0].closed[0].end == START + 5.0 * 399
    assert not any(any(judgement.high_load.values()) or judgement.anomaly for judgement in during)
    assert opened(during) == []


def test_a_long_gap_ends_what_was_going_on() -> None:
    """After an hour without samples nothing of before is claimed, and the alert is closed."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(400)))
    judgement = judge.update(evidence(START + 5600.0))
    assert [alert.end for alert in judgement.closed] == [START + 5.0 * 399]
    assert judgement.high_load[0] is False


def test_a_clock_set_back_does_not_upset_the_judge() -> None:
    """Time that runs again is judged again, without flags from the future."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(100)))
    judgements = run(judge, (evidence(START - 90_000 + 5.0 * row) for row in range(100)))
    assert not any(judgements[-1].high_load.values())


# --- alerts


def test_an_alert_tells_its_lead_its_witness_and_its_end() -> None:
    """A forecast that comes true: opened ahead, confirmed by the rule, closed after calm."""
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
    assert START + 4500 <= last.end <= START + 4560
    assert last.peak == 1.0


def test_an_anomaly_during_high_load_joins_its_alert() -> None:
    """One trouble, one call; both verdicts show as alerted."""
    judge = Judge(HORIZONS)
    judgements = run(
        judge, (evidence(START + 5.0 * row, 1.9, CALM, 0.3 if row < 200 else 0.9) for row in range(600))
    )
    (alert,) = opened(judgements)
    assert alert.verdict == "high_load"
    assert judgements[-1].alert_anomaly
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
    """A budget of none calls nobody, and the flags still tell the state."""
    judgements = run(
        Judge(HORIZONS, budget_per_week=0.0), (evidence(START + 5.0 * row, level=1.9) for row in range(2000))
    )
    assert opened(judgements) == []
    assert judgements[-1].high_load[0]


def days(count: int, busy: Mapping[int, tuple[float, float]], step: float = 60.0) -> EvidenceBatch:
    """Days with one stretch of high load each, all alike but for ``busy``: day to (hour it begins, hours)."""
    rows = int(count * 86_400 / step)
    midnight = START // 86_400 * 86_400
    times = midnight + step * np.arange(rows)
    level = np.full(rows, 0.3)
    for day in range(count):
        hour, hours = busy.get(day, (9.0, 3.0))
        begin = midnight + day * 86_400 + hour * 3600
        level[(times >= begin) & (times < begin + hours * 3600)] = 1.1
    soon = np.array([level[row : row + 16].max() > 1.0 for row in range(rows)])
    chance = np.where(soon, 0.97, 0.02)
    return EvidenceBatch(
        times, level, np.column_stack([(level > 1.0) * 1.0, chance, chance, chance]), np.full(rows, 0.1)
    )


def day_of(alert: Alert) -> int:
    """Number of the day an alert began, from 0."""
    return int((alert.start - START // 86_400 * 86_400) // 86_400)


def test_the_everyday_busy_hours_do_not_page_every_day() -> None:
    """Once known, a host busy every morning calls nobody for it, though it is flagged each time."""
    judgements = Judge(HORIZONS).extend(days(42, {}))
    assert [alert for alert in judgements.opened if day_of(alert) >= 14] == []
    assert judgements.high_load[-86_400 // 60 * 7 :, 0].mean() == pytest.approx(3 / 24, abs=0.01)


def test_a_rehearsed_past_spares_the_pages_for_what_is_ordinary() -> None:
    """With two weeks of history a new judge calls nobody for the everyday morning, not even at first."""
    past, future = days(28, {}), 14 * 1440
    halves = [
        EvidenceBatch(
            past.timestamps[part], past.levels[part], past.probabilities[part], past.anomaly_scores[part]
        )
        for part in (slice(future), slice(future, None))
    ]
    judge = Judge(HORIZONS)
    judge.rehearse(halves[0])
    assert judge.open_alerts == ()
    assert judge.extend(halves[1]).opened == ()
    assert Judge(HORIZONS).extend(halves[1]).opened != ()
    with pytest.raises(ValueError, match="rehearse"):
        judge.rehearse(halves[0])


def part(batch: EvidenceBatch, first: int, last: int) -> EvidenceBatch:
    """Some rows of a batch."""
    rows = slice(first, last)
    return EvidenceBatch(
        batch.timestamps[rows], batch.levels[rows], batch.probabilities[rows], batch.anomaly_scores[rows]
    )


def test_a_judge_at_work_takes_over_a_past_that_was_imported() -> None:
    """It keeps its purse and what is open, and calls nobody for the mornings that the past is full of."""
    whole, known, seen = days(28, {}), 14 * 1440, 14 * 1440 + 300
    running, unaware = Judge(HORIZONS), Judge(HORIZONS)
    for judge in (running, unaware):
        judge.extend(part(whole, known, seen))
    before = running.to_state()
    rehearsed = Judge(HORIZONS)
    for first in range(0, seen, 1000):
        rehearsed.rehearse(part(whole, first, min(first + 1000, seen)))
    running.take_past(rehearsed)
    assert running.since == whole.timestamps[0] < unaware.since
    after = running.to_state()
    assert (after["pager"]["purse"], after["pager"]["open"]) == (
        before["pager"]["purse"],
        before["pager"]["open"],
    )
    assert running.extend(part(whole, seen, len(whole))).opened == ()
    assert unaware.extend(part(whole, seen, len(whole))).opened != ()


def test_a_judge_that_starts_from_a_past_can_be_stored() -> None:
    """In the half hour in which the rehearsal ended, or after a gap: nothing in its state is unknown."""
    past = days(14, {})
    end = float(past.timestamps[-1])
    for later in (1.0, 400.0, 90_000.0):
        judge, rehearsed = Judge(HORIZONS), Judge(HORIZONS)
        rehearsed.rehearse(past)
        judge.take_past(rehearsed)
        run(judge, (evidence(end + later + second) for second in range(10)))
        restored = Judge.from_state(json.loads(json.dumps(judge.to_state(), allow_nan=False)), HORIZONS)
        assert restored.since == past.timestamps[0]


def test_what_is_more_than_the_habit_still_pages() -> None:
    """On the same host, a morning that goes on until the evening and a busy night each call somebody."""
    judgements = Judge(HORIZONS).extend(days(42, {30: (9.0, 9.0), 36: (23.0, 0.9)}))
    assert sorted({day_of(alert) for alert in judgements.opened if day_of(alert) >= 14}) == [30, 36]


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


# --- stream, bulk, restart


@st.composite
def streams(draw: st.DrawFn) -> list[Evidence]:
    """Evidence with calm and troubled stretches, unknown values, gaps, maintenance and training."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    timestamp, samples = START, []
    for _ in range(draw(st.integers(1, 12))):
        rows = int(rng.integers(1, 80))
        interval = float(rng.choice([1.0, 5.0, 60.0, 300.0]))
        kind = draw(st.sampled_from(["calm", "rough", "high", "unknown", "maintenance", "training"]))
        for _ in range(rows):
            timestamp += interval
            level, chance, score = (0.3, 0.0, 0.2) if kind == "calm" else rng.uniform(0, [1.2, 1.0, 0.8])
            if kind == "high":
                level, chance = 1.5, 0.9
            if kind == "unknown":
                level, chance, score = (
                    math.nan if rng.random() < 0.5 else value for value in (level, chance, score)
                )
            values = {
                "cpu": float(rng.choice([0.5, 0.99])),
                "io_pressure": float(rng.choice([0.0, 0.9, math.nan])),
            }
            samples.append(
                evidence(
                    timestamp,
                    float(level),
                    (float(chance),) * 4,
                    float(score),
                    values if kind != "calm" else {"cpu": 0.1, "io_pressure": 0.0},
                    maintenance=kind == "maintenance",
                    training=kind == "training",
                )
            )
        if rng.random() < 0.3:
            timestamp += float(rng.choice([-500.0, 2000.0, 90_000.0]))
    return samples


@settings(deadline=None, max_examples=60)
@given(streams(), st.data())
def test_bulk_and_stream_give_the_same_verdicts(samples: list[Evidence], data: st.DataObject) -> None:
    """However a stream is cut into batches, flags, alerts and the state left behind are the same."""
    stream, bulk = Judge(HORIZONS), Judge(HORIZONS)
    judgements = run(stream, samples)
    cut = data.draw(st.integers(0, len(samples)))
    parts = [bulk.extend(batch_of(samples[:cut])), bulk.extend(batch_of(samples[cut:]))]

    def column(flags: Iterable[bool | None]) -> list[int]:
        return [-1 if flag is None else int(flag) for flag in flags]

    for place, horizon in enumerate(HORIZONS):
        expected = column(judgement.high_load.get(horizon) for judgement in judgements)
        assert np.concatenate([part.high_load[:, place] for part in parts]).tolist() == expected
    expected = column(judgement.anomaly for judgement in judgements)
    assert np.concatenate([part.anomaly for part in parts]).tolist() == expected
    assert [alert for part in parts for alert in part.opened] == opened(judgements)
    closed = [alert for judgement in judgements for alert in judgement.closed]
    assert [alert for part in parts for alert in part.closed] == closed
    assert bulk.to_state() == stream.to_state()


@settings(deadline=None, max_examples=40)
@given(streams(), st.data())
def test_a_restart_changes_nothing(samples: list[Evidence], data: st.DataObject) -> None:
    """Flag, open alert and what is left of the budget survive; judged on, both give the same alerts."""
    whole, before = Judge(HORIZONS), Judge(HORIZONS)
    cut = data.draw(st.integers(0, len(samples)))
    run(whole, samples[:cut])
    run(before, samples[:cut])
    state = json.loads(json.dumps(before.to_state(), allow_nan=False))
    after = Judge.from_state(state, HORIZONS)
    assert after.open_alerts == whole.open_alerts
    expected, actual = run(whole, samples[cut:]), run(after, samples[cut:])
    assert [one.high_load for one in actual] == [one.high_load for one in expected]
    assert opened(actual) == opened(expected)


@pytest.mark.parametrize(
    "state", [{}, {"version": 99}, {"version": 1, "last": "x"}, {"version": 1, "last": None}]
)
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    """The judge says so, and its owner starts a fresh one."""
    with pytest.raises(ValueError, match="state of the judge"):
        Judge.from_state(state, HORIZONS)


def test_a_new_model_keeps_the_flags_that_are_up() -> None:
    """A swap in the middle of trouble neither drops nor raises anything by itself."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, 0.9, (0.2, 0.9, 0.9, 0.9)) for row in range(60)))
    judge.adopt({0: 0.5, 60: 0.8, 300: 0.8, 900: 0.8})
    judgement = judge.update(evidence(START + 300, 0.9, (0.2, 0.7, 0.7, 0.7)))
    assert judgement.high_load == {0: False, 60: True, 300: True, 900: True}


def test_a_quiet_sample_costs_microseconds() -> None:
    """Four horizons and the anomaly, sample by sample; generous, for a busy machine (6 µs is the aim)."""
    judge = Judge(HORIZONS)
    values = dict.fromkeys(["cpu", "memory", "swap", "network", "cpu_pressure", "io_pressure"], 0.1)
    samples = [evidence(START + 5.0 * row, values=values) for row in range(20_000)]
    begin = time.perf_counter()
    for sample in samples:
        judge.update(sample)
    assert (time.perf_counter() - begin) / len(samples) < 30e-6
