"""What the daemon tells about itself: the facts beside the verdict, for page, terminal and metrics."""

import math
import socket
from dataclasses import replace
from typing import Final, Literal

from loadwatch.build import build
from loadwatch.clock import Clock
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.model_manager import ModelManager
from loadwatch.daemon.outbox import Outbox
from loadwatch.history import History
from loadwatch.records import Span
from loadwatch.state_directory import identity_of
from loadwatch.web import Facts, TrainingStatus

State = Literal["idle", "waiting", "running"]
MARKED_SECONDS: Final = 7 * 86_400.0
MARKS_AT_MOST: Final = 100


class Reporter:
    """Collects the facts; not for the sampling lane, for it reads the history."""

    def __init__(
        self, clock: Clock, history: History, models: ModelManager, verdicts: LiveJudge, outbox: Outbox
    ) -> None:
        self._clock = clock
        self._started = clock.wall()
        self._history = history
        self._models = models
        self._verdicts = verdicts
        self._outbox = outbox
        self._stored: tuple[int, int, Span | None] = 0, 0, None

    def collect(self) -> Facts:
        """Everything of this moment."""
        history, verdicts, now = self._history, self._verdicts, self._clock.wall()
        marked = Span(now - MARKED_SECONDS, now)
        trainings = history.training_spans(marked)[-MARKS_AT_MOST:]
        self._stored = self._read_extent()
        facts = Facts(
            host=socket.gethostname(),
            build=build(),
            started_timestamp=self._started,
            card=self._models.card,
            budget_per_week=verdicts.budget_per_week,
            worth=verdicts.worth,
            alerts=tuple(verdicts.alerts),
            maintenance=verdicts.maintenance,
            labels=tuple(history.labels(marked)[-MARKS_AT_MOST:]),
            trainings=tuple(_shown(span, marked.end) for span in trainings),
            state_identity=identity_of(history.path.parent),
        )
        return self.renew(facts)

    def renew(self, facts: Facts) -> Facts:
        """The same with what moves on by itself, where nobody wrote anything but samples since."""
        appended, rows, span = self._stored
        count, newest = self._history.appended
        return replace(
            facts,
            training=_training(self._clock, self._models),
            alerts_this_week=self._verdicts.alerts_this_week(),
            threshold_raise=self._verdicts.raised_bars,
            notifications=self._outbox.status(),
            history_rows=rows + count - appended,
            history_span=span and Span(span.start, max(span.end, newest)),
            history_stores=self._history.stores,
        )

    def _read_extent(self) -> tuple[int, int, Span | None]:
        """How many rows we have appended, how many there are, and from when to when."""
        while True:
            appended, _ = self._history.appended
            rows, span = self._history.current_row_count(), self._history.span()
            if self._history.appended[0] == appended:
                return appended, rows, span


def _shown(training: Span, now: float) -> Span:
    """While it goes on, its mark in the history has the latest end possible; when it ends is not known."""
    return Span(training.start, math.inf) if training.end > now else training


def _training(clock: Clock, models: ModelManager) -> TrainingStatus:
    state = models.learning.state
    doing: State = "waiting" if state.waiting else "running" if state.running else "idle"
    remaining = models.next_training_seconds
    if models.card is None and remaining is None:
        doing = "running"  # the first model is being made, or is just about to be
    last = state.last
    return TrainingStatus(
        state=doing,
        next_timestamp=None if remaining is None else clock.wall() + remaining,
        last_success_timestamp=state.last_success_timestamp,
        last_duration_seconds=last.duration_seconds if last and last.version else None,
        runs=state.runs,
        failures=state.failures,
        rejections=state.rejections,
        last_message=state.last_failure or (last.why if last else ""),
    )
