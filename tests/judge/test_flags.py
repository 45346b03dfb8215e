"""Evidence to flags: they tell the state at every sample, without flapping."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.evidence import HORIZONS, START, evidence, opened, run, streams, transitions
from loadwatch.judge import Evidence, Judge


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
    assert up[2].flagged_by[0] == "rule"
    late = [row * interval for row, judgement in enumerate(down) if judgement.high_load[0]]
    assert max(late, default=0.0) < 60.0


def test_an_idle_machine_stays_down() -> None:
    """Ten idle minutes raise no flag and no alert."""
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


@pytest.mark.slow
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
    assert judgements[200].flagged_by == {900: "model"}


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
    assert judgements[-1].flagged_by == dict.fromkeys(HORIZONS, "limit")
    assert judge.limits_reached == ("cpu",)


def test_the_model_may_raise_the_flag_for_now_where_no_rule_holds() -> None:
    """What operators labelled as high load is flagged after a minute, in the model's name."""
    judge = Judge(HORIZONS)
    judgements = run(judge, (evidence(START + 5.0 * row, 0.3, (0.9, 0, 0, 0)) for row in range(30)))
    assert not any(judgement.high_load[0] for judgement in judgements[:12])
    assert judgements[-1].flagged_by == dict.fromkeys(HORIZONS, "model")


def test_own_training_makes_the_anomaly_unknown() -> None:
    """What the daemon itself causes is no anomaly, and no proof of normality either."""
    judge = Judge(HORIZONS)
    rows = [evidence(START + 5.0 * row, score=0.9, training=True) for row in range(200)]
    assert {judgement.anomaly for judgement in run(judge, rows)} == {None}


HALF_HOUR = 1800.0


def follow(judge: Judge, begin: float, hours: float, score: float) -> list[bool]:
    """The anomaly flags of samples five minutes apart, from a time on, at one score."""
    rows = (evidence(begin + 300.0 * row, score=score) for row in range(round(12 * hours)))
    return [bool(judgement.anomaly) for judgement in run(judge, rows)]


DAY = 86400.0


def days_of_two_hours(judge: Judge, begin: float, days: int, score: float) -> list[list[bool]]:
    """The flags of two odd hours on each of some days."""
    flags = []
    for day in range(days):
        flags.append(follow(judge, begin + day * DAY, 2.0, score))
        follow(judge, begin + day * DAY + 2 * 3600.0, 22.0, 0.1)
    return flags


def test_an_incident_of_a_day_is_flagged_to_its_end_and_when_it_comes_back() -> None:
    """One incident is not what the host does, however long it took."""
    begin = START - START % HALF_HOUR
    judge = Judge(HORIZONS)
    assert all(follow(judge, begin, 24.0, 0.8)[1:])
    follow(judge, begin + DAY, 24.0, 0.1)
    assert any(follow(judge, begin + 2 * DAY, 2.0, 0.8))


def test_what_came_on_three_of_five_days_is_flagged_only_where_it_is_thrice_as_odd() -> None:
    """Two days are flagged, and an hour of the third; then nothing, until it stayed away for long enough."""
    begin = START - START % HALF_HOUR
    judge = Judge(HORIZONS)
    days = days_of_two_hours(judge, begin, 6, 0.8)
    assert all(all(flags[1:]) for flags in days[:2])
    assert sum(days[2]) == 12
    assert not any(any(flags) for flags in days[3:])
    # Odds of four have come back, so the line is at odds of twelve.
    assert not any(follow(judge, begin + 6 * DAY, 1.0, 0.915))
    assert all(follow(judge, begin + 6 * DAY + 3600.0, 1.0, 0.93))
    assert not any(follow(judge, begin + 6 * DAY + 7200.0, 1.0, 0.4)[1:])
    follow(judge, begin + 6 * DAY + 10_800.0, 5 * 24.0, 0.1)
    assert all(follow(judge, begin + 11 * DAY + 10_800.0, 2.0, 0.8)[1:])


def test_a_new_level_is_news_for_three_days() -> None:
    """By then a training has learned it, or the host is what it is."""
    begin = START - START % HALF_HOUR
    flags = follow(Judge(HORIZONS), begin, 5 * 24.0, 0.8)
    assert 2.0 <= sum(flags) / (12 * 24) <= 3.0
    assert not any(flags[3 * 12 * 24 :])


def test_an_alert_goes_on_as_long_as_its_anomaly() -> None:
    """Nobody is told that it is over because it is no news any more, but half an hour after it is over."""
    begin = START - START % HALF_HOUR
    judge = Judge(HORIZONS)
    follow(judge, begin, 26.0, 0.1)
    flags = follow(judge, begin + 26 * 3600.0, 4 * 24.0, 0.95)
    assert any(flags)
    assert not flags[-1]
    assert judge.stages == {"anomaly": "present"}
    follow(judge, begin + 26 * 3600.0 + 4 * DAY, 1.0, 0.1)
    assert judge.stages == {}


def test_a_restart_forgets_nothing_of_what_came_back() -> None:
    """The line goes on where it was; a state from before there was one is taken up as well."""
    begin = START - START % HALF_HOUR
    judge = Judge(HORIZONS)
    days_of_two_hours(judge, begin, 3, 0.8)
    state = json.loads(json.dumps(judge.to_state()))
    assert not any(follow(Judge.from_state(state, HORIZONS), begin + 3 * DAY, 1.0, 0.8))
    state["anomaly"] = state["anomaly"]["flag"]
    assert any(follow(Judge.from_state(state, HORIZONS), begin + 3 * DAY, 1.0, 0.8))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(streams(), st.lists(st.floats(0.05, 0.95), min_size=4, max_size=4))
def test_a_flag_that_is_up_has_all_longer_horizons_up_with_it(
    samples: list[Evidence], thresholds: list[float]
) -> None:
    """Nobody reads "high within a minute" beside "not within a quarter of an hour", ever."""
    judge = Judge(HORIZONS)
    judge.adopt(dict(zip(HORIZONS, thresholds, strict=True)))
    for judgement in run(judge, samples):
        flags = [judgement.high_load.get(horizon) for horizon in HORIZONS]
        first = flags.index(True) if True in flags else len(flags)
        assert all(flags[first:])
        assert set(judgement.flagged_by) == {h for h, flag in judgement.high_load.items() if flag}


def test_a_longer_horizon_follows_in_the_name_of_the_shorter_and_only_as_long() -> None:
    """While the rule holds all horizons are up by it; half a minute leaves nothing up two minutes on."""
    judge = Judge(HORIZONS)
    levels = [0.2] * 60 + [1.2] * 30 + [0.2] * 200
    judgements = run(judge, (evidence(START + second, level) for second, level in enumerate(levels)))
    assert judgements[60].flagged_by == dict.fromkeys(HORIZONS, "rule")
    assert not any(judgements[59].high_load.values())
    assert all(judgements[100].high_load.values())
    assert not any(judgements[90 + 120].high_load.values())


def test_an_unknown_forecast_follows_what_is_known_of_now() -> None:
    """A host at its limit is flagged at every horizon even where no model can say anything."""
    judge = Judge(HORIZONS)
    unknown = (math.nan,) * 4
    judgements = run(judge, (evidence(START + 5.0 * row, 1.5, unknown) for row in range(3)))
    assert judgements[-1].high_load == dict.fromkeys(HORIZONS, True)
