"""Training an anomaly model: robust, quick, and clear where it cannot."""

import time
import tracemalloc

import numpy as np
import pytest

from loadwatch.errors import TrainingError
from loadwatch.judge.flags import AnomalyFlag
from loadwatch.records import Recording, Span
from loadwatch.signals import NAMES
from loadwatch.training.anomaly import train_anomaly

START = 1_600_000_000.0


def host(days, *, step=60.0, seed=0, signals=("cpu", "memory", "tcp_in_segments")):
    """A host with a daily cycle that all signals follow, each with its own noise."""
    rng = np.random.default_rng(seed)
    timestamps = START + np.arange(0.0, days * 86400.0, step)
    load = 0.4 + 0.2 * np.sin(2 * np.pi * timestamps / 86400.0)
    values = load[:, None] * rng.lognormal(0.0, 0.1, (len(timestamps), len(signals)))
    return Recording(timestamps, tuple(signals), values)


def odd(recording, start, minutes, factor=3.0, column=0):
    values = recording.values.copy()
    first = int(start * 1440)
    values[first : first + minutes, column] *= factor
    return Recording(recording.timestamps, recording.signals, values)


def peak(model, recording, start, minutes):
    first = int(start * 1440)
    return float(np.nanmax(model.score(recording).scores[first : first + minutes]))


def test_the_same_recording_gives_the_same_model():
    """A training can be repeated exactly."""
    recording = host(2)
    one, other = (train_anomaly(recording)[0].to_parts() for _ in range(2))
    assert one[0] == other[0]
    for name, array in one[1].items():
        np.testing.assert_array_equal(other[1][name], array)


def test_an_unlabelled_incident_in_the_training_is_still_flagged_when_it_repeats():
    """What happened once, named by nobody, does not become the measure of normal."""
    learned = odd(host(8), 6.3, 60)
    model, _ = train_anomaly(learned)
    assert peak(model, odd(host(9, seed=1), 8.4, 60), 8.4, 60) > 0.5


def test_a_daily_incident_that_began_lately_is_not_learned():
    """Two days with incidents out of ten do not widen what is usual: the typical day counts."""
    learned = host(10)
    for day in (8.2, 8.6, 9.2, 9.6):
        learned = odd(learned, day, 120)
    model, _ = train_anomaly(learned)
    assert peak(model, odd(host(11, seed=1), 10.3, 60), 10.3, 60) > 0.5


def test_a_labelled_incident_leaves_no_trace():
    """An excluded span gives the very model that never saw it would give, threshold included."""
    plain, incident = host(4), odd(host(4), 2.5, 45)
    span = Span(START + 2.5 * 86400.0 - 60.0, START + 2.5 * 86400.0 + 4 * 3600.0)
    without, _ = train_anomaly(plain, exclude=[span])
    model, report = train_anomaly(incident, exclude=[span])
    assert report.left_out == 241
    assert model.threshold == pytest.approx(without.threshold, rel=1e-3)
    np.testing.assert_allclose(model.baseline.spread, without.baseline.spread, rtol=1e-3)


def test_a_flagged_span_is_not_learned_but_counts_against_the_budget():
    """What the daemon alarmed about is not learned as normal; the alarm still counts against the budget."""
    incident = odd(host(6), 2.0, 4 * 1440)
    span = Span(START + 2.0 * 86400.0, START + 6.0 * 86400.0)
    model, report = train_anomaly(incident, flagged=[span])
    seen, _ = train_anomaly(incident)
    assert report.flagged == 4 * 1440
    assert model.baseline.course[0, 0, 0] < 0.6 * seen.baseline.course[0, 0, 0]
    assert model.threshold > seen.threshold


def test_hours_of_overload_do_not_hide_the_next_one():
    """A host that was overloaded when loadwatch came is unlike itself when that comes again."""
    busy, again = host(4), host(5, seed=1)
    for column in range(3):
        busy, again = odd(busy, 0.0, 720, 6.0, column), odd(again, 4.5, 60, 6.0, column)
    model, _ = train_anomaly(busy, flagged=[Span(START, START + 43_200.0)])
    assert peak(model, again, 4.5, 60) > 0.9


