"""What the report says, as figures: a stored span through the model in use, beside what really came."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadwatch.labels.horizons import exceedances, inside, labelled_levels
from loadwatch.model.bundle import Card
from loadwatch.pipeline import Scorer
from loadwatch.records import Alert, Floats, Label, Maintenance, Recording, Span
from loadwatch.training.calibration import reliability

CHUNK: Final = 8192
LEAST_ROWS: Final = 500
"""Of rows the model has not learned from; with fewer its figures on them are noise."""


@dataclass(frozen=True, slots=True)
class ReportInput:
    """What the history holds of the span."""

    host: str
    span: Span
    recording: Recording
    alerts: Sequence[Alert] = ()
    labels: Sequence[Label] = ()
    maintenance: Sequence[Maintenance] = ()


@dataclass(frozen=True, slots=True)
class HorizonFigures:
    """How the forecasts of one horizon did on ``rows`` rows; ``baseline``: the Brier score of the mean.

    reliability: for each tenth of the probabilities that has rows, the mean forecast, the share that came
    true, and the number of rows.
    """

    horizon: int
    rows: int
    share: float
    brier: float
    baseline: float
    reliability: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ReportFigures:
    """The material, and what the model in use says of it.

    shown: (N, H) probabilities with now included, as people were told; high: (N,) 1 where load was high by
    rule and labels, NaN unknown; anomaly: (N,).
    ``figures`` are of the rows after the model's own span if there are enough, which ``unseen`` tells.
    """

    material: ReportInput
    card: Card
    horizons: tuple[int, ...]
    shown: Floats
    high: Floats
    anomaly: Floats
    figures: tuple[HorizonFigures, ...]
    unseen: bool


def examine(material: ReportInput, scorer: Scorer) -> ReportFigures:
    """Score the span with a scorer that was warmed up on what came before, and compare with what came."""
    recording, forecast = material.recording, scorer.model.forecast
    parts = [scorer.extend(recording.rows(start, start + CHUNK)) for start in range(0, len(recording), CHUNK)]
    levels = np.concatenate([part.levels for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    shown = np.concatenate([part.shown for part in parts])
    anomaly = np.concatenate([part.anomaly for part in parts])
    times = recording.timestamps
    truth = labelled_levels(times, levels, material.labels)
    targets = exceedances(times, truth, forecast.horizons)[:, :, 0]
    calm = ~inside(times, [window.span for window in material.maintenance])
    card = scorer.model.card
    unseen = calm & ((times > card.end_timestamp) | (card.origin == "bootstrap"))
    enough = int(unseen.sum()) >= LEAST_ROWS
    chosen = unseen if enough else calm
    figures = [
        horizon_figures(horizon, probabilities[chosen, place], targets[chosen, place])
        for place, horizon in enumerate(forecast.horizons)
    ]
    high = np.where(np.isfinite(truth), truth > 1.0, np.nan)
    known = tuple(each for each in figures if each is not None)
    return ReportFigures(material, card, forecast.horizons, shown, high, anomaly, known, enough)


def horizon_figures(horizon: int, probabilities: Floats, targets: Floats) -> HorizonFigures | None:
    """How the forecasts of one horizon (N,) did beside what came (N,); None where no row is known."""
    known = np.isfinite(probabilities) & np.isfinite(targets)
    if not known.any():
        return None
    p, y = probabilities[known], targets[known]
    share = float(y.mean())
    table = tuple(reliability(p, y, np.ones(len(p))))
    return HorizonFigures(
        horizon, int(known.sum()), share, float(((p - y) ** 2).mean()), share * (1.0 - share), table
    )


def stretches(timestamps: Floats, flags: Floats) -> list[Span]:
    """The spans in which a flag (N,) is up; a row stands for the time up to the next."""
    up = np.concatenate([[False], flags == 1.0, [False]])
    edges = np.flatnonzero(np.diff(up.astype(np.int8))).reshape(-1, 2)
    last = len(timestamps) - 1
    return [Span(float(timestamps[first]), float(timestamps[min(end, last)])) for first, end in edges]
