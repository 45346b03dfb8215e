"""A forecaster is learned from any history, however poor, and its probabilities are honest."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from loadwatch.errors import TrainingError
from loadwatch.features.moments import Normaliser
from loadwatch.labels.horizons import exceedances, peaks
from loadwatch.labels.rule import DEFAULT_RULE, Rule
from loadwatch.model.forecast import ForecastModel
from loadwatch.records import Label, Maintenance, Recording, Span
from loadwatch.training.forecast import Lesson
from loadwatch.training.learner import renormalised
from loadwatch.training.synthetic import synthetic_recording
from loadwatch.training.table import idle_table, learning_table, moved_table

RULE = Rule.parse("cpu > 0.8")
HORIZONS = (0, 60, 300, 900)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return synthetic_recording(60.0, 8_000, seed=3)


@pytest.fixture(scope="module")
def model(recording) -> ForecastModel:
    return Lesson(recording, RULE, HORIZONS, seed=1).earlier()[0]


def forecast(model: ForecastModel, recording: Recording) -> np.ndarray:
    values = recording.with_signals(model.spec.signals).values
    features = model.features().extend(recording.timestamps, values, RULE.levels(recording))
    return model.probabilities(features)


@pytest.mark.slow
def test_training_twice_gives_the_same_model(recording, model):
    """A seed settles everything."""
    again, _ = Lesson(recording, RULE, HORIZONS, seed=1).earlier()
    np.testing.assert_array_equal(again.network.theta, model.network.theta)


def test_the_model_survives_a_file(recording, model):
    """Parts in, parts out: the same probabilities."""
    restored = ForecastModel.from_parts(*model.to_parts())
    np.testing.assert_array_equal(forecast(restored, recording), forecast(model, recording))


@pytest.mark.slow
def test_the_level_to_come_stays_below_its_quantiles_as_often_as_they_say(recording):
    """On the half that was not learned: the 0.9 is passed once in ten times, give or take a twentieth."""
    half = len(recording) // 2
    model, _ = Lesson(recording.rows(0, half), RULE, HORIZONS, seed=1).earlier()
    levels = RULE.levels(recording)
    values = recording.with_signals(model.spec.signals).values
    features = model.features().extend(recording.timestamps, values, levels)
    quantiles = model.peaks(features, model.look_ahead(features).logits)
    came = np.fmax(peaks(recording.timestamps, levels, model.ahead), levels[:, None])
    known = np.isfinite(came) & (np.arange(len(recording)) >= half)[:, None]
    for place in range(len(model.ahead)):
        mine = known[:, place]
        below = (came[mine, place, None] <= quantiles[mine, place]).mean(axis=0)
        assert 0.4 <= below[0] <= 0.75
        assert 0.85 <= below[1] <= 0.95


def test_a_short_history_says_nothing_of_the_level_to_come():
    """Too short to be cut into spans learned and not learned, so that nothing could be measured."""
    young = synthetic_recording(60.0, 300, seed=3)
    model, _ = Lesson(young, RULE, HORIZONS, seed=1).earlier()
    features = model.features().extend(
        young.timestamps, young.with_signals(model.spec.signals).values, RULE.levels(young)
    )
    chances, logits = model.look_ahead(features)
    quantiles = model.peaks(features, logits)
    assert np.isfinite(chances).all()
    assert np.isnan(quantiles).all()


def bursts(days: float, step: float = 60.0) -> Recording:
    """High for a quarter of an hour each half hour or so."""
    rng = np.random.default_rng(2)
    times = step * np.arange(days * 86_400.0 / step)
    edges = np.cumsum(rng.exponential(900.0, int(days * 86_400.0 / 900.0) + 100))
    high = np.searchsorted(edges, times) % 2 == 1
    cpu = np.where(high, 0.95, 0.4) + 0.02 * rng.standard_normal(len(times))
    return Recording(1_741_564_800.0 + times, ("cpu",), cpu[:, None])


@pytest.mark.slow
def test_a_busy_host_that_turned_idle_is_believed_within_hours():
    """Though it was never calm for so long before; while it is busy, high load stays likely."""
    past = bursts(2.0)
    model, _ = Lesson(past, RULE, HORIZONS, seed=1).earlier()
    times = past.timestamps[-1] + 60.0 * np.arange(1, 16 * 60)
    later = Recording(times, ("cpu",), np.full((len(times), 1), 0.03))
    both = Recording(np.r_[past.timestamps, times], ("cpu",), np.vstack([past.values, later.values]))
    chances = forecast(model, both)
    assert chances[: len(past), -1].mean() > 0.5
    assert (chances[len(past) + 120 :, HORIZONS.index(300)] < 0.1).all()
    assert (chances[len(past) + 120 :, -1] < 0.25).all()


def test_a_host_that_was_calm_for_half_a_day_needs_not_be_told_what_calm_is():
    """Nor does one that never was high."""
    rng = np.random.default_rng(0)
    past = bursts(2.0)
    assert idle_table(learning_table(past, RULE.levels(past), HORIZONS, rng)[0], past, RULE.levels(past))
    calm = Recording(
        past.timestamps, ("cpu",), np.where(past.timestamps[:, None] < 1_741_650_000.0, 0.1, past.values)
    )
    for known in (calm, Recording(past.timestamps, ("cpu",), np.full_like(past.values, 0.1))):
        levels = RULE.levels(known)
        assert idle_table(learning_table(known, levels, HORIZONS, rng)[0], known, levels) is None


def test_one_row_says_what_many_say(recording, model):
    """The daemon's single sample and the replay's thousands agree."""
    values = recording.with_signals(model.spec.signals).values
    features = model.features().extend(recording.timestamps, values, RULE.levels(recording))
    (single,) = model.probabilities(features[-1:])
    np.testing.assert_allclose(single, model.probabilities(features)[-1], rtol=1e-4)
    assert single.shape == (len(HORIZONS),)


def test_contributions_add_up_to_what_changed(recording, model):
    """Their sum is the logit less that of an ordinary moment; the level's share goes to who set it."""
    features = forecast_row(model, recording, 4_000)
    logits = model.logits(features[None])[0]
    parts = model.contributions(features, logits, 900, deciding=("cpu",))
    ordinary = model.logits(model.normaliser.mean[None])[0, 3]
    # Integrated gradients in 32 steps: exact but for the kinks between them.
    assert sum(part.value for part in parts) == pytest.approx(logits[3] - ordinary, abs=0.1)
    assert {part.signal for part in parts} == {"cpu", *model.spec.signals}