def test_a_signal_that_came_lately_is_unknown_for_a_day():
    """Its first morning is not taken for its day: at noon it would be unlike itself."""
    recording = host(4)
    values = recording.values.copy()
    values[: int(3.9 * 1440), 1] = np.nan
    early, _ = train_anomaly(Recording(recording.timestamps, recording.signals, values))
    values[int(2.9 * 1440) :, 1] = recording.values[int(2.9 * 1440) :, 1]
    later, _ = train_anomaly(Recording(recording.timestamps, recording.signals, values))
    changed = odd(host(5, seed=1), 4.5, 60, factor=9.0, column=1)
    assert peak(early, changed, 4.5, 60) < 0.5 < peak(later, changed, 4.5, 60)


def test_what_comes_on_half_of_six_days_is_the_season():
    """Of fewer than five days the lower half counts, from then on the middle."""
    recording = host(6)
    for day in (3.3, 4.3, 5.3):
        recording = odd(recording, day, 60)
    assert train_anomaly(recording)[0].baseline.season.max() > 2.0


@pytest.mark.slow
def test_a_long_window_adapts_to_a_new_normal():
    """After a lasting change the next trainings stop calling it odd."""
    recording = odd(host(20), 6.0, 14 * 1440, factor=1.8)
    before, _ = train_anomaly(recording.rows(0, 6 * 1440))
    after, _ = train_anomaly(recording)
    tail = slice(16 * 1440, 20 * 1440)
    assert np.median(after.score(recording).scores[tail]) < 0.5 * np.median(
        before.score(recording).scores[tail]
    )


def test_a_day_of_history_gives_a_quiet_model():
    """The first model of a new host does not cry wolf over the following day of ordinary life."""
    recording = host(2, seed=3)
    model, _ = train_anomaly(recording.rows(0, 1430))
    assert (model.score(recording).scores[1430:] > 0.5).mean() < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_a_regular_host_is_quiet_on_its_second_day(seed):
    """Peaks of office hours differ from day to day by more than one day shows, and are no anomaly."""
    rng = np.random.default_rng(seed)
    timestamps = START + np.arange(0.0, 2 * 86400.0, 300.0)
    wander = np.zeros(len(timestamps))
    for row, noise in enumerate(0.1 * rng.standard_normal(len(timestamps) - 1), start=1):
        wander[row] = 0.95 * wander[row - 1] + noise
    hour = timestamps % 86400.0 / 3600.0
    load = (0.05 + 0.75 * np.exp(-(((hour - 13.0) / 3.2) ** 2))) * np.maximum(1.0 + wander, 0.0)
    values = load[:, None] * (1.0 + 0.05 * rng.standard_normal((len(timestamps), 4)))
    recording = Recording(timestamps, ("cpu", "memory", "tcp_in_segments", "network_receive"), values)
    model, _ = train_anomaly(recording.rows(0, 288))
    assert np.nanmax(model.score(recording).scores[288:]) < 0.5


def test_less_than_a_day_that_may_be_called_usual_is_refused_with_a_reason():
    """Hours of a first day, a history wholly excluded, or one of nothing but high load: nothing is known."""
    with pytest.raises(TrainingError, match=r"10.5 usable hours"):
        train_anomaly(host(1).rows(0, 600))
    with pytest.raises(TrainingError, match=r"0\.0 usable hours"):
        train_anomaly(host(2), exclude=[Span(0.0, 2e9)])
    with pytest.raises(TrainingError, match=r"0\.0 usable hours .*high load"):
        train_anomaly(host(2), flagged=[Span(0.0, 2e9)])


def test_constant_missing_and_rare_columns_do_no_harm():
    """Columns that never move, or hardly exist, are carried along; a first move is noticed, and bounded."""
    recording = host(3, signals=("cpu", "memory", "swap", "steal", "udp_errors"))
    recording.values[:, 2] = 0.0
    recording.values[:, 3] = np.nan
    recording.values[5:, 4] = np.nan
    model, _ = train_anomaly(recording)
    scores = model.score(recording).scores
    assert np.isfinite(scores).all()
    recording.values[2000:2060, 2] = 0.5
    moved = model.score(recording)
    assert int(np.argmax(moved.contributions[2030])) == 2
    assert moved.scores[1990] < 0.5 < moved.scores[2030] < 1.0


