"""What the daemon tells about itself: the facts beside the verdict, for page, terminal and metrics."""

import socket
from typing import Literal

from loadwatch.build import build
from loadwatch.clock import Clock
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.model_manager import ModelManager
from loadwatch.history import History
from loadwatch.records import Span
from loadwatch.state_directory import identity_of
from loadwatch.web import Facts, ModelCard, TrainingStatus, Worth

State = Literal["idle", "waiting", "running"]


def collect_facts(
    clock: Clock, started: float, history: History, models: ModelManager, verdicts: LiveJudge
) -> Facts:
    """Everything of this moment; reads the history, so not for the sampling lane."""
    return Facts(
        host=socket.gethostname(),
        build=build(),
        started_timestamp=started,
        model_card=_card(models),
        training=_training(clock, models),
        worth=_worth(verdicts),
        alerts=tuple(verdicts.alerts),
        maintenance=verdicts.maintenance,
        state_identity=identity_of(history.path.parent),
        history_rows=history.current_row_count(),
        history_span=history.span(),
        history_stores=history.stores,
    )


def _card(models: ModelManager) -> ModelCard:
    card = models.card
    if card is None:
        return ModelCard()
    span = Span(card.start_timestamp, card.end_timestamp)
    return ModelCard(card.rows, span, card.losses, card.brier, card.thresholds)


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
        last_duration=last.duration_seconds if last and last.version else None,
        runs=state.runs,
        failures=state.failures,
        rejections=state.rejections,
        last_message=state.last_failure or (last.why if last else ""),
    )


def _worth(verdicts: LiveJudge) -> Worth:
    worth = verdicts.worth
    return Worth(
        budget_per_week=verdicts.budget_per_week,
        alerts_this_week=verdicts.alerts_this_week(),
        false_per_week={
            verdict: each.false_per_week for verdict, each in worth.items() if each.false_per_week is not None
        },
        threshold_raise=verdicts.raised_bars,
        forecast_hit_ratio=worth["high_load"].hit_rate if worth else None,
        forecast_lead_time=worth["high_load"].median_lead_seconds if worth else None,
    )
