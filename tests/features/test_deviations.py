"""Level and change of every signal, the same in a stream and in bulk, undisturbed by gaps."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.features.deviations import DeviationFeatures, DeviationSpec, deviation_features

SPEC = DeviationSpec()
STEPS = st.sampled_from([1.0, 59.0, 60.0, 61.0, 300.0, 1799.0, 1801.0, 90000.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=150), st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 2**32 - 1))
def test_stream_and_bulk_give_the_same_features(steps, missing, seed):
    """Training and running see the same numbers, with gaps, missing values and irregular steps."""
    rng = np.random.default_rng(seed)
    values = rng.normal(1e3, 1.0, (len(steps), 4))
    values[rng.random(values.shape) < missing] = np.nan
    timestamps = 1.5e9 + np.cumsum(steps)
    stream = DeviationFeatures(SPEC, 4)
    one_by_one = np.array([stream.update(float(t), row) for t, row in zip(timestamps, values, strict=True)])
    bulk = deviation_features(SPEC, timestamps, values)
    # Both round differently at 1e3: a few units of the last place.
    np.testing.assert_allclose(bulk, one_by_one, rtol=0.0, atol=1e-9)


def test_half_life_is_a_time():
    """A step of ten is forgotten to five after one half-life, at any sampling interval."""
    for step in (10.0, 60.0, 300.0):
        timestamps = np.arange(0.0, 7201.0, step)
        values = np.where(timestamps >= 3600.0, 10.0, 0.0)[:, None]
        change = deviation_features(SPEC, timestamps, values)[:, 1]
        at = np.searchsorted(timestamps, 3600.0 + SPEC.half_life_seconds)
        assert change[at] == np.float64(10.0) * 0.5 ** ((SPEC.half_life_seconds - 0.0) / 600.0) or abs(
            change[at] - 5.0
        ) < 10.0 * (1.0 - 0.5 ** (step / 600.0))


def test_a_missing_value_contributes_nothing_and_returns_without_a_spike():
    """A signal that was away longer than half an hour starts anew; meanwhile it is unknown, not zero."""
    timestamps = np.arange(0.0, 14400.0, 60.0)
    values = np.full((240, 1), 5.0)
    values[100:160] = np.nan
    values[160:] = 50.0
    features = deviation_features(SPEC, timestamps, values)
    assert np.isnan(features[100:160]).all()
    assert features[160].tolist() == [50.0, 0.0]


def test_first_row_has_no_change():
    """Nothing is known of before: the change is zero, not the level."""
    assert DeviationFeatures(SPEC, 2).update(0.0, np.array([7.0, np.nan])).tolist()[0::2] == [7.0, 0.0]
