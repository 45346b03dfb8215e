"""How long was measured, whatever the clock did."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.records import Alert, Contribution, Recording, measured_steps

HOUR = 3600.0
NOW = 1_700_000_000.0
GOOD = NOW - 3000.0 + 5.0 * np.arange(600)


def measured(*parts: np.ndarray) -> float:
    times = np.concatenate(parts)
    return Recording(times, (), np.empty((len(times), 0))).measured_seconds


@given(st.lists(st.floats(0.5, HOUR), min_size=1, max_size=50))
def test_without_gaps_it_is_the_time_from_the_first_row_to_the_last(steps: list[float]) -> None:
    """Whatever the spacing, up to an hour a row."""
    times = NOW + np.cumsum([0.0, *steps])
    assert measured_steps(times).sum() == pytest.approx(times[-1] - times[0])


@pytest.mark.parametrize("ago", [20 * HOUR, 10 * 86_400.0, NOW - 40.0], ids=["a day", "ten days", "1970"])
def test_rows_of_a_wrong_clock_do_not_stretch_what_was_measured(ago: float) -> None:
    """Ten rows from before the clock was set are fifty seconds, not the time since."""
    wrong = NOW - ago + 5.0 * np.arange(10)
    assert measured(wrong, GOOD) == measured(GOOD) + 45.0


def test_a_gap_of_weeks_is_a_gap() -> None:
    """Both pieces count, however long the first one was."""
    before = NOW - 60 * 86_400.0 + 300.0 * np.arange(288 * 30)
    assert measured(before, GOOD) == measured(before) + measured(GOOD)


def test_a_night_without_samples_belongs_to_weeks_of_history() -> None:
    """A machine that is switched off from evening to morning has a history of weeks all the same."""
    days = [NOW - day * 86_400.0 + 60.0 * np.arange(10 * 60) for day in range(14, 0, -1)]
    assert measured(*days) == pytest.approx(13 * 86_400.0 + 10 * HOUR, abs=60.0)


def test_the_limit_that_opened_an_alert_is_its_first_reason() -> None:
    """No model need see it; what the model saw comes after, and nothing twice."""
    opened = Alert(1, "high_load", 0.0, flagged_by="limit", signals=(Contribution("memory", 4.0),))
    seen = (Contribution("network_receive", 0.5), Contribution("memory", 0.1))
    assert [part.signal for part in opened.driven_by(seen).signals] == ["memory", "network_receive"]