def test_a_single_column_is_enough():
    """A history of one metric trains, stays quiet, and flags."""
    model, _ = train_anomaly(host(3, signals=("requests",)))
    fresh = odd(host(4, seed=2, signals=("requests",)), 3.5, 60, factor=4.0)
    scores = model.score(fresh).scores
    assert (scores[3 * 1440 : int(3.5 * 1440)] > 0.5).mean() < 0.01
    assert peak(model, fresh, 3.5, 60) > 0.5


def busy_by_day(days, idle=None):
    """Rows of 300 s from midnight on of a host that does most at 13:00; nearly nothing on day ``idle``."""
    rng = np.random.default_rng(4)
    timestamps = START - START % 86400.0 + np.arange(0.0, days * 86400.0, 300.0)
    hour = timestamps % 86400.0 / 3600.0
    busy = 0.05 + 0.75 * np.exp(-(((hour - 13.0) / 3.2) ** 2))
    if idle is not None:
        busy[idle * 288 : (idle + 1) * 288] *= 0.03
    swing = np.zeros(len(timestamps))
    for row in range(1, len(swing)):
        swing[row] = 0.95 * swing[row - 1] + 0.05 * rng.standard_normal()
    names = ("cpu", "network_receive", "network_transmit", "tcp_established", "memory", "disk_read")
    sizes = np.array([0.5, 4e6, 9e6, 400.0, 0.08, 3e5])
    noise = 1.0 + np.array([0.05, 0.08, 0.08, 0.03, 0.02, 0.2]) * rng.standard_normal((len(hour), 6))
    values = np.array([0.04, 1e4, 2e4, 20.0, 0.4, 2e4]) + sizes * (busy * (1.0 + swing))[:, None] * noise
    return Recording(timestamps, names, values)


def test_what_dies_at_its_busiest_hour_is_flagged_although_each_night_is_as_quiet():
    """Traffic, connections and CPU of a host with a strong daily course fall to a fiftieth at 13:00.

    It is flagged for an hour at least; by the plain change alone it would be for half of that.
    """
    recording = busy_by_day(9)
    dead = slice(8 * 288 + 13 * 12, 8 * 288 + 15 * 12)
    recording.values[dead, :4] *= 0.02
    model, _ = train_anomaly(recording.rows(0, 8 * 288))
    scores = model.score(recording).scores
    assert (scores[dead.start : dead.start + 12] > 0.5).all()
    assert not (scores[8 * 288 : dead.start] > 0.5).any()


def test_a_holiday_is_no_outage():
    """What does not rise in the morning has not fallen, and what is idle varies less."""
    recording = busy_by_day(22, idle=21)
    model, _ = train_anomaly(recording.rows(0, 21 * 288))
    assert (model.score(recording).scores[21 * 288 :] > 0.5).sum() <= 1
    sizes = np.abs(recording.values[: 21 * 288])
    np.testing.assert_allclose((sizes <= model.baseline.rest).mean(axis=0), 0.02, atol=0.001)


@pytest.mark.parametrize(
    ("signals", "days", "least"), [(3, 8, 4.0), (6, 8, 4.0), (24, 8, 2.0), (24, 6, 4.0), (24, 5, 4.0)]
)
def test_of_many_signals_one_alone_counts_once_a_week_was_seen(signals, days, least):
    """On a quiet host the threshold falls with the number of signals, but not in its first week."""
    model, _ = train_anomaly(host(days, step=300.0, signals=NAMES[:signals]))
    assert model.threshold == pytest.approx(least * (1.0 + 1.0 / days) ** 2, rel=2e-3)


def test_spans_stretch_with_rows_further_apart_than_a_minute():
    """Five-minute rows get spans five times as long; rows of seconds keep those of a minute."""
    for step, half_life in ((5.0, 600.0), (60.0, 600.0), (300.0, 3000.0)):
        model, _ = train_anomaly(host(1, step=step))
        assert model.baseline.settings.deviations.half_life_seconds == pytest.approx(half_life)


