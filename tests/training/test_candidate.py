"""When a history has grown enough to learn from it again."""

import pytest

from loadwatch.training.candidate import next_interval

HOUR = 3600.0


@pytest.mark.parametrize(
    ("history", "interval"),
    [
        (0.0, 0.25),  # at first the least that is learned from
        (1.0, 1.0),  # then whenever it has doubled
        (5.0, 5.0),
        (6.0, 6.0),  # then as often as configured
        (36.0, 6.0),
        (60.0, 10.0),  # and at last when it has grown by a sixth
        (2160.0, 360.0),
    ],
)
def test_a_young_history_is_learned_often_and_an_old_one_seldom(history: float, interval: float) -> None:
    """Configured are a quarter of an hour at least, and every six hours; all numbers are hours."""
    assert next_interval(history * HOUR, 6.0 * HOUR, 0.25 * HOUR) == pytest.approx(interval * HOUR)
