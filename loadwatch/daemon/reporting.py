"""What the daemon tells about itself: the facts beside the verdict, for page, terminal and metrics."""

import math
import socket
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


def collect_facts(
    clock: Clock, started: float, history: History, models: ModelManager, verdicts: LiveJudge, outbox: Outbox
) -> Facts:
    """Everything of this moment; reads the history, so not for the sampling lane."""
    now = clock.wall()
    marked = Span(now - MARKED_SECONDS, now)
    return Facts(
        host=socket.gethostname(),
        build=build(),
        started_timestamp=started,
        card=models.card,
        training=_training(clock, models),
        budget_per_week=verdicts.budget_per_week,
        alerts_this_week=verdicts.alerts_this_week(),
        worth=verdicts.worth,
        threshold_raise=verdicts.raised_bars,
        alerts=tuple(verdicts.alerts),
        maintenance=verdicts.maintenance,
        labels=tuple(history.labels(marked)[-MARKS_AT_MOST:]),
        trainings=tuple(_shown(span, marked.end) for span in history.training_spans(marked)[-MARKS_AT_MOST:]),
        notifications=outbox.status(),
        state_identity=identity_of(history.path.parent),
        history_rows=history.current_row_count(),
        history_span=history.span(),
        history_stores=history.stores,
    )


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
