"""A recorded history through exactly the daemon's pipeline, on the recorded clock.

Honest by construction: rows are shown to the scorer and the judge in time order, and a training at a recorded
moment gets the rows before that moment and nothing else. What the daemon would have said is what comes out.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from loadwatch.errors import HistoryError, TrainingError
from loadwatch.judge import EvidenceBatch, Judge, Judgements
from loadwatch.judge.limits import WATCHED
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Model
from loadwatch.pipeline import MEMORY_SECONDS, Scorer, Scores, reasons
from loadwatch.records import Alert, Contribution, Floats, Recording, measured_steps
from loadwatch.training.bootstrap import first_model
from loadwatch.training.candidate import TrainingInput, make_candidate
from loadwatch.training.order import next_interval

log = logging.getLogger(__name__)

CHUNK: Final = 8192
LEAST_ROWS: Final = 60
HOST: Final = "replay"


@dataclass(frozen=True, slots=True)
class Settings:
    """What of the configuration a replay needs; times in seconds."""

    rule: str
    horizons: tuple[int, ...]
    every: float
    history: float
    minimum: float
    budget_per_week: float
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Some rows, as one model scored and the judge judged them."""

    recording: Recording
    scores: Scores
    judgements: Judgements
    model: str


@dataclass(slots=True)
class ReplayFindings:
    """What a replay found beside the rows: alerts with their reasons, trainings with what came of them."""

    alerts: list[Alert] = field(default_factory=list)
    trainings: list[tuple[float, str]] = field(default_factory=list)


class Replay:
    """One replay of one recording; iterate over ``run`` once, then read ``findings``."""

    def __init__(self, recording: Recording, settings: Settings) -> None:
        if len(recording) < 2:
            raise HistoryError(f"cannot replay {len(recording)} row(s): at least two are needed")
        self.findings = ReplayFindings()
        self._recording = recording
        self._settings = settings
        self._rule = Rule.parse(settings.rule)
        self._judge = Judge(settings.horizons, budget_per_week=settings.budget_per_week)
        self._step = float(np.median(np.diff(recording.timestamps)))
        self._reasons: dict[int, tuple[Contribution, ...]] = {}
        self._scorer = Scorer(self._rule, self._first_model())
        self._judge.adopt(self._scorer.model.forecast.by_horizon())

    def run(self, progress: Callable[[int, str], None] = lambda _rows, _stage: None) -> Iterator[Judged]:
        """Judge all rows, in order; ``progress`` is told the rows done and what goes on."""
        times, settings = self._recording.timestamps, self._settings
        measured = np.concatenate([[0.0], np.cumsum(measured_steps(times))])
        first = max(int(np.searchsorted(measured, settings.minimum)), min(LEAST_ROWS, len(times)) - 1)
        due = float(times[first]) if first < len(times) else math.inf
        row = 0
        while row < len(times):
            stop = min(int(np.searchsorted(times, due)), row + CHUNK, len(times))
            if stop > row:
                yield self._judge_rows(row, stop)
                row = stop
                progress(row, "judging")
                continue
            progress(row, "learning")
            self._learn(row)
            progress(row, "judging")
            seen = min(settings.history, float(measured[row]))
            due = times[row] + next_interval(seen, settings.every, settings.minimum)
        self.findings.alerts += [self._explained(alert) for alert in self._judge.open_alerts]

    def _judge_rows(self, start: int, stop: int) -> Judged:
        rows = self._recording.rows(start, stop)
        scores = self._scorer.extend(rows)
        batch = EvidenceBatch(
            rows.timestamps,
            scores.levels,
            scores.probabilities,
            scores.anomaly,
            {name: rows.column(name) for name in rows.signals if name in WATCHED},
        )
        judgements = self._judge.extend(batch)
        version = self._scorer.model.card.version
        for alert in judgements.opened:
            place = int(np.searchsorted(rows.timestamps, alert.start))
            found = self._scorer.contributions(place).get(alert.verdict, ())
            self._reasons[alert.identity] = reasons(found)
        self.findings.alerts += [self._explained(alert) for alert in judgements.closed]
        return Judged(rows, scores, judgements, version)

    def _explained(self, alert: Alert) -> Alert:
        return alert.driven_by(self._reasons.get(alert.identity, ()))

    def _learn(self, row: int) -> None:
        """Train on the rows before ``row``, and put the result to work."""
        started = time.perf_counter()
        settings, now = self._settings, float(self._recording.timestamps[row])
        past = self._recording.rows(0, row)
        alerts = [*self.findings.alerts, *self._judge.open_alerts]
        material = TrainingInput(past.between(now - settings.history, now), alerts=alerts)
        try:
            candidate = make_candidate(
                material,
                self._rule,
                settings.horizons,
                self._scorer.model,
                seed=settings.seed,
                progress=lambda _stage, _share, _loss=None: None,
            )
        except TrainingError as error:
            self.findings.trainings.append((now, str(error)))
            return
        seconds = time.perf_counter() - started
        model = candidate.model(
            material, self._rule, self._scorer.model, version="", now=now, host=HOST, seconds=seconds
        )
        version = f"{model.card.origin}-{len(self.findings.trainings)}"
        model = replace(model, card=replace(model.card, version=version))
        scorer = Scorer(self._rule, model)
        memory = past.between(now - MEMORY_SECONDS, now)
        for start in range(0, len(memory), CHUNK):
            scorer.extend(memory.rows(start, start + CHUNK))
        self._scorer = scorer
        self._judge.adopt(model.forecast.by_horizon())
        self.findings.trainings.append((now, candidate.refusal or "published"))

    def _first_model(self) -> Model:
        settings, now = self._settings, float(self._recording.timestamps[0])
        step, seed = self._step, settings.seed
        version = "bootstrap-0"
        return first_model(
            self._rule, settings.horizons, step=step, seed=seed, version=version, now=now, host=HOST
        )


def header(horizons: tuple[int, ...]) -> str:
    """The first line of the scores."""
    columns = ["timestamp"]
    columns += [f"high_load_probability_{horizon}" for horizon in horizons]
    columns += [f"high_load_{horizon}" for horizon in horizons]
    return (
        ",".join([*columns, "anomaly_score", "anomaly", "alert_high_load", "alert_anomaly", "model"]) + "\n"
    )


def score_lines(judged: Judged) -> str:
    """The rows of the scores, one a line; what is unknown is empty."""
    scores, judgements = judged.scores, judged.judgements
    count = len(judgements.high_load.T)
    line = ",".join(["%s", *["%.6g"] * count, *["%s"] * count, "%.6g", "%s", "%s", "%s"]) + "\n"
    columns: list[Iterable[str | float]] = [_timestamps(judged.recording.timestamps)]
    columns += scores.probabilities.T.tolist()
    columns += [map(_FLAGS.__getitem__, column) for column in judgements.high_load.T.tolist()]
    columns += [scores.anomaly.tolist(), map(_FLAGS.__getitem__, judgements.anomaly.tolist())]
    columns += [(judgements.alerts[verdict] > 0).astype(int).tolist() for verdict in ("high_load", "anomaly")]
    text = "".join([line % cells for cells in zip(*columns, strict=True)])
    return text.replace("nan", "").replace("\n", f",{judged.model}\n")


_FLAGS: Final = ("0", "1", "")
"""By a flag, where -1 is unknown."""


def _timestamps(times: Floats) -> list[str]:
    """As they were read: whole seconds without a point."""
    if (times == np.floor(times)).all():
        return list(map(str, times.astype(np.int64).tolist()))
    return [str(int(value)) if value == int(value) else repr(value) for value in times.tolist()]
