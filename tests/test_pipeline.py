"""One sample at a time or a recording at once: the daemon and a replay score the same."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch.history import History
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.patterns import LabelledPatterns, Pattern
from loadwatch.pipeline import Scorer, reasons, warm_up
from loadwatch.records import Contribution, Recording, Sample
from loadwatch.training.anomaly import train_anomaly
from loadwatch.training.bootstrap import train_bootstrap

RULE = Rule.parse('cpu > 0.9 or avg(memory, "1m") > 0.95')
SIGNALS = ("disk", "cpu", "memory")


def host(rows: int, step: float, seed: int) -> Recording:
    """A host that is sometimes busy, sometimes unreadable, and was away for an hour."""
    random = np.random.default_rng(seed)
    times = 1.7e9 + np.cumsum(step * random.uniform(0.9, 1.1, rows))
    times[rows // 2 :] += 3600.0
    values = np.clip(random.random((rows, 1)) + 0.2 * random.normal(size=(rows, 3)), 0.0, 1.0)
    values[random.random(values.shape) < 0.05] = np.nan
    values[rows // 4 : rows // 4 + 60] = np.nan
    return Recording(times, SIGNALS, values)


@pytest.fixture(scope="module", params=[True, False], ids=["with anomaly and a label", "forecast only"])
def model(request: pytest.FixtureRequest) -> Model:
    forecast, _ = train_bootstrap(RULE, (0, 60), step=5.0, seed=0)
    anomaly = train_anomaly(host(4000, 60.0, 1))[0] if request.param else None
    card = Card("v", "bootstrap", 0.0, "host", RULE.text, (0, 60), SIGNALS, 5.0, 0.0, 0.0, 0, 0.0)
    usual, told = np.array([0.2, 0.2]), np.array([0.5, 0.5])
    pattern = Pattern(1, ("disk", "memory"), usual, told, np.array([0.5, 0.5]), 0.5, 0.8)
    return Model(card, forecast, anomaly, LabelledPatterns((pattern,)) if request.param else None)


def test_samples_one_by_one_are_scored_as_a_recording_is(model: Model) -> None:
    """Levels, probabilities, anomaly and its shares: over gaps, unknown values, blindness, ends of cells."""
    recording = host(400, 5.0, 2)
    at_once = Scorer(RULE, model).extend(recording)
    scorer = Scorer(RULE, model)
    assert np.isnan(at_once.probabilities).any(), "it was never blind"
    if model.labelled is not None:
        plain = Scorer(RULE, replace(model, labelled=None)).extend(recording).probabilities
        assert 0.1 < np.mean(at_once.probabilities > plain) < 0.9, "the label is never heard, or always"
    for k, timestamp in enumerate(recording.timestamps.tolist()):
        # A signal that is not there at all is as unknown as one that cannot be read.
        row = dict(zip(SIGNALS, recording.values[k].tolist(), strict=True))
        values = {name: value for name, value in row.items() if k % 2 or not np.isnan(value)}
        one = scorer.update(Sample(timestamp, timestamp, values))
        np.testing.assert_allclose(one.levels[0], at_once.levels[k], rtol=1e-12)
        np.testing.assert_allclose(one.features[0], at_once.features[k], rtol=1e-9, atol=1e-6)
        # float32 inside the networks: batches and single rows round differently.
        np.testing.assert_allclose(one.probabilities[0], at_once.probabilities[k], atol=1e-5)
        np.testing.assert_allclose(one.anomaly[0], at_once.anomaly[k], atol=1e-5)
        np.testing.assert_allclose(one.anomaly_shares[0], at_once.anomaly_shares[k], atol=1e-5)


def test_samples_and_recordings_may_take_turns(model: Model) -> None:
    """A scorer that was warmed up on a recording goes on sample by sample, and back."""
    recording = host(300, 5.0, 3)
    at_once = Scorer(RULE, model).extend(recording)
    scorer, scored, k = Scorer(RULE, model), [], 0
    for rows in (100, 1, 1, 20, 1, 50, 1, 1, 1, 124):
        part = recording.rows(k, k + rows)
        if rows == 1:
            values = dict(zip(SIGNALS, part.values[0].tolist(), strict=True))
            scored.append(scorer.update(Sample(float(part.timestamps[0]), 0.0, values)))
        else:
            scored.append(scorer.extend(part))
        k += rows
    np.testing.assert_allclose(
        np.vstack([part.probabilities for part in scored]), at_once.probabilities, atol=1e-5
    )
    np.testing.assert_allclose(np.concatenate([part.anomaly for part in scored]), at_once.anomaly, atol=1e-5)


@pytest.mark.parametrize("horizons", [(0, 60, 900), (60, 900)])
def test_what_is_shown_never_falls_with_the_horizon_and_follows_the_rule(horizons: tuple[int, ...]) -> None:
    """Within an hour includes now: also from a first model, and where only the rule can say what is now."""
    forecast, _ = train_bootstrap(RULE, horizons, step=5.0, seed=0)
    card = Card("v", "bootstrap", 0.0, "host", RULE.text, horizons, SIGNALS, 5.0, 0.0, 0.0, 0, 0.0)
    recording = host(800, 5.0, 4)
    scores = Scorer(RULE, Model(card, forecast)).extend(recording)
    known = np.isfinite(scores.probabilities).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(scores.shown).all(axis=1), known)
    assert (np.diff(scores.shown[known], axis=1) >= 0.0).all()
    assert (scores.shown[known] >= scores.probabilities[known]).all()
    high = known & (scores.levels > 1.0)
    assert high.any()
    assert (scores.shown[high] >= 0.98).all()
    # Otherwise a longer time is likelier by no more than what is said of now.
    if horizons[0] == 0:
        lift = (scores.shown - scores.probabilities)[known & ~high, 1:]
        assert (lift <= scores.probabilities[known & ~high, :1] + 1e-12).all()


def test_high_load_is_explained_by_what_makes_it_high(model: Model) -> None:
    """While the rule holds the contributions add up to what is shown, and what an alert names pushes up."""
    times = 1.7e9 + 5.0 * np.arange(600)
    values = np.tile([0.1, 0.2, 0.3], (600, 1))
    values[-200:, SIGNALS.index("cpu")] = 1.0
    scorer = Scorer(RULE, replace(model, labelled=None))
    scores = scorer.extend(Recording(times, SIGNALS, values))
    parts = scorer.contributions()["high_load"]
    forecast = model.forecast
    ordinary = forecast.logits(forecast.normaliser.mean[None])[0, -1]
    shown = scores.shown[-1, -1]
    total = sum(part.value for part in parts)
    assert total == pytest.approx(np.log(shown / (1.0 - shown)) - ordinary, abs=0.2)
    assert reasons(parts)[0].signal == "cpu"
    assert reasons((Contribution("cpu", -1.82), Contribution("disk", 0.1))) == (Contribution("disk", 0.1),)


@pytest.mark.slow
def test_a_new_model_knows_the_weeks_before_it(tmp_path: Path, model: Model) -> None:
    """A weekly peak of a month ago is as well known after a warm-up as to one that saw it all."""
    step, days = 300.0, 29
    times = 1_741_564_800.0 + step * np.arange(days * 288)
    weekly = ((times - times[0]) // 86400 % 7 == 0) & (times % 86400 >= 36_000) & (times % 86400 < 39_600)
    values = np.column_stack([np.full(len(times), 0.3), np.where(weekly, 1.0, 0.1), np.full(len(times), 0.4)])
    until = times[0] + 28 * 86400 + 35_800.0  # a Monday, just before the fifth time
    known = Recording(times, SIGNALS, values).between(-np.inf, until)
    scorer = Scorer(RULE, model)
    with closing(History.open(tmp_path / "history.db", clock=ManualClock(), signals=SIGNALS)) as history:
        history.merge(known)
        assert warm_up(scorer, history, until) >= known.timestamps[-1]
    sample = Sample(until, until, dict(zip(SIGNALS, (0.3, 0.1, 0.4), strict=True)))
    place = model.forecast.spec.names.index("level:repeats_weekly")
    one = scorer.update(sample).features[0, place]
    whole = Scorer(RULE, model)
    whole.extend(known)
    assert one == pytest.approx(whole.update(sample).features[0, place], abs=0.3)
    assert one > 1.0


@pytest.mark.slow
def test_a_signal_that_comes_and_goes_leaves_every_model_usable() -> None:
    """An operator's own signal is added to a history without it, learned, and taken out again."""
    past = host(4000, 60.0, 1)
    requests = np.where(np.arange(4000) < 2000, np.nan, np.random.default_rng(5).poisson(50.0, 4000))
    with_it = Recording(past.timestamps, (*SIGNALS, "requests"), np.column_stack([past.values, requests]))
    forecast, _ = train_bootstrap(RULE, (0, 60), step=60.0, seed=0)
    card = Card("v", "bootstrap", 0.0, "host", RULE.text, (0, 60), SIGNALS, 60.0, 0.0, 0.0, 0, 0.0)
    later = host(600, 60.0, 2)
    flood = Recording(
        later.timestamps, with_it.signals, np.column_stack([later.values, np.full(len(later), 5000.0)])
    )
    for recording in (past, with_it):
        model = Model(card, forecast, train_anomaly(recording)[0])
        for shown in (later, flood):
            scores = Scorer(RULE, Model.from_bytes(model.to_bytes())).extend(shown).anomaly
            assert np.isfinite(scores[-300:]).mean() > 0.95
    known = Scorer(RULE, Model(card, forecast, train_anomaly(with_it)[0]))
    known.extend(flood)
    assert known.contributions()["anomaly"][0].signal == "requests"
