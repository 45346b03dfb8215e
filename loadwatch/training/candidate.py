"""A candidate model from a stretch of history: what both the daemon's training and a replay make."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loadwatch.errors import TrainingError
from loadwatch.labels.rule import Rule
from loadwatch.model.anomaly import AnomalyModel
from loadwatch.model.forecast import ForecastModel
from loadwatch.records import Label, Recording, Span
from loadwatch.training.anomaly import train_anomaly
from loadwatch.training.forecast import train_forecast

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]

GROWTH = 6.0
NOTICES_PER_DAY = 1.0
"""Anomaly flags a day on what was normal; fewer find under half of the incidents (measured, see README)."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What there is to learn from.

    masks: spans out of which nothing is learned (maintenance, our own training); flagged: spans in which the
    daemon itself saw an anomaly, which are not taken for normal.
    """

    recording: Recording
    labels: Sequence[Label] = ()
    masks: Sequence[Span] = ()
    flagged: Sequence[Span] = ()

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        times = self.recording.timestamps
        return float(times[-1] - times[0]) if len(times) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """What came of it.

    ``forecast`` is None where the rule's signals are not in the history; ``anomaly`` is None where the masks
    leave too little to say what is usual. Not both.
    """

    forecast: ForecastModel | None
    anomaly: AnomalyModel | None
    rows: int
    losses: dict[str, float] = field(default_factory=dict)


def make_candidate(
    material: Material, rule: Rule, horizons: Sequence[int], *, seed: int, progress: Progress
) -> Candidate:
    """Learn to forecast, and what is usual.

    Raises:
        TrainingError: no row has a known level and future.

    """
    progress("learning to forecast", 0.0)
    forecast, report, refusal = None, None, None
    try:
        forecast, report = train_forecast(
            material.recording,
            rule,
            horizons,
            labels=material.labels,
            masks=material.masks,
            seed=seed,
            progress=lambda share: progress("learning to forecast", share),
        )
    except TrainingError as error:
        refusal = error
    progress("learning what is usual", 0.0)
    anomaly = _usual(material, seed)
    if report is not None:
        return Candidate(forecast, anomaly, report.rows, {"train": report.loss})
    if anomaly is None and refusal is not None:
        raise refusal
    log.info("no forecast model: %s", refusal)
    return Candidate(None, anomaly, len(material.recording))


def _usual(material: Material, seed: int) -> AnomalyModel | None:
    incidents = [label.span for label in material.labels if label.kind == "incident"]
    try:
        model, _ = train_anomaly(
            material.recording,
            exclude=[*material.masks, *incidents],
            flagged=material.flagged,
            budget_per_day=NOTICES_PER_DAY,
            seed=seed,
        )
    except TrainingError as error:
        log.info("no anomaly model yet: %s", error)
        return None
    return model


def next_interval(history_seconds: float, every: float, minimum: float) -> float:
    """Seconds from one training to the next.

    A young history teaches most: until it is ``every`` long, training comes whenever it has doubled. An old
    one teaches little that is new: from six times ``every`` on, training comes when it has grown by a sixth.
    """
    return max(min(every, max(minimum, history_seconds)), history_seconds / GROWTH)
