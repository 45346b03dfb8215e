"""The anomaly model scores the same in a stream and in bulk, explains itself, and survives storage."""

import json

import numpy as np
import pytest

from loadwatch.errors import ModelError
from loadwatch.model.anomaly import WARM_UP_SECONDS, AnomalyModel
from loadwatch.nn import pack, unpack
from loadwatch.records import Recording
from loadwatch.training.anomaly import train_anomaly

SIGNALS = ("cpu", "memory", "tcp_in_segments", "made_up")


def host(days, *, step=60.0, seed=0):
    """A host with a daily cycle, signals that move together, and noise."""
    rng = np.random.default_rng(seed)
    timestamps = 1.6e9 + np.arange(0.0, days * 86400.0, step)
    load = 0.3 + 0.2 * np.sin(2 * np.pi * timestamps / 86400.0) + 0.03 * rng.normal(size=len(timestamps))
    values = np.column_stack(
        [
            load,
            0.5 + 0.1 * load + 0.005 * rng.normal(size=len(load)),
            1000.0 * load * rng.lognormal(0.0, 0.1, len(load)),
            rng.gamma(2.0, 5.0, len(load)),
        ]
    )
    return Recording(timestamps, SIGNALS, values)


@pytest.fixture(scope="module")
def model():
    return train_anomaly(host(5))[0]


def with_incident(recording, start, length, signal, factor):
    values = recording.values.copy()
    values[start : start + length, recording.signals.index(signal)] *= factor
    return Recording(recording.timestamps, recording.signals, values)


@pytest.mark.slow
@pytest.mark.parametrize("step", [5.0, 60.0, 300.0])
def test_sample_by_sample_equals_all_at_once(model, step):
    """Scores and contributions are the same sample by sample and all at once, with gaps and holes."""
    recording = with_incident(host(0.6, step=step, seed=2), 40, 30, "tcp_in_segments", 6.0)
    rng = np.random.default_rng(3)
    values = recording.values.copy()
    values[rng.random(values.shape) < 0.1] = np.nan
    keep = np.ones(len(recording), bool)
    keep[90:130] = False
    recording = Recording(recording.timestamps[keep], SIGNALS, values[keep])
    at_once = model.score(recording)
    stream = model.stream()
    for k in range(len(recording)):
        one = stream.extend(recording.rows(k, k + 1))
        np.testing.assert_allclose(one.scores[0], at_once.scores[k], atol=1e-5)
        np.testing.assert_allclose(one.contributions[0], at_once.contributions[k], atol=1e-5)


def test_contributions_add_up_to_the_score(model):
    """Every part of the score belongs to a signal."""
    scores = model.score(with_incident(host(0.5, seed=4), 300, 20, "memory", 1.5))
    np.testing.assert_allclose(scores.contributions.sum(axis=1), scores.scores, atol=1e-9)


def test_an_incident_stands_out_and_names_its_signal(model):
    """A signal far from usual raises the score over its threshold and is the first one named."""
    recording = with_incident(host(0.5, seed=5), 300, 20, "memory", 0.4)
    stream = model.stream()
    calm = stream.extend(recording.rows(0, 300))
    odd = stream.extend(recording.rows(300, 307))
    assert calm.scores[60:].max() < 0.5 < odd.scores[-1]
    assert SIGNALS[int(np.argmax(odd.contributions[-1]))] == "memory"


def test_nothing_of_the_future_is_used(model):
    """The score of a row does not depend on any later row."""
    recording = with_incident(host(0.3, seed=6), 200, 20, "cpu", 3.0)
    whole = model.score(recording).scores
    # Blocks of a recurrence are cut elsewhere, so the last place may round differently.
    np.testing.assert_allclose(model.score(recording.rows(0, 210)).scores, whole[:210], rtol=1e-9)


def test_a_vanished_signal_is_no_anomaly(model):
    """A source that fails is its own metric's business; the score of the others stays."""
    recording = host(0.3, seed=7)
    values = recording.values.copy()
    values[100:, 1] = np.nan
    assert np.nanmax(model.score(Recording(recording.timestamps, SIGNALS, values)).scores) < 0.5


