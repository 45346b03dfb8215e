"""One training from order to outcome: read the history, learn, judge, publish or refuse."""

import base64
import contextlib
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from loadwatch.errors import ServiceError, TrainingError
from loadwatch.files import lacks_room
from loadwatch.history import History
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.store import ModelStore, new_version
from loadwatch.records import Span
from loadwatch.training.bootstrap import first_model
from loadwatch.training.candidate import Progress, TrainingInput, make_candidate
from loadwatch.training.order import ENOUGH, Order, Outcome, Result

LEAST_ROWS: Final = 60
MOST_ROWS: Final = 250_000
"""Two weeks of samples of five seconds; with 27 signals 54 MB."""


def train(order: Order, progress: Progress) -> Outcome:
    """Train as ordered and publish the result if it is no worse than what runs.

    Raises:
        TrainingError: no candidate could be made of this history.
        HistoryError: the history cannot be read.
        OSError: the model cannot be written.

    """
    store = ModelStore(Path(order.state_directory) / "models")
    make = _bootstrap if order.bootstrap else _learn
    return make(order, store, progress)


def _bootstrap(order: Order, store: ModelStore, progress: Progress) -> Outcome:
    """A first model from synthetic metrics, so that there is a verdict within seconds."""
    progress("learning from synthetic metrics", 0.0)
    model = first_model(
        Rule.parse(order.rule),
        order.horizons,
        step=order.interval_seconds,
        seed=order.seed,
        version=new_version(order.now, store),
        now=order.now,
        host=order.host,
    )
    try:
        store.publish(model)
    except (OSError, ServiceError) as error:
        if not lacks_room(error):
            raise
        # A daemon that starts on a full disk has a verdict all the same, and stores the model later.
        return replace(
            _outcome("published", model.card), unstored=base64.b64encode(model.to_bytes()).decode()
        )
    return _outcome("published", model.card)


def _learn(order: Order, store: ModelStore, progress: Progress) -> Outcome:
    """A candidate from this host's own history, judged on the newest part of it."""
    started = time.monotonic()
    material = _material(order)
    rows = len(material.recording)
    least = ENOUGH * order.minimum_seconds
    if material.seconds < least or rows < LEAST_ROWS:
        needed = f"{least:.0f} s in {LEAST_ROWS} rows are needed"
        return Outcome(
            "too_little", f"{material.seconds:.0f} s of history in {rows} rows, {needed}", rows=rows
        )
    incumbent, rule = _incumbent(store), Rule.parse(order.rule)
    candidate = make_candidate(material, rule, order.horizons, incumbent, seed=order.seed, progress=progress)
    model = candidate.model(
        material,
        rule,
        incumbent,
        version=new_version(order.now, store),
        now=order.now,
        host=order.host,
        seconds=time.monotonic() - started,
    )
    store.publish(model)
    return _outcome("rejected" if candidate.refusal else "published", model.card)


def _incumbent(store: ModelStore) -> Model:
    """The model in use."""
    model = store.load_current().model
    if model is None:
        raise TrainingError("there is no model to compare with; start the daemon, it makes a first one")
    return model


def _material(order: Order) -> TrainingInput:
    """Everything the stored history says about the span to learn from."""
    span = Span(order.now - order.history_seconds, order.now)
    with contextlib.closing(History.read(Path(order.state_directory) / "history.db")) as history:
        own = history.training_spans(span)
        typed = [window.span for window in history.maintenance(span)]
        recurring = [Span(start, end) for start, end in order.maintenance]
        alerts = history.alerts(span, verdict="anomaly")
        return TrainingInput(
            history.recording(span.start, span.end, step=_step(order, history, span)),
            history.labels(span),
            [*own, *typed, *recurring],
            alerts,
            order.units,
            history.rewritten(),
        )


def _step(order: Order, history: History, span: Span) -> float | None:
    """Seconds to average over so that a long history at a short interval fits into memory, None for none."""
    if history.row_count(span.start, span.end) <= MOST_ROWS:
        return None
    seconds = history.measured_seconds(span)
    return math.ceil(seconds / order.interval_seconds / MOST_ROWS) * order.interval_seconds


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
