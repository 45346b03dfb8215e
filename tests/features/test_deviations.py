"""Change and variability of every signal, the same in a stream and in bulk, undisturbed by gaps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.features.deviations import ChangeFeatures, DeviationSpec, VariabilityFeatures

SPEC = DeviationSpec()
REACH = np.array([2.0, 5.0, np.inf])
FLOORS, SIZES = np.array([0.1, 0.2, np.nan]), np.array([1.0, 2.0, 3.0])
ELASTICITY, USUAL = np.array([0.0, 0.5, 1.0]), np.array([-1.0, 0.5, 0.0])
REST = np.array([0.5, 2.0, 0.0])


def features_of(kind):
    if kind == "change":
        return ChangeFeatures(SPEC, REACH)
    return VariabilityFeatures(SPEC, FLOORS, SIZES, ELASTICITY, USUAL, REST)


def changes(timestamps, values):
    """Written down from the formulas, number by number."""
    found = np.full(values.shape, np.nan)
    for j in range(values.shape[1]):
        e = g = away = seen = None
        for k in np.flatnonzero(np.isfinite(values[:, j])):
            x = values[k, j]
            if seen is None or timestamps[k] - seen > SPEC.forget_seconds:
                e, g, away, gap = x, x, 0.0, 0.0
            else:
                gap = timestamps[k] - seen
            found[k, j] = min(x - e, x - g, key=abs)
            a = 1 - 2 ** (-gap / SPEC.half_life_seconds)
            e += a * (x - e)
            away = away + gap if abs(x - g) > REACH[j] else 0.0
            if away > SPEC.patience_seconds:
                g, away = x, 0.0
            elif away == 0.0:
                g += a * (x - g)
            seen = timestamps[k]
    return found


def variabilities(timestamps, values):
    """Written down from the formulas, number by number."""
    found = np.full(values.shape, np.nan)
    for j in range(values.shape[1]):
        sums, weights, seen, before, last = [0.0, 0.0], [0.0, 0.0], None, math.nan, -math.inf
        for k, x in enumerate(values[:, j]):
            known = np.isfinite(x) and seen is not None and timestamps[k] - seen <= SPEC.forget_seconds
            averages = []
            for i, half_life in enumerate(SPEC.variability_seconds):
                keep = 2 ** (-(timestamps[k] - last) / half_life)
                sums[i], weights[i] = keep * sums[i], keep * weights[i]
                if known:
                    logarithm = math.log(abs(x - before) + FLOORS[j])
                    logarithm -= ELASTICITY[j] * math.log(abs(x) + SIZES[j]) + USUAL[j]
                    sums[i], weights[i] = sums[i] + (1 - keep) * logarithm, weights[i] + (1 - keep)
                    averages.append(sums[i] / weights[i])
            last = timestamps[k]
            if np.isfinite(x):
                seen, before = timestamps[k], x
            if known and np.isfinite(FLOORS[j]):
                found[k, j] = 0.0 if averages[0] * averages[1] < 0.0 else min(averages, key=abs)
    return found


STEPS = st.sampled_from([1.0, 59.0, 60.0, 61.0, 300.0, 1799.0, 1801.0, 90000.0])


@pytest.mark.parametrize(("kind", "definition"), [("change", changes), ("variability", variabilities)])
@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=150), st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 2**32 - 1))
def test_features_equal_the_definition_and_do_not_depend_on_cuts(kind, definition, steps, missing, seed):
    """Training and running see the same numbers, with gaps, missing values and irregular steps."""
    rng = np.random.default_rng(seed)
    values = 1e3 + 3.0 * rng.standard_t(2, (len(steps), 3))
    values[rng.random(values.shape) < missing] = np.nan
    timestamps = 1.5e9 + np.cumsum(steps)
    single, cut = features_of(kind), features_of(kind)
    one_by_one = [single.extend(timestamps[k : k + 1], values[k : k + 1])[0] for k in range(len(steps))]
    half = len(steps) // 2
    halves = [cut.extend(timestamps[part], values[part]) for part in (slice(half), slice(half, None))]
    at_once = features_of(kind).extend(timestamps, values)
    # Recurrences in blocks and one by one round differently at 1e3: a few units of the last place.
    np.testing.assert_allclose(at_once, one_by_one, rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(at_once, np.concatenate(halves), rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(at_once, definition(timestamps, values), rtol=0.0, atol=1e-9)


def change(timestamps, values, reach=math.inf):
    return ChangeFeatures(SPEC, np.array([reach])).extend(timestamps, values[:, None])[:, 0]


def test_half_life_is_a_time():
    """A step of ten is forgotten to five after one half-life, at any sampling interval."""
    for step in (10.0, 60.0, 300.0):
        timestamps = np.arange(0.0, 7201.0, step)
        found = change(timestamps, np.where(timestamps >= 3600.0, 10.0, 0.0))
        at = int(np.searchsorted(timestamps, 3600.0 + SPEC.half_life_seconds))
        assert found[at] == pytest.approx(5.0)


def test_the_return_from_an_event_is_no_event():
    """A value that comes back to where it was before two hours beyond reach has not changed."""
    timestamps = np.arange(0.0, 6 * 3600.0, 60.0)
    values = np.where((timestamps >= 7200.0) & (timestamps < 14400.0), 50.0, 5.0)
    found = change(timestamps, values, reach=3.0)
    assert found[120] == pytest.approx(45.0)
    np.testing.assert_allclose(found[240:], 0.0, atol=1e-9)


@pytest.mark.parametrize(("hours", "way_back"), [(16, 0.0), (20, -45.0)])
def test_a_level_that_stays_for_most_of_a_day_is_where_the_signal_is(hours, way_back):
    """From then on the way back is the change; the end of an incident of a night is none."""
    timestamps = np.arange(0.0, 36 * 3600.0, 60.0)
    values = np.where((timestamps >= 3600.0) & (timestamps < (1 + hours) * 3600.0), 50.0, 5.0)
    found = change(timestamps, values, reach=3.0)[60 * (1 + hours)]
    assert found == pytest.approx(way_back, rel=1e-3, abs=1e-9)


def test_a_missing_value_contributes_nothing_and_returns_without_a_spike():
    """A signal that was away longer than half an hour starts anew; meanwhile it is unknown, not zero."""
    timestamps = np.arange(0.0, 14400.0, 60.0)
    values = np.full(240, 5.0)
    values[100:160] = np.nan
    values[160:] = 50.0
    found = change(timestamps, values, reach=3.0)
    assert np.isnan(found[100:160]).all()
    assert found[160] == 0.0


def variability(values, step=60.0, rest=0.0):
    timestamps = step * np.arange(len(values))
    one = [np.array([x]) for x in (0.05, 0.1, 0.0, 0.0, rest)]
    return VariabilityFeatures(SPEC, *one).extend(timestamps, values[:, None])[:, 0]


def test_what_stands_still_and_what_grows_noisy_is_seen_and_soon_forgotten():
    """Two hours without a step, an hour of five times the noise; a quarter of an hour later both are over."""
    rng = np.random.default_rng(0)
    values = 5.0 + 0.5 * rng.standard_normal(1440)
    values[600:720] = 5.0
    values[1000:1060] = 5.0 + 2.5 * rng.standard_normal(60)
    found = variability(values)
    usual, spread = np.median(found[100:600]), np.std(found[100:600])
    assert (found[640:720] < usual - 4.0 * spread).all()
    assert np.mean(found[1030:1060] > usual + 2.0 * spread) > 0.5
    for end in (720, 1060):
        assert (np.abs(found[end + 15 : end + 200] - usual) < 4.0 * spread).mean() > 0.97


def test_noise_that_grows_with_its_signal_is_as_ever():
    """With an elasticity of one, ten times the level with ten times the noise has the same variability."""
    rng = np.random.default_rng(1)
    noise = 1.0 + 0.1 * rng.standard_normal(2000)
    level = np.where(np.arange(2000) < 1000, 1e3, 1e4)
    one = [np.array([x]) for x in (1e-6, 1e-6, 1.0, 0.0, 0.0)]
    found = VariabilityFeatures(SPEC, *one).extend(60.0 * np.arange(2000), (level * noise)[:, None])[:, 0]
    assert np.median(found[1200:]) == pytest.approx(np.median(found[200:1000]), abs=0.1)


def test_a_calm_at_rest_counts_half():
    """Of its square: seven tenths of the deviation; noise at rest, and a calm anywhere else, count whole."""
    calm, noise = np.full(200, 0.5), 0.5 + 0.5 * np.random.default_rng(2).standard_normal(200)
    np.testing.assert_allclose(variability(calm, rest=0.5), 0.7 * variability(calm))
    np.testing.assert_array_equal(variability(calm, rest=0.4), variability(calm))
    loud = variability(8.0 * noise)
    np.testing.assert_array_equal(variability(8.0 * noise, rest=99.0)[loud > 0.0], loud[loud > 0.0])
