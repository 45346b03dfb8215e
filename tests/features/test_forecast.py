"""The forecast features mean what they say, and are the same in a stream and in bulk."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.features.forecast import HIGH_AVERAGES, ForecastFeatures, ForecastSpec

SIGNALS = ("memory", "network")


def history(rows: int, step: float, seed: int, *, jitter: float = 0.0, gaps: float = 0.0, holes: float = 0.0):
    """Timestamps, values and levels of a made-up host: irregular, with gaps and unknown values as asked."""
    rng = np.random.default_rng(seed)
    dt = step * (1.0 + jitter * rng.uniform(-0.9, 2.0, rows))
    dt += np.where(rng.random(rows) < gaps, rng.choice([1000.0, 90_000.0, 4e6], rows), 0.0)
    t = 1.7e9 + np.cumsum(dt)
    level = np.clip(0.7 + 0.5 * np.sin(t / 5000.0) + 0.3 * rng.normal(size=rows), 0.0, 3.0)
    values = np.column_stack([rng.random(rows), rng.gamma(0.5, 1e6, rows)])
    level[rng.random(rows) < holes] = np.nan
    values[rng.random(values.shape) < holes] = np.nan
    return t, values, level


def column(features, spec, name):
    return features[..., spec.names.index(name)]


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    step=st.sampled_from([1.0, 5.0, 60.0, 300.0, 3600.0]),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 120), max_size=4),
    jitter=st.sampled_from([0.0, 0.02, 1.0]),
    gaps=st.sampled_from([0.0, 0.05]),
    holes=st.sampled_from([0.0, 0.2]),
)
def test_features_do_not_depend_on_how_the_stream_is_cut(step, seed, cuts, jitter, gaps, holes):
    """One by one, in pieces, or all at once: the same numbers, over gaps, jitter and unknown values."""
    t, values, level = history(120, step, seed, jitter=jitter, gaps=gaps, holes=holes)
    spec = ForecastSpec.fitting(t, SIGNALS, 900.0)
    bulk = ForecastFeatures(spec).extend(t, values, level)
    assert np.isfinite(bulk).all()
    for edges in (range(121), sorted({0, 120, *cuts})):
        stream = ForecastFeatures(spec)
        parts = [stream.extend(t[a:b], values[a:b], level[a:b]) for a, b in pairwise(edges)]
        # Deviations are roots of differences of sums: what is rounding in the sums is its root in them.
        np.testing.assert_allclose(np.vstack(parts), bulk, rtol=1e-9, atol=1e-6)


def test_features_of_a_constant_host_are_constant():
    """Level 0.5 for ever: every average, extreme and look-back says 0.5, every change and deviation 0."""
    spec = ForecastSpec(SIGNALS, 300.0, 900.0)
    t = 1.7e9 + 300.0 * np.arange(9 * 288)
    features = ForecastFeatures(spec).extend(t, np.full((len(t), 2), np.nan), np.full(len(t), 0.5))[-1]
    for name in ("now", "average_433s", "average_43197s", "maximum", "minimum", "maximum_24h", "lag_5"):
        assert column(features, spec, f"level:{name}") == pytest.approx(0.5)
    for name in ("ahead_7d", "back_1d", "usual_peak", "usual_peak_fast", "week_peak", "shape_-2", "shape_6"):
        assert column(features, spec, f"level:{name}") == pytest.approx(0.5)
    for name in (
        "deviation",
        "change_1",
        "change_3",
        "high",
        "usual_high",
        "hour_high",
        "high_average_1796s",
    ):
        assert column(features, spec, f"level:{name}") == pytest.approx(0.0, abs=1e-6)


def test_averages_weigh_time_not_samples():
    """Twelve hours at one level after a day at another read the same at rows of 5 s and 300 s."""
    answers = []
    for step in (5.0, 300.0):
        spec = ForecastSpec((), step, 900.0)
        t = 1.7e9 + np.arange(0.0, 36 * 3600.0, step)
        level = np.where(t < t[0] + 24 * 3600.0, 0.2, 0.6)
        answers.append(
            column(
                ForecastFeatures(spec).extend(t, np.empty((len(t), 0)), level)[-1],
                spec,
                "level:average_43197s",
            )
        )
    expected = 0.2 + 0.4 * (1 - np.exp(-43200 / 43197)) / (1 - np.exp(-129600 / 43197))
    np.testing.assert_allclose(answers, expected, rtol=0.01)


def test_yesterday_is_remembered_at_the_same_time_of_day():
    """What followed this moment one day ago is known, and the usual peak of this slot follows it."""
    spec = ForecastSpec((), 300.0, 900.0)
    t = 300.0 * np.arange(3 * 288)
    level = np.where((t % 86400 >= 36000) & (t % 86400 < 37800), 1.5, 0.1)
    features = ForecastFeatures(spec).extend(t, np.empty((len(t), 0)), level)
    before, long_before = 2 * 288 + 118, 2 * 288 + 100
    assert column(features[before], spec, "level:ahead_1d") == 1.5
    assert column(features[before], spec, "level:usual_peak") == pytest.approx(1.5)
    assert column(features[before], spec, "level:back_1d") == 0.1
    assert column(features[long_before], spec, "level:ahead_1d") == 0.1


def test_what_comes_back_is_told_from_what_came_once():
    """A weekly peak is likelier each week it comes, a daily one after days; the fast share follows sooner."""
    spec = ForecastSpec((), 300.0, 900.0)
    t = 345_600.0 + 300.0 * np.arange(28 * 288)  # from a Monday, 00:00
    day, hour = (t - t[0]) // 86400, (t % 86400) / 3600
    weekly = (day % 7 == 5) & (hour >= 10) & (hour < 12)
    daily = (day >= 20) & (hour >= 3) & (hour < 4)
    features = ForecastFeatures(spec).extend(t, np.empty((len(t), 0)), np.where(weekly | daily, 1.5, 0.1))

    def odds(name, days, hours):
        at = int(np.flatnonzero((day == days) & (hour >= hours))[0])
        return column(features[at], spec, f"level:repeats_{name}")

    weeks = [odds("weekly", 7 * week + 5, 9.9) for week in range(4)]
    assert weeks == sorted(weeks)
    assert weeks[0] == -5.0
    # Three of three, older ones counting less, and a daily share that is next to nothing as 0.7 of a week.
    assert weeks[3] == pytest.approx(np.log((1 + 0.85 + 0.85**2) / 0.7), abs=0.1)
    assert odds("weekly", 24, 9.9) < -2.0, "a Thursday is no Saturday"
    assert odds("daily", 20, 2.9) == odds("daily_fast", 20, 2.9) < -4.0
    assert odds("daily", 22, 2.9) < 0.0 < odds("daily_fast", 22, 2.9), (
        "two days of fourteen; but the newest two"
    )
    assert odds("daily", 27, 2.9) > 1.0


def test_history_of_high_load_is_followed():
    """Time since the last high moment, since it began, and in the present state, as log(1 + t / 300)."""
    spec = ForecastSpec((), 300.0, 900.0)
    t = 300.0 * np.arange(10)
    level = np.array([0.1, 0.1, 1.2, 1.2, 1.2, 0.1, 0.1, 0.1, 1.2, 0.1])
    features = ForecastFeatures(spec).extend(t, np.empty((10, 0)), level)
    np.testing.assert_allclose(
        column(features, spec, "level:since_high")[2:], np.log1p([0, 0, 0, 1, 2, 3, 0, 1])
    )
    np.testing.assert_allclose(
        column(features, spec, "level:since_onset")[2:], np.log1p([0, 1, 2, 3, 4, 5, 0, 1])
    )
    np.testing.assert_allclose(
        column(features, spec, "level:high_for"), np.log1p([0, 0, 0, 1, 2, 0, 0, 0, 0, 0])
    )
    np.testing.assert_allclose(
        column(features, spec, "level:calm_for"), np.log1p([0, 1, 0, 0, 0, 0, 1, 2, 0, 0])
    )
    assert len(HIGH_AVERAGES) == 4


def test_a_clock_set_back_is_waited_for():
    """Time that repeats changes nothing but the newest values; nothing becomes unknown or negative."""
    spec = ForecastSpec((), 5.0, 900.0)
    stream = ForecastFeatures(spec)
    for t in (1000.0, 1005.0, 400.0, 405.0, 1010.0):
        features = stream.extend(np.array([t]), np.empty((1, 0)), np.array([0.5]))[0]
    assert np.isfinite(features).all()
    assert column(features, spec, "level:average_43197s") == pytest.approx(0.5)


def test_the_spec_survives_a_file():
    """What is stored in a model means the same features when it is read."""
    spec = ForecastSpec.fitting(1e9 + 300.0 * np.arange(100), SIGNALS, 900.0)
    assert ForecastSpec.from_meta(spec.to_meta()) == spec
    assert len(spec.names) == len(set(spec.names))


def test_rows_near_the_edge_of_a_cell_are_one_a_cell():
    """Five-minute rows that come a little early or late never share a cell: its phase follows the rows."""
    rng = np.random.default_rng(0)
    t = 300.0 * np.arange(3_000) + rng.uniform(-9.0, 9.0, 3_000)
    spec = ForecastSpec.fitting(t, (), 900.0)
    cells = np.floor((t - spec.phase) / spec.cell)
    np.testing.assert_array_equal(np.diff(cells), 1.0)


@pytest.mark.slow
def test_two_weeks_of_five_second_samples_are_taken_in_quickly():
    """The state is rebuilt from a long history in the time of a few samples; the bound is generous."""
    t = 1.7e9 + 5.0 * np.arange(14 * 17280)
    level = np.random.default_rng(0).random(len(t))
    started = time.perf_counter()
    ForecastFeatures(ForecastSpec((), 5.0, 900.0)).extend(t, np.empty((len(t), 0)), level)
    assert time.perf_counter() - started < 10.0
