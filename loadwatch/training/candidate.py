"""A candidate model from a stretch of history: what both the daemon's training and a replay make."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from loadwatch.errors import TrainingError
from loadwatch.labels.horizons import labelled_levels
from loadwatch.labels.rule import Rule
from loadwatch.model.anomaly import AnomalyModel
from loadwatch.model.bundle import Card, Model
from loadwatch.model.forecast import ForecastModel
from loadwatch.model.patterns import LabelledPatterns
from loadwatch.records import Alert, Floats, Label, Recording, Span
from loadwatch.signals import Unit
from loadwatch.training.anomaly import train_anomaly
from loadwatch.training.evaluation import KEPT, Decision, held_out_start, judge_forecast
from loadwatch.training.forecast import ForecastReport, Lesson
from loadwatch.training.patterns import learn_patterns

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Told what goes on, the share of all that is done, and while a network learns its newest loss."""

    def __call__(self, stage: str, share: float, loss: float | None = None) -> None:
        """Take note."""


LEARNING, JUDGING, LEARNING_ALL, LEARNING_USUAL = 0.0, 0.75, 0.79, 0.88
"""At which share of the whole each stage begins, roughly as long as it takes."""
RENEWED: Final = 0.6
"""Of the history newer than the drawing of the weights, at most: then they are drawn anew."""
NOTICES_PER_DAY = 1.0
"""Anomaly flags a day on what was normal; fewer find under half of the incidents (measured)."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingInput:
    """What there is to learn from.

    masks: spans out of which nothing is learned (maintenance, our own training); alerts: what the judge
    alerted about in that time; units: of signals that are not ours, where they have one; rewritten: when
    somebody last changed what had been stored before (labels, imports, what was removed).
    """

    recording: Recording
    labels: Sequence[Label] = ()
    masks: Sequence[Span] = ()
    alerts: Sequence[Alert] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)
    rewritten: float = -math.inf

    @property
    def seconds(self) -> float:
        """How long was measured."""
        return self.recording.measured_seconds

    def suspect(self, levels: Floats) -> list[Span]:
        """What is not taken for usual: anomaly alerts, and high load by the rule's levels (N,) and labels."""
        times = self.recording.timestamps
        levels = labelled_levels(times, levels, self.labels)
        edges = np.flatnonzero(np.diff(levels > 1.0, prepend=False, append=False)).reshape(-1, 2)
        high = [Span(float(times[a]), float(np.nextafter(times[b - 1], np.inf))) for a, b in edges.tolist()]
        odd = [alert for alert in self.alerts if alert.verdict == "anomaly"]
        return [*high, *(Span(alert.start, math.inf if alert.end is None else alert.end) for alert in odd)]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """What came of it.

    ``forecast`` is the new one if it won the comparison, otherwise the incumbent's, which ``refusal`` then
    explains. ``learned_until`` is up to where that forecast has learned, ``cold_start`` up to where it had
    when its weights were last drawn. ``anomaly`` is None where the masks leave too little to say what is
    usual. ``labelled`` is what the labels teach, whoever won.
    """

    forecast: ForecastModel
    anomaly: AnomalyModel | None
    learned_until: float
    cold_start: float
    rows: int
    why: str
    refusal: str = ""
    losses: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    labelled: LabelledPatterns | None = None

    def model(
        self,
        material: TrainingInput,
        rule: Rule,
        incumbent: Model,
        *,
        version: str,
        now: float,
        host: str,
        seconds: float,
    ) -> Model:
        """With its card, as it goes to work; ``seconds``: how long the training took.

        A refused forecast keeps its place, but what is usual and what was told is put beside it anew.
        """
        card = Card(
            version=version,
            origin=incumbent.card.origin if self.refusal else "trained",
            trained_timestamp=now,
            host=host,
            rule=rule.text,
            horizons=self.forecast.horizons,
            signals=material.recording.signals,
            row_seconds=self.forecast.spec.step,
            start_timestamp=float(material.recording.timestamps[0]),
            end_timestamp=self.learned_until,
            cold_start_timestamp=self.cold_start,
            rows=self.rows,
            duration_seconds=seconds,
            losses=self.losses,
            thresholds=self.forecast.thresholds_by_name(),
            figures=self.figures,
            why=self.why,
        )
        return Model(card, self.forecast, self.anomaly or incumbent.anomaly, self.labelled)


