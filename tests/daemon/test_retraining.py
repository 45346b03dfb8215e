"""A training that waits for a calm moment is not lost when the daemon is stopped meanwhile."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch.config import Config
from loadwatch.daemon.retraining import DUE, Retraining
from loadwatch.errors import TrainingError
from loadwatch.history import History
from loadwatch.records import Recording, Span
from loadwatch.training.order import Outcome


class NoChild:
    """A training child that must not be started."""

    def run(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a training was started")

    def stop(self) -> None:
        """Nothing runs."""


def learning_of(
    history: History, clock: ManualClock, child: Any, *, suffering: bool, **training: Any
) -> Retraining:
    """A learning that must not get as far as an order while the host suffers."""
    config = replace(Config(), training=replace(Config().training, **training))
    return Retraining(
        config,
        clock,
        history,
        child,
        order=lambda _: pytest.fail("a training was ordered") if suffering else None,  # type: ignore[arg-type,return-value]
        adopt=lambda _: None,
        suffering=lambda: suffering,
    )


def test_a_stop_while_it_waits_leaves_the_training_due(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next start trains soon, not an interval later, and no patience is said to have run out."""
    clock = ManualClock()
    history = History.open(tmp_path / "history.db", clock=clock)
    due = clock.wall() - 60.0
    history.set_state(DUE, due)
    learning = learning_of(history, clock, NoChild(), suffering=True)
    learning.stop()
    with caplog.at_level(logging.WARNING):
        learning.train()
    assert caplog.messages == []
    assert learning.state.postponed == 0
    assert history.state(DUE) == due
    history.close()


def test_a_training_that_waits_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wonders why nothing is learned finds the reason in the journal, not a line each time it looks."""
    monkeypatch.setattr("loadwatch.daemon.retraining.SETTLE_SECONDS", 0.001)
    history = History.open(tmp_path / "history.db", clock=ManualClock())
    learning = learning_of(history, ManualClock(), NoChild(), suffering=True, patience=0.002)
    with caplog.at_level(logging.INFO):
        learning.train()
    assert caplog.messages.count("training waits: the host is under high load") == 1
    assert learning.state.postponed == 1
    history.close()


class Child:
    """A training child whose time passes on the daemon's clock, and which then fails."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def run(self, *_: Any, **__: Any) -> Any:
        self._clock.advance(30.0)
        raise TrainingError("killed for want of memory")

    def stop(self) -> None:
        """Nothing runs."""


def test_a_failed_training_is_marked_for_as_long_as_it_took(tmp_path: Path) -> None:
    """Its own time is not learned; the half hour that it might have taken is."""
    clock = ManualClock()
    history = History.open(tmp_path / "history.db", clock=clock)
    learning = learning_of(history, clock, Child(clock), suffering=False)
    start = clock.wall()
    learning.train()
    assert learning.state.failures == 1
    assert history.training_spans() == [Span(start, start + 30.0)]
    history.close()


def test_a_training_killed_with_its_daemon_is_over_at_the_next_start(tmp_path: Path) -> None:
    """Its mark reaches as far as it might have run; from the next start on everything is learned again."""
    clock = ManualClock()
    history = History.open(tmp_path / "history.db", clock=clock)
    start = clock.wall()
    history.add_training(Span(start - 500.0, start - 400.0))
    history.add_training(Span(start - 60.0, start + 1740.0))
    learning = learning_of(history, clock, NoChild(), suffering=True)
    learning.begin()
    assert history.training_spans() == [Span(start - 500.0, start - 400.0), Span(start - 60.0, start)]
    history.close()


class Publishing(Child):
    """A training child that publishes at once."""

    def run(self, *_: Any, **__: Any) -> Any:
        return Outcome("published", "published: on purpose")


@pytest.mark.parametrize("odd", [-1e9, -10 * 86_400.0, 400 * 86_400.0], ids=["1970", "behind", "ahead"])
def test_rows_of_a_wrong_clock_postpone_no_training(tmp_path: Path, odd: float) -> None:
    """A young host trains when its history has doubled, whatever its clock said at boot."""
    clock = ManualClock(1_700_000_000.0)
    history = History.open(tmp_path / "history.db", clock=clock)
    good = clock.wall() - 3000.0 + 5.0 * np.arange(600)
    for times in (good[0] + odd + 5.0 * np.arange(10), good):
        history.merge(Recording(times, ("cpu",), np.full((len(times), 1), 0.1)))
    learning = learning_of(history, clock, Publishing(clock), suffering=False)

    assert learning.train() == pytest.approx(3000.0, rel=0.15)
    history.close()
