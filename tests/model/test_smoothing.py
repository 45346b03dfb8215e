"""Surprises are smoothed and held signal by signal, as defined, however the minutes are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.model.smoothing import CLEARED, ScoreSmoother, SmoothingSpec

SPEC = SmoothingSpec()
GAPS = st.sampled_from([1.0, 60.0, 61.0, 300.0, 1e5])


def definition(timestamps, c, threshold=0.0):
    """Written down from the formulas."""
    held = np.empty(c.shape)
    y = h = np.zeros(c.shape[1])
    loud = -np.inf
    for row, gap in enumerate(np.diff(timestamps, prepend=-np.inf)):
        y = y + (1.0 - 2.0 ** (-gap / SPEC.smoothing_seconds)) * (c[row] - y)
        h = np.maximum(y, h * 2.0 ** (-gap / SPEC.hold_seconds))
        if c[row].sum() >= CLEARED * threshold:
            loud = timestamps[row]
        elif timestamps[row] - loud >= SPEC.calm_seconds and h.sum() > CLEARED * threshold:
            fallen = 2.0 ** (-gap / SPEC.release_seconds)
            y, h = c[row], h * max(fallen, CLEARED * threshold / h.sum())
        held[row] = h
    return held


@settings(max_examples=50, deadline=None)
@given(
    st.lists(GAPS, min_size=1, max_size=150),
    st.integers(0, 150),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 3.0]),
)
def test_held_surprises_equal_the_definition_and_do_not_depend_on_cuts(gaps, cut, seed, threshold):
    """At once, or in two pieces: the numbers of the formulas."""
    rng = np.random.default_rng(seed)
    calm = rng.random(len(gaps)) < 0.9
    c = np.where(calm[:, None], 0.1, rng.exponential(10.0, size=(len(gaps), 3))).astype(np.float32)
    timestamps = 1.5e9 + np.cumsum(gaps)
    expected = definition(timestamps, c.astype(float), threshold)
    at_once = ScoreSmoother(SPEC, 3, threshold).extend(timestamps, c)
    np.testing.assert_allclose(at_once, expected, rtol=1e-6, atol=1e-12)
    hold = ScoreSmoother(SPEC, 3, threshold)
    pieces = [hold.extend(timestamps[:cut], c[:cut]), hold.extend(timestamps[cut:], c[cut:])]
    np.testing.assert_allclose(np.concatenate(pieces), at_once, rtol=1e-9, atol=1e-12)


def test_signals_that_flare_up_one_after_another_add_up():
    """Two signals odd three minutes apart count nearly as much as two odd at once."""
    timestamps = 60.0 * np.arange(20.0)
    apart, together = np.zeros((20, 2), np.float32), np.zeros((20, 2), np.float32)
    apart[10, 0] = apart[13, 1] = 100.0
    together[10] = 100.0
    highest = [ScoreSmoother(SPEC, 2).extend(timestamps, c).mean(axis=1).max() for c in (apart, together)]
    assert highest[0] > 0.8 * highest[1]


@pytest.mark.parametrize("step", [60.0, 300.0])
def test_what_is_over_is_let_go_within_minutes(step):
    """A quarter of an hour after any peak a flag is clear, at odds of 1 to 3; not all is forgotten."""
    timestamps = step * np.arange(100.0)
    c = np.zeros((100, 2), np.float32)
    c[20:30] = 400.0
    held = ScoreSmoother(SPEC, 2, 8.0).extend(timestamps, c).sum(axis=1)
    over = int(np.searchsorted(timestamps, timestamps[29] + 900.0))
    assert held[29] > 700.0
    assert 0.1 * 8.0 < held[over] < 8.0 / 3.0