def make_candidate(
    material: TrainingInput,
    rule: Rule,
    horizons: Sequence[int],
    incumbent: Model,
    *,
    seed: int,
    progress: Progress,
) -> Candidate:
    """Learn to forecast and what is usual, and let the forecast win its place on the newest span.

    Raises:
        TrainingError: nothing at all can be learned from this history.

    """
    recording, card = material.recording, incumbent.card
    levels = rule.levels(recording)
    decision, made = _forecast(material, rule, levels, horizons, incumbent, seed, progress)
    progress("learning what is usual", LEARNING_USUAL)
    anomaly = _usual(material, levels, incumbent.anomaly)
    labelled, notes = learn_patterns(recording, levels, material.labels, material.masks, incumbent.labelled)
    words = {"taught": list(notes)} if notes else {}
    if made is None:
        if anomaly is None and not decision.figures:
            raise TrainingError(f"nothing was learned, {decision.why}")
        learned = (card.end_timestamp, card.cold_start_timestamp)
        kept = (incumbent.forecast, anomaly, *learned, len(recording))
        figures = {**decision.figures, "winner": "incumbent", **words}
        return Candidate(*kept, why=decision.why, refusal=decision.why, figures=figures, labelled=labelled)
    forecast, report = made
    figures = {
        **decision.figures,
        "winner": "candidate",
        "reliability": {str(h): rows for h, rows in report.reliability.items()},
        "unseen_brier": {str(h): score for h, score in report.brier.items()},
        "losses": list(report.losses),
        **words,
    }
    end = float(recording.timestamps[-1])
    parts = (forecast, anomaly, end, card.cold_start_timestamp if report.is_warm else end, report.rows)
    losses = {"train": report.loss}
    return Candidate(*parts, decision.why, losses=losses, figures=figures, labelled=labelled)


def _forecast(
    material: TrainingInput,
    rule: Rule,
    levels: Floats,
    horizons: Sequence[int],
    incumbent: Model,
    seed: int,
    progress: Progress,
) -> tuple[Decision, tuple[ForecastModel, ForecastReport] | None]:
    """Whether a forecast learned up to the newest span wins on it, and if so one that learned all."""
    recording, card = material.recording, incumbent.card
    learned = Span(card.start_timestamp, card.end_timestamp) if card.origin == "trained" else None
    start = held_out_start(recording.timestamps, learned)
    labels, masks = material.labels, material.masks
    try:
        tell = _part(progress, "learning to forecast", LEARNING, JUDGING)
        lesson = Lesson(
            recording,
            rule,
            horizons,
            levels=levels,
            labels=labels,
            masks=masks,
            seed=seed,
            until=start,
            before=incumbent.forecast if goes_on(material, rule, card, start) else None,
        )
        challenger, _ = lesson.earlier(tell)
        progress("judging against the incumbent", JUDGING)
        decision = judge_forecast(
            challenger,
            incumbent.forecast,
            recording,
            levels,
            start,
            learned=learned,
            labels=labels,
            masks=masks,
            features=lesson.features,
        )
        if not decision.published:
            return decision, None
        # The comparison was about the recipe on this history; what it won is learned from all of it.
        tell = _part(progress, "learning from the newest span too", LEARNING_ALL, LEARNING_USUAL)
        return decision, lesson.whole(tell)
    except TrainingError as error:
        return Decision(False, f"{KEPT}{error}"), None


def goes_on(material: TrainingInput, rule: Rule, card: Card, start: float) -> bool:
    """Whether a training goes on from the weights of the model in use, of this card.

    It does where they were learned by the same rule, from what is stored still and nothing from ``start`` on,
    where the candidate is judged; and until ``RENEWED`` of the history is newer than when they were drawn.
    """
    newer = material.recording.between(card.cold_start_timestamp, math.inf).measured_seconds
    return (
        card.origin == "trained"
        and card.rule == rule.text
        and material.rewritten <= card.end_timestamp <= start
        and newer <= RENEWED * material.seconds
    )


def _part(progress: Progress, stage: str, start: float, end: float) -> Callable[[float, float], None]:
    """A progress of one part of the whole, which begins and ends at these shares."""
    progress(stage, start)
    return lambda share, loss: progress(stage, start + share * (end - start), loss)


def _usual(material: TrainingInput, levels: Floats, before: AnomalyModel | None) -> AnomalyModel | None:
    incidents = [label.span for label in material.labels if label.kind == "incident"]
    try:
        model, _ = train_anomaly(
            material.recording,
            exclude=[*material.masks, *incidents],
            flagged=material.suspect(levels),
            labelled_normal=[label.span for label in material.labels if label.kind == "normal"],
            budget_per_day=NOTICES_PER_DAY,
            before=before,
            units=material.units,
        )
    except TrainingError as error:
        log.info("no anomaly model yet: %s", error)
        return None
    return model
