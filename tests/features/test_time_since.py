"""How long ago load was high, in logarithms that end where it no longer matters."""

import numpy as np

from loadwatch.features.time_since import TimeSince


def test_a_week_ago_is_as_long_ago_as_never() -> None:
    """Before anything was high, and from a week after its end on; a day less is told from it."""
    days = np.array([0.0, 1.0, 1.01, 7.0, 7.99, 8.02, 30.0])
    answers, _ = TimeSince().extend(86_400.0 * days, days == 1.0)
    since_high, never = answers[:, 0], np.log1p(7 * 86_400.0 / 300.0)
    assert since_high[0] == never
    assert since_high[1] == 0.0
    assert since_high[3] < since_high[4] < never
    assert (since_high[5:] == never).all()