def test_a_longer_time_is_never_less_likely_than_a_shorter_one(recording, model):
    """What comes within a minute comes within five; the contributions explain the one that speaks."""
    values = recording.with_signals(model.spec.signals).values
    features = model.features().extend(recording.timestamps, values, RULE.levels(recording))
    ahead = model.probabilities(features)[:, 1:]
    assert (np.diff(ahead, axis=1) >= 0.0).all()
    spoken_for = np.flatnonzero(ahead[:, 1] == ahead[:, 2])
    assert len(spoken_for), "no shorter horizon ever spoke for the longest"
    row = features[spoken_for[-1]]
    logits = model.logits(row[None])[0]
    longest, shorter = (model.contributions(row, logits, horizon) for horizon in (900, 300))
    assert longest == shorter


def forecast_row(model: ForecastModel, recording: Recording, row: int) -> np.ndarray:
    values = recording.with_signals(model.spec.signals).values
    return model.features().extend(recording.timestamps, values, RULE.levels(recording))[row]


def five_minutes(days: float, high) -> Recording:
    """A calm host of five-minute rows from a Monday on whose load is high where ``high(day, hour)`` says."""
    times = 1_741_564_800.0 + np.arange(0.0, days * 86400.0, 300.0)
    rng = np.random.default_rng(0)
    hour = times % 86400.0 / 3600.0
    cpu = 0.1 + 0.15 * np.exp(-(((hour - 13.0) / 3.0) ** 2)) + 0.02 * rng.random(len(times))
    cpu[high((times - times[0]) // 86400.0, hour)] = 0.97
    return Recording(times, ("cpu",), cpu[:, None])


@pytest.mark.slow
def test_a_weekly_peak_is_foretold_in_its_fourth_week():
    """Likely a quarter of an hour before, after three Saturdays; unlikely at the same hour of other days."""
    host = five_minutes(26.0, lambda day, hour: (day % 7 == 5) & (hour >= 10.0) & (hour < 12.0))
    start = host.timestamps[0] + 26 * 86400.0
    model, _ = Lesson(host, RULE, HORIZONS, seed=0).earlier()
    later = five_minutes(28.0, lambda day, hour: (day % 7 == 5) & (day < 26) & (hour >= 10.0) & (hour < 12.0))
    chances = forecast(model, later)[:, 3]
    saturday = (later.timestamps >= start + 9.75 * 3600.0) & (later.timestamps < start + 10.0 * 3600.0)
    assert (chances[saturday] > 0.5).all()
    assert chances[later.timestamps > start + 20 * 3600.0].max() < 0.1


@pytest.mark.slow
def test_a_job_that_moved_is_followed_within_three_days():
    """Foretold at its new time after three days, and no more at the old one."""
    host = five_minutes(
        18.0, lambda day, hour: (hour >= np.where(day < 15, 2.0, 7.0)) & (hour < np.where(day < 15, 3.0, 8.0))
    )
    model, _ = Lesson(host.rows(0, -1), RULE, HORIZONS, seed=0).earlier()
    later = five_minutes(
        18.5,
        lambda day, hour: (
            (day < 18) & (hour >= np.where(day < 15, 2.0, 7.0)) & (hour < np.where(day < 15, 3.0, 8.0))
        ),
    )
    chances, hours = forecast(model, later)[-144:, 3], np.arange(144) / 12.0
    assert chances[(hours >= 6.75) & (hours < 7.0)].min() > 0.5
    assert chances[(hours >= 1.75) & (hours < 2.0)].max() < 0.35


def test_rows_with_moved_jobs_are_the_same_but_for_the_clock():
    """Futures, weights and the present stay; what the clock tells differs from the first jump on."""
    host = five_minutes(10.0, lambda day, hour: (day >= 0) & (hour >= 2.0) & (hour < 3.0))
    levels = RULE.levels(host)
    own, _, _ = learning_table(host, levels, HORIZONS, np.random.default_rng(0))
    moved = moved_table(own, host, levels, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.targets, own.targets)
    np.testing.assert_array_equal(moved.weights, own.weights)
    before = own.timestamps < host.timestamps[0] + 8 * 86400.0
    np.testing.assert_allclose(moved.features[before], own.features[before], atol=1e-9)
    now, usual = (own.spec.names.index(f"level:{name}") for name in ("now", "usual_high"))
    np.testing.assert_allclose(moved.features[:, now], own.features[:, now])
    assert np.abs(moved.features[~before, usual] - own.features[~before, usual]).max() > 0.3
    assert moved_table(own, host.rows(0, 288 * 7), levels, np.random.default_rng(0)) is None


def test_now_follows_the_rule(recording, model):
    """Horizon 0 is high when the rule holds and low when it does not."""
    high = RULE.levels(recording) > 1.0
    now = forecast(model, recording)[:, 0]
    assert now[high].mean() > 0.9
    assert now[~high].mean() < 0.02


def history(**columns) -> Recording:
    rows = len(next(iter(columns.values())))
    return Recording(1.7e9 + 60.0 * np.arange(rows), tuple(columns), np.column_stack(list(columns.values())))


@pytest.mark.parametrize("rows", [3, 40, 300])
@pytest.mark.parametrize("kind", ["never", "always", "sometimes"])
def test_poor_histories_give_a_model_all_the_same(rows, kind):
    """Few rows, never high, always high, columns that are missing or constant: finite, sensible numbers."""
    rng = np.random.default_rng(0)
    cpu = {
        "never": 0.1 + 0.05 * rng.random(rows),
        "always": np.full(rows, 0.95),
        "sometimes": rng.random(rows),
    }[kind]
    poor = history(cpu=cpu, missing=np.full(rows, np.nan), constant=np.ones(rows), noise=rng.random(rows))
    model, report = Lesson(poor, RULE, (0, 60, 300)).earlier()
    probabilities = forecast(model, poor)
    assert np.isfinite(probabilities).all()
    assert report.rows <= rows
    if kind == "never":
        assert probabilities[rows // 2 :].max() < 0.1
    if kind == "always":
        assert probabilities[rows // 2 :].min() > 0.9
    assert not {"missing", "constant"} & set(model.spec.signals)


def test_a_history_without_a_future_is_refused():
    """One row, or a rule of absent signals, teaches nothing; the message says what to check."""
    with pytest.raises(TrainingError, match="rule uses signals"):
        Lesson(history(memory=np.random.default_rng(0).random(100)), RULE, (0, 60)).earlier()


@pytest.mark.slow
def test_masked_rows_are_not_learned(recording):
    """A maintenance window is left out, with the rows whose future it hides."""
    window = Maintenance(Span(recording.timestamps[2_000], recording.timestamps[4_000]))
    _, whole = Lesson(recording.rows(0, 6_000), RULE, (300,)).earlier()
    _, masked = Lesson(recording.rows(0, 6_000), RULE, (300,), masks=[window.span]).earlier()
    assert whole.rows - 2_100 < masked.rows <= whole.rows - 2_000


@pytest.mark.slow
def test_what_was_told_raises_nothing_else(recording):
    """One labelled quarter of an hour, which no other span resembles, leaves calm rows what they were."""
    calm = np.flatnonzero(RULE.levels(recording.rows(0, 6_000)) < 0.5)
    start = float(recording.timestamps[calm[len(calm) // 2]])
    label = Label(Span(start, start + 900.0), "high")
    shifts = []
    for labels in ([], [label]):
        model, _ = Lesson(recording.rows(0, 6_000), RULE, HORIZONS, labels=labels, seed=1).earlier()
        shifts.append(forecast(model, recording.rows(6_000, 8_000)))
    levels = RULE.levels(recording.rows(6_000, 8_000))
    assert (shifts[1] - shifts[0])[levels < 0.7].mean(axis=0).max() < 0.005


def test_training_stops_when_asked(recording):
    """A stop that is already set costs one epoch, and still gives a model."""
    stop = threading.Event()
    stop.set()
    seen: list[float] = []
    Lesson(recording.rows(0, 3_000), RULE, (300,), stop=stop).earlier(lambda share, _loss: seen.append(share))
    assert len(seen) == 1


def test_the_default_rule_is_now_and_then_true_on_a_made_up_server():
    """Otherwise the first model would have nothing to learn."""
    levels = Rule.parse(DEFAULT_RULE).levels(synthetic_recording(5.0, 50_000))
    assert 0.002 < (levels > 1.0).mean() < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("horizons", [(0,), (900,), (0, 7, 5_000), (86_400,)])
@pytest.mark.parametrize("step", [0.25, 60.0, 3_600.0])
def test_any_horizons_and_steps_will_do(horizons, step):
    """Horizons longer than the history, shorter than a step, or now alone; rows of all spacings."""
    recording = synthetic_recording(step, 1_500, seed=1)
    if max(horizons) > step * 1_500 and 0 not in horizons and len(horizons) == 1:
        with pytest.raises(TrainingError):
            Lesson(recording.rows(0, 2), RULE, horizons).earlier()
        return
    model, _ = Lesson(recording, RULE, horizons).earlier()
    assert np.isfinite(forecast(model, recording)).all()


def test_infinite_values_are_unknown_ones():
    """A counter gone wild in an imported history harms nobody."""
    rng = np.random.default_rng(0)
    wild = np.where(np.arange(500) % 5 == 0, -np.inf, rng.normal(size=500) * 1e300)
    poor = history(cpu=np.where(np.arange(500) % 7 == 0, np.nan, rng.random(500)), wild=wild)
    model, _ = Lesson(poor, RULE, (0, 60)).earlier()
    assert np.isfinite(forecast(model, poor)).all()


def test_earlier_rows_know_what_was_known_at_their_end(recording):
    """They are those of a history that ends there: what comes later tells neither signals nor futures."""
    host, cut = recording.rows(0, 2_000), 1_500
    levels, until = RULE.levels(host), host.timestamps[cut]
    whole, earlier, features = learning_table(host, levels, HORIZONS, np.random.default_rng(0), until=until)
    alone, _, _ = learning_table(host.rows(0, cut), levels[:cut], HORIZONS, np.random.default_rng(0))
    assert earlier.spec == whole.spec == alone.spec
    assert earlier.onsets == alone.onsets
    for name in ("timestamps", "features", "targets", "weights", "peaks", "labelled"):
        np.testing.assert_allclose(getattr(earlier, name), getattr(alone, name), atol=1e-9)
    assert np.isnan(earlier.targets[-5:]).any()
    assert np.isfinite(whole.targets[len(earlier) - 5 : len(earlier)]).all()
    mine = whole.timestamps >= until
    later = np.searchsorted(host.timestamps, whole.timestamps[mine])
    newest = np.vstack(list(features.parts(whole.spec, later)))
    np.testing.assert_allclose(newest, whole.features[mine], rtol=1e-6)


@pytest.mark.slow
def test_a_whole_history_is_measured_on_all_of_its_rows(recording):
    """On the earlier ones by folds, on the newest by the model that had not learned them."""
    host = recording.rows(0, 2_000)
    lesson = Lesson(host, RULE, (300,), until=host.timestamps[1_500])
    with pytest.raises(RuntimeError):
        lesson.whole()
    _, before = lesson.earlier()
    model, after = lesson.whole()
    counts = [sum(count for _, _, count in report.reliability[300]) for report in (before, after)]
    assert 1_480 < counts[0] <= before.rows <= 1_500
    assert counts[0] + 480 < counts[1] <= after.rows <= 2_000
    assert np.isfinite(model.level.shares).all()


def test_a_network_says_the_same_to_features_scaled_anew(recording, model):
    """What clips nothing gives the same logits; a feature that the network hardly saw move counts nothing."""
    rng, known = np.random.default_rng(0), model.normaliser
    scale = known.scale * rng.uniform(0.7, 3.0, len(known.scale))
    anew = Normaliser(known.mean + 0.3 * known.scale * rng.normal(size=len(scale)), scale)
    features = known.mean + 0.5 * known.scale * rng.normal(size=(200, len(scale)))
    same = renormalised(model, anew).forward(anew.apply(features))
    np.testing.assert_allclose(same, model.network.forward(known.apply(features)), atol=1e-3)

    grown = np.where(np.arange(len(scale)) == 5, 20.0, 1.0)
    W = renormalised(model, Normaliser(known.mean + known.scale, known.scale * grown)).dense[0].W
    assert not W[5].any()
    np.testing.assert_array_equal(W[6:], model.network.dense[0].W[6:])


@pytest.mark.slow
def test_a_warm_start_forecasts_as_well_in_a_sixth_of_the_epochs(recording):
    """It goes on from the weights of the model in use and keeps its calibration, where both see the same."""
    levels, half, later = RULE.levels(recording), 5_000, 5_600
    old, _ = Lesson(recording.rows(0, half), RULE, HORIZONS, seed=1).earlier()
    past, until = recording.rows(0, later), recording.timestamps[5_300]
    scores, reports = [], []
    for before in (None, old):
        lesson = Lesson(past, RULE, HORIZONS, until=until, before=before)
        reports.append([lesson.earlier()[1]])
        model, report = lesson.whole()
        reports[-1].append(report)
        truth = exceedances(recording.timestamps, levels, (900,))[later:, 0, 0]
        errors = (forecast(model, recording)[later:, -1] - truth) ** 2
        scores.append(float(np.nanmean(errors)))
    (cold, all_cold), (warm, all_warm) = reports
    assert not cold.is_warm
    assert warm.is_warm
    assert 6 * len(warm.losses) == len(cold.losses)
    assert [len(all_cold.losses), len(all_warm.losses)] == [len(cold.losses) + 2, len(warm.losses) + 2]
    np.testing.assert_array_equal(model.calibration, old.calibration)
    assert all_warm.brier[900] < 1.1 * all_cold.brier[900]
    assert scores[1] < 1.05 * scores[0]


@pytest.mark.parametrize("change", [{"horizons": (0, 60, 300, 600)}, {"signals": ("cpu", "other")}])
def test_a_model_that_sees_something_else_is_no_start(recording, model, change):
    """Other horizons or other inputs: the lesson starts cold."""
    changed = replace(
        model,
        horizons=change.get("horizons", model.horizons),
        spec=replace(model.spec, signals=change.get("signals", model.spec.signals)),
    )
    _, report = Lesson(recording.rows(0, 300), RULE, HORIZONS, before=changed).earlier()
    assert not report.is_warm
