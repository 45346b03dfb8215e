"""A training that is ordered too early says how much history it lacks."""

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch.errors import TrainingError
from loadwatch.history import History
from loadwatch.labels.rule import DEFAULT_WORD
from loadwatch.records import Recording
from loadwatch.training.order import Order
from loadwatch.training.run import train

MINIMUM = 3600.0


def ordered(folder: Path, seconds: float) -> Order:
    """To train on so much history, with samples of five seconds."""
    times = time.time() - np.arange(0.0, seconds + 2.5, 5.0)[::-1]
    with closing(History.open(folder / "history.db", clock=ManualClock())) as history:
        history.merge(Recording(times, ("cpu",), np.full((len(times), 1), 0.2)))
    spans = {"interval_seconds": 5.0, "history_seconds": 86_400.0, "minimum_seconds": MINIMUM}
    return Order(
        str(folder), times[-1] + 5.0, DEFAULT_WORD, [0, 60], budget_per_week=2.0, host="web-1", **spans
    )


def test_nine_tenths_of_the_minimum_are_too_little(tmp_path: Path) -> None:
    """It says how much there is, and how much it takes."""
    outcome = train(ordered(tmp_path, 0.9 * MINIMUM), lambda _stage, _share: None)
    assert outcome.result == "too_little"
    assert "3420 s in 60 rows are needed" in outcome.why


def test_the_sample_that_comes_last_is_not_waited_for(tmp_path: Path) -> None:
    """A model asked for within a quarter of an hour is at work by then: 95 % of the minimum do."""
    with pytest.raises(TrainingError, match="no model to compare with"):
        train(ordered(tmp_path, 0.96 * MINIMUM), lambda _stage, _share: None)
