"""What is usual is subtracted as the formulas say."""

import numpy as np
import pytest

from loadwatch.model.baseline import AnomalySettings, Baseline

NOON = 1.7e9 // 86_400.0 * 86_400.0 + 43_200.0


def baseline(season: float) -> Baseline:
    """One signal whose oddity is usually ``season``."""
    return Baseline(
        ("cpu",),
        course=np.zeros((2, 48, 1)),
        width=np.ones(1),
        reach=np.ones(2),
        step_floors=np.ones(1),
        size_floors=np.ones(1),
        elasticity=np.zeros(1),
        usual_step=np.zeros(1),
        rest=np.zeros(1),
        centre=np.zeros(4),
        spread=np.ones(4),
        factor=np.ones((48, 4)),
        season=np.full((48, 1), season),
    )


@pytest.mark.parametrize(
    ("season", "recurring", "surprise"),
    [(0.0, 0.0, 9.0), (2.0, 0.0, 5.0), (2.0, 3.0, 3.0), (2.0, 4.5, 0.0), (20.0, 0.0, 0.0)],
)
def test_twice_what_is_usual_and_one_more_is_no_surprise(
    season: float, recurring: float, surprise: float
) -> None:
    """Usual is the half hour of the day or what came back at it, whichever is more."""
    oddity = np.full((1, 1), 10.0, np.float32)
    found = baseline(season).surprises(np.array([NOON]), oddity, np.array([[recurring]]))
    assert found.item() == pytest.approx(surprise)


def test_a_deviation_counts_at_most_twenty_spreads_and_variability_twice_as_much_as_the_level() -> None:
    """A level and a change of 3 spreads and a variability of 2; then a level beyond all measure."""
    features = np.array([[3.0, 3.0, 0.0, 2.0], [1e9, 0.0, 0.0, 0.0]])
    found = baseline(0.0).oddity(np.array([NOON, NOON]), features)
    assert found[:, 0].tolist() == [9.0 + 4.0, 200.0]


@pytest.mark.parametrize(
    ("change", "relative", "oddity"), [(-2.0, -6.0, 18.0), (-8.0, -6.0, 32.0), (2.0, 6.0, 2.0)]
)
def test_a_fall_counts_as_change_or_in_proportion_whichever_is_odder(
    change: float, relative: float, oddity: float
) -> None:
    """A rise counts by its size alone: what grows by much from next to nothing is mostly still little."""
    features = np.array([[0.0, change, relative, 0.0]])
    assert baseline(0.0).oddity(np.array([NOON]), features).item() == oddity


def test_averages_grow_with_the_steps_between_rows() -> None:
    """Rows every ten minutes: averages ten times as long as for minutes, of variability twice as five.

    A peak is held as long as ever: with it a flag and an incident's end would come late on coarse rows.
    """
    plain, stretched = AnomalySettings(), AnomalySettings().stretched(600.0)
    assert AnomalySettings().stretched(5.0) == plain
    assert stretched.hold.smoothing_seconds == 10.0 * plain.hold.smoothing_seconds
    assert stretched.hold.hold_seconds == plain.hold.hold_seconds == 360.0
    slow, fast = plain.deviations.variability_seconds
    assert stretched.deviations.variability_seconds == (2.0 * slow, 2.0 * fast)
