"""What ``replay`` says of a recording of our own stays what it was, whatever is rebuilt."""

import json
from typing import Any

import pytest

from golden.recording import FIGURES, replayed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def figures() -> tuple[dict[str, Any], dict[str, Any]]:
    """As they are, and as they were when somebody last looked at them."""
    return replayed(), json.loads(FIGURES.read_text(encoding="utf-8"))


def test_the_alerts_are_the_same(figures: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The same verdicts at the same horizons, each begun and ended within a row of where it was."""
    now, before = figures
    assert [alert[:2] for alert in now["alerts"]] == [alert[:2] for alert in before["alerts"]]
    moments = [[at for alert in each["alerts"] for at in alert[2:] if at is not None] for each in figures]
    assert moments[0] == pytest.approx(moments[1], abs=0.004)
    assert now["first signals"] == before["first signals"]


def test_the_trainings_come_and_end_the_same(figures: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Learned at the same moments, and published or refused as before."""
    now, before = figures
    assert now["trainings"] == before["trainings"]


@pytest.mark.parametrize(
    ("name", "margin"),
    [
        ("average precision", 0.001),
        ("Brier score", 0.0002),
        ("mean anomaly score", 0.001),
        ("flagged rows by horizon", 2.0),
        ("rows flagged as anomaly", 3.0),
        ("probabilities at noon", 0.002),
    ],
)
def test_the_figures_are_the_same(
    figures: tuple[dict[str, Any], dict[str, Any]], name: str, margin: float
) -> None:
    """To the third digit: another processor's rounding moves less, a changed constant moves more."""
    now, before = figures
    assert now[name] == pytest.approx(before[name], abs=margin)
