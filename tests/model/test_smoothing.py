"""Surprises are smoothed and held signal by signal, as defined, however the minutes are cut."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.model.smoothing import ScoreSmoother, SmoothingSpec

SPEC = SmoothingSpec()
GAPS = st.sampled_from([1.0, 60.0, 61.0, 300.0, 1e5])


def definition(timestamps, c):
    """Written down from the formulas."""
    held = np.empty(c.shape)
    y = h = np.zeros(c.shape[1])
    for row, gap in enumerate(np.diff(timestamps, prepend=-np.inf)):
        y = y + (1.0 - 2.0 ** (-gap / SPEC.smoothing_seconds)) * (c[row] - y)
        h = np.maximum(y, h * 2.0 ** (-gap / SPEC.hold_seconds))
        held[row] = h
    return held


@settings(max_examples=50, deadline=None)
@given(st.lists(GAPS, min_size=1, max_size=150), st.integers(0, 150), st.integers(0, 2**32 - 1))
def test_held_surprises_equal_the_definition_and_do_not_depend_on_cuts(gaps, cut, seed):
    """At once, or in two pieces: the numbers of the formulas."""
    c = np.random.default_rng(seed).exponential(size=(len(gaps), 3)).astype(np.float32)
    timestamps = 1.5e9 + np.cumsum(gaps)
    expected = definition(timestamps, c)
    np.testing.assert_allclose(ScoreSmoother(SPEC, 3).extend(timestamps, c), expected, rtol=1e-9, atol=1e-12)
    hold = ScoreSmoother(SPEC, 3)
    pieces = [hold.extend(timestamps[:cut], c[:cut]), hold.extend(timestamps[cut:], c[cut:])]
    np.testing.assert_allclose(np.concatenate(pieces), expected, rtol=1e-9, atol=1e-12)


def test_signals_that_flare_up_one_after_another_add_up():
    """Two signals odd three minutes apart count nearly as much as two odd at once."""
    timestamps = 60.0 * np.arange(20.0)
    apart, together = np.zeros((20, 2), np.float32), np.zeros((20, 2), np.float32)
    apart[10, 0] = apart[13, 1] = 100.0
    together[10] = 100.0
    highest = [ScoreSmoother(SPEC, 2).extend(timestamps, c).mean(axis=1).max() for c in (apart, together)]
    assert highest[0] > 0.8 * highest[1]
