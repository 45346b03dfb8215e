"""One training from order to outcome: read the history, learn, judge, publish or refuse."""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from loadwatch.errors import TrainingError
from loadwatch.history import History
from loadwatch.labels.rule import Rule
from loadwatch.model.anomaly import AnomalyModel
from loadwatch.model.file import Card, Model
from loadwatch.model.forecast import ForecastModel
from loadwatch.model.store import ModelStore, new_version
from loadwatch.records import Recording, Span
from loadwatch.training.anomaly import train_anomaly
from loadwatch.training.bootstrap import train_bootstrap
from loadwatch.training.forecast import train_forecast

log = logging.getLogger(__name__)

Result = Literal["published", "rejected", "too_little"]
Progress = Callable[[str, float], None]

HELD_OUT: Final = 0.2
"""Newest share of the history that judges the candidate and that it does not learn from."""
LEAST_ROWS: Final = 60
NOTICES_PER_DAY: Final = 1.0
"""Anomaly flags a day on what was normal; fewer find under half of the incidents (measured, see README)."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to train on and how; plain values, because it crosses into another process as JSON.

    ``now`` is the wall time at which the order was given; ``maintenance`` holds [start, end] pairs of
    recurring windows (those typed by an operator are in the history).
    """

    state_directory: str
    now: float
    rule: str
    horizons: list[int]
    interval_seconds: float
    history_seconds: float
    minimum_seconds: float
    budget_per_week: float
    host: str
    bootstrap: bool = False
    seed: int = 0
    maintenance: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training."""

    result: Result
    why: str
    version: str = ""
    duration_seconds: float = 0.0
    rows: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


def train(order: Order, progress: Progress) -> Outcome:
    """Train as ordered and publish the result if it is no worse than what runs.

    Raises:
        TrainingError: no candidate could be made of this history.
        HistoryError: the history cannot be read.
        OSError: the model cannot be written.

    """
    started = time.monotonic()
    store = ModelStore(Path(order.state_directory) / "models")
    make = _bootstrap if order.bootstrap else _learn
    return make(order, store, started, progress)


def _bootstrap(order: Order, store: ModelStore, started: float, progress: Progress) -> Outcome:
    """A first model from synthetic metrics, so that there is a verdict within seconds."""
    progress("learning from synthetic metrics", 0.0)
    rule = Rule.parse(order.rule)
    forecast, report = train_bootstrap(rule, order.horizons, step=order.interval_seconds, seed=order.seed)
    card = Card(
        version=new_version(order.now, store),
        origin="bootstrap",
        trained_timestamp=order.now,
        host=order.host,
        rule=order.rule,
        horizons=tuple(order.horizons),
        signals=tuple(sorted(rule.signals)),
        row_seconds=order.interval_seconds,
        start_timestamp=order.now,
        end_timestamp=order.now,
        rows=report.rows,
        duration_seconds=time.monotonic() - started,
        losses={"train": report.loss},
        thresholds=_thresholds(forecast),
        why="first model, from synthetic metrics",
    )
    store.publish(Model(card, forecast))
    return _outcome("published", card)


def _learn(order: Order, store: ModelStore, started: float, progress: Progress) -> Outcome:
    """A candidate from this host's own history, judged on the newest part of it."""
    with contextlib.closing(History.read(Path(order.state_directory) / "history.db")) as history:
        recording = history.recording(order.now - order.history_seconds, order.now)
        span = Span(order.now - order.history_seconds, order.now)
        labels = history.labels(span)
        maintenance = [window.span for window in history.maintenance(span)]
        own = history.training_spans(span)
        alerts = history.alerts(span, verdict="anomaly")
    incidents = [label.span for label in labels if label.kind == "incident"]
    flagged = [Span(alert.start, alert.end or order.now) for alert in alerts]
    length = float(recording.timestamps[-1] - recording.timestamps[0]) if len(recording) else 0.0
    if length < order.minimum_seconds or len(recording) < LEAST_ROWS:
        why = f"{length:.0f} s of history in {len(recording)} rows, {order.minimum_seconds:.0f} s are needed"
        return Outcome("too_little", why, rows=len(recording))
    masks = [*maintenance, *own, *(Span(start, end) for start, end in order.maintenance)]
    rule = Rule.parse(order.rule)
    progress("learning to forecast", 0.0)
    candidate, report = train_forecast(
        recording,
        rule,
        order.horizons,
        labels=labels,
        masks=masks,
        seed=order.seed,
        progress=lambda share: progress("learning to forecast", share),
    )
    card = Card(
        version=new_version(order.now, store),
        origin="trained",
        trained_timestamp=order.now,
        host=order.host,
        rule=order.rule,
        horizons=tuple(order.horizons),
        signals=recording.signals,
        row_seconds=candidate.spec.step,
        start_timestamp=float(recording.timestamps[0]),
        end_timestamp=float(recording.timestamps[-1]),
        rows=report.rows,
        duration_seconds=time.monotonic() - started,
        losses={"train": report.loss},
        thresholds=_thresholds(candidate),
    )
    progress("learning what is usual", 0.0)
    anomaly = _learn_usual(recording, [*masks, *incidents], flagged, order)
    store.publish(Model(card, candidate, anomaly))
    return _outcome("published", card)


def _learn_usual(
    recording: Recording, exclude: Sequence[Span], flagged: Sequence[Span], order: Order
) -> AnomalyModel | None:
    """The anomaly half, or None where the masks leave too little of the history to say what is usual."""
    try:
        model, _ = train_anomaly(
            recording, exclude=exclude, flagged=flagged, budget_per_day=NOTICES_PER_DAY, seed=order.seed
        )
    except TrainingError as error:
        log.info("no anomaly model yet: %s", error)
        return None
    return model


def _thresholds(forecast: ForecastModel) -> dict[str, float]:
    return {
        str(horizon): float(threshold)
        for horizon, threshold in zip(forecast.horizons, forecast.thresholds, strict=True)
    }


def _outcome(result: Result, card: Card) -> Outcome:
    return Outcome(
        result,
        card.why,
        card.version,
        card.duration_seconds,
        card.rows,
        dict(card.losses),
        dict(card.figures),
    )