@pytest.mark.slow
def test_a_week_of_five_second_samples_trains_in_seconds_and_little_memory():
    """Seven days at five seconds with every signal stay far under half a minute and 300 MiB."""
    recording = host(7, step=5.0, signals=NAMES)
    tracemalloc.start()
    started = time.perf_counter()
    train_anomaly(recording)
    seconds = time.perf_counter() - started
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 30.0
    assert most < 300 * 2**20


@pytest.mark.slow
def test_what_an_operator_labelled_normal_is_ordinary_when_it_comes_again():
    """One labelled span is enough for the next one like it, and dulls no signal that was as ever in it."""
    learned, coming = odd(host(8), 6.3, 60), odd(host(9, seed=1), 8.4, 60)
    span = Span(START + 6.3 * 86_400.0, START + 6.3 * 86_400.0 + 3_600.0)
    deaf, _ = train_anomaly(learned, flagged=[span])
    labelled, _ = train_anomaly(learned, flagged=[span], labelled_normal=[span])
    first = int(8.4 * 1440)
    before, after = (model.score(coming).scores[first + 5 : first + 60].mean() for model in (deaf, labelled))
    assert before > 0.6
    assert after < 0.5
    # Their spread may grow by what the time of day alone puts between them and the centre.
    assert (labelled.baseline.spread[1:3] < 1.6 * deaf.baseline.spread[1:3]).all()


@pytest.mark.parametrize(("step", "days"), [(5.0, 2), (60.0, 5), (300.0, 5)])
def test_the_flag_is_clear_a_quarter_of_an_hour_after_an_event(step, days):
    """Two hours at twenty times the traffic: flagged within minutes, over soon, at any sampling interval."""
    rng = np.random.default_rng(3)
    times = START - START % 86400.0 + np.arange(0.0, (days + 1) * 86400.0, step)
    hour = times % 86400.0 / 3600.0
    cpu = 0.2 + 0.1 * np.sin(2 * np.pi * hour / 24.0) + 0.01 * rng.standard_normal(len(times))
    traffic = 1e6 * (1.0 + 0.1 * rng.standard_normal(len(times)))
    memory = 0.4 + 0.002 * rng.standard_normal(len(times))
    start = times[0] + days * 86400.0 + 10 * 3600.0
    traffic[(times >= start) & (times < start + 7200.0)] *= 20.0
    host_with_event = Recording(
        times, ("cpu", "network_receive", "memory"), np.column_stack([cpu, traffic, memory])
    )
    model, _ = train_anomaly(host_with_event.between(0.0, times[0] + days * 86400.0))
    stream, flag = model.stream(), AnomalyFlag()
    stream.extend(host_with_event.between(start - 86400.0, start - 36000.0))
    after = host_with_event.between(start - 36000.0, np.inf)
    scores = stream.extend(after).scores
    rows = zip(after.timestamps.tolist(), scores.tolist(), strict=True)
    raised = np.array([bool(flag.update(time, score, step)) for time, score in rows])
    minutes = (after.timestamps - start) / 60.0
    assert not raised[minutes < 0.0].any()
    assert raised[(minutes > 10.0) & (minutes < 120.0)].all()
    assert not raised[minutes > 135.0].any()


@pytest.mark.slow
def test_the_memory_of_weeks_outlives_a_training():
    """What a recording of a week no longer holds, the model before it still knows."""
    old, _ = train_anomaly(host(10))
    recording = host(18).rows(11 * 1440, 18 * 1440)
    fresh, _ = train_anomaly(recording)
    heir, _ = train_anomaly(recording, before=old)
    assert heir.oddities.numbers.min() < fresh.oddities.numbers.min() == recording.timestamps[0] // 1800
    assert set(old.oddities.numbers) <= set(heir.oddities.numbers)
    stranger, _ = train_anomaly(host(7, signals=("cpu",)), before=old)
    assert stranger.oddities.values.shape[1] == 1