def test_too_few_signals_give_no_score(model):
    """With most signals missing the verdict is unknown, neither normal nor odd, and comes back by itself."""
    recording = host(0.3, seed=8)
    values = recording.values.copy()
    values[100:110, :3] = np.nan
    scores = model.score(Recording(recording.timestamps, SIGNALS, values)).scores
    assert np.isnan(scores[100:110]).all()
    assert np.isfinite(scores[110:]).all()


def test_a_new_signal_of_the_host_is_ignored(model):
    """A signal the training has not seen is not judged."""
    recording = host(0.2, seed=9)
    more = Recording(
        recording.timestamps,
        ("brand_new", *SIGNALS),
        np.column_stack([recording.timestamps, recording.values]),
    )
    np.testing.assert_array_equal(model.score(more).scores, model.score(recording).scores)


def test_a_warmed_up_stream_equals_one_that_never_stopped(model):
    """After a restart half a day of history brings the score back to where it would have been."""
    recording = with_incident(host(1.0, seed=10), 900, 5, "cpu", 3.0)
    lasting, restarted = model.stream(), model.stream()
    lasting.extend(recording.rows(0, 1000))
    restarted.extend(recording.rows(1000 - round(WARM_UP_SECONDS / 60.0), 1000))
    now = recording.rows(1000, 1001)
    assert restarted.extend(now).scores[0] == pytest.approx(lasting.extend(now).scores[0], rel=1e-3)


def test_parts_survive_storage(model):
    """A stored model scores exactly as the one that was trained."""
    meta, arrays = model.to_parts()
    again = AnomalyModel.from_parts(*unpack(pack(json.loads(json.dumps(meta)), arrays)))
    recording = host(0.3, seed=11)
    np.testing.assert_array_equal(again.score(recording).scores, model.score(recording).scores)


def test_a_model_from_before_relative_changes_scores_on(model):
    """A file of format 2 is as the version that wrote it had it: only falls in proportion are not seen."""
    meta, arrays = model.to_parts()
    signals = len(SIGNALS)
    relative = slice(2 * signals, 3 * signals)
    old = {name: np.delete(arrays[name], relative, axis=-1) for name in ("centre", "spread", "factor")}
    old["reach"] = arrays["reach"][:signals]
    again = AnomalyModel.from_parts({**meta, "format": 2}, {**arrays, **old})
    plain, recording = again.baseline, host(0.3, seed=11)
    np.testing.assert_array_equal(np.delete(plain.spread, relative), old["spread"])
    odd = with_incident(recording, 200, 60, SIGNALS[1], 3.0)
    risen = [each.score(odd).scores[200:260].max() for each in (again, model)]
    assert risen[0] == pytest.approx(risen[1], rel=0.05)
    np.testing.assert_array_equal(
        AnomalyModel.from_parts(*again.to_parts()).score(recording).scores, again.score(recording).scores
    )


@pytest.mark.parametrize("damage", ["format", "signals", "spread", "season", "oddities"])
def test_unfit_parts_are_refused(model, damage):
    """Parts that do not belong together are named, not loaded."""
    meta, arrays = model.to_parts()
    if damage == "format":
        meta["format"] = 99
    elif damage == "signals":
        meta["signals"] = meta["signals"][:-1]
    elif damage == "spread":
        del arrays["spread"]
    elif damage == "oddities":
        arrays["oddities"] = arrays["oddities"][1:]
    else:
        arrays["season"] = arrays["season"][:, :-1]
    with pytest.raises(ModelError, match="train a new one"):
        AnomalyModel.from_parts(meta, arrays)


def test_what_came_back_each_night_is_remembered_in_the_file(model):
    """A nightly job is ordinary to a stream that begins from the stored model."""
    night = host(9)
    values = night.values.copy()
    values[(night.timestamps % 86400.0) // 1800.0 == 5.0, 1] += 0.3
    learned = Recording(night.timestamps, SIGNALS, values)
    trained = train_anomaly(learned.rows(0, 8 * 1440))[0]
    fresh = AnomalyModel.from_parts(*trained.to_parts())
    assert len(fresh.oddities.numbers) > 300
    coming = learned.rows(8 * 1440, 9 * 1440)
    job = (coming.timestamps % 86400.0) // 1800.0 == 5.0
    assert model.score(coming).scores[job].max() > 0.5 > fresh.score(coming).scores[job].max()
