"""What ``replay`` says of a recording of our own stays what it was, whatever is rebuilt."""

import json
from typing import Final

import pytest

from golden.recording import FIGURES, replayed

MARGINS: Final = {
    "average precision": 0.001,
    "Brier score": 0.0002,
    "mean anomaly score": 0.001,
    "flagged rows by horizon": 2.0,
    "rows flagged as anomaly": 3.0,
    "probabilities at noon": 0.002,
}
"""To the third digit: another processor's rounding moves less, a changed constant moves more."""


@pytest.mark.slow
def test_a_replay_says_what_it_said_when_somebody_last_looked() -> None:
    """The same alerts, each begun and ended within a row of where it was; trainings, scores and flags too.

    One test, because the replay takes a minute and workers share no fixture.
    """
    now, before = replayed(), json.loads(FIGURES.read_text(encoding="utf-8"))
    assert [alert[:2] for alert in now["alerts"]] == [alert[:2] for alert in before["alerts"]]
    moments = [
        [at for alert in each["alerts"] for at in alert[2:] if at is not None] for each in (now, before)
    ]
    assert moments[0] == pytest.approx(moments[1], abs=0.004)
    assert now["first signals"] == before["first signals"]
    assert now["trainings"] == before["trainings"]
    for name, margin in MARGINS.items():
        assert now[name] == pytest.approx(before[name], abs=margin), name
