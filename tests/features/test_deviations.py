"""Level and change of every signal, the same in a stream and in bulk, undisturbed by gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.features.deviations import DeviationFeatures, DeviationSpec

SPEC = DeviationSpec()


def features_of(timestamps, values):
    return DeviationFeatures(SPEC, values.shape[1]).extend(timestamps, values)


def definition(timestamps, values):
    """Written down from the formulas, number by number."""
    features = np.full((len(values), 2 * values.shape[1]), np.nan)
    for j in range(values.shape[1]):
        average = seen = None
        for k in np.flatnonzero(np.isfinite(values[:, j])):
            x = values[k, j]
            if seen is None or timestamps[k] - seen > SPEC.forget_seconds:
                average = x
            features[k, j], features[k, values.shape[1] + j] = x, x - average
            if seen is not None:
                average += (1 - 2 ** (-(timestamps[k] - seen) / SPEC.half_life_seconds)) * (x - average)
            seen = timestamps[k]
    return features


STEPS = st.sampled_from([1.0, 59.0, 60.0, 61.0, 300.0, 1799.0, 1801.0, 90000.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=150), st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 2**32 - 1))
def test_features_equal_the_definition_and_do_not_depend_on_cuts(steps, missing, seed):
    """Training and running see the same numbers, with gaps, missing values and irregular steps."""
    rng = np.random.default_rng(seed)
    values = rng.normal(1e3, 1.0, (len(steps), 4))
    values[rng.random(values.shape) < missing] = np.nan
    timestamps = 1.5e9 + np.cumsum(steps)
    single = DeviationFeatures(SPEC, 4)
    one_by_one = [single.extend(timestamps[k : k + 1], values[k : k + 1])[0] for k in range(len(steps))]
    at_once = features_of(timestamps, values)
    # Recurrences in blocks and one by one round differently at 1e3: a few units of the last place.
    np.testing.assert_allclose(at_once, one_by_one, rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(at_once, definition(timestamps, values), rtol=0.0, atol=1e-9)


def test_half_life_is_a_time():
    """A step of ten is forgotten to five after one half-life, at any sampling interval."""
    for step in (10.0, 60.0, 300.0):
        timestamps = np.arange(0.0, 7201.0, step)
        values = np.where(timestamps >= 3600.0, 10.0, 0.0)[:, None]
        change = features_of(timestamps, values)[:, 1]
        at = int(np.searchsorted(timestamps, 3600.0 + SPEC.half_life_seconds))
        assert change[at] == pytest.approx(5.0)


def test_a_missing_value_contributes_nothing_and_returns_without_a_spike():
    """A signal that was away longer than half an hour starts anew; meanwhile it is unknown, not zero."""
    timestamps = np.arange(0.0, 14400.0, 60.0)
    values = np.full((240, 1), 5.0)
    values[100:160] = np.nan
    values[160:] = 50.0
    features = features_of(timestamps, values)
    assert np.isnan(features[100:160]).all()
    assert features[160].tolist() == [50.0, 0.0]


def test_first_row_has_no_change():
    """Nothing is known of before: the change is zero, not the level."""
    assert features_of(np.array([0.0]), np.array([[7.0]])).tolist() == [[7.0, 0.0]]
