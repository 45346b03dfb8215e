"""From scores to what people are told: judge, maintenance, reasons, and the log of alerts."""

import numpy as np

from loadwatch.model.file import Model
from loadwatch.pipeline import Scorer
from loadwatch.records import Sample, Snapshot


class Verdicts:
    """Turns scores into verdicts."""

    def __init__(self) -> None:
        self._model: Model | None = None

    def adopt(self, model: Model) -> None:
        """Judge by this model from now on."""
        self._model = model

    def judge(self, sample: Sample, scorer: Scorer) -> Snapshot:
        """The verdict on one sample."""
        scores = scorer.update(sample)
        probabilities = dict(
            zip(scorer.model.forecast.horizons, scores.probabilities[0].tolist(), strict=True)
        )
        return Snapshot(
            sample,
            probabilities,
            {h: p > 0.5 for h, p in probabilities.items()},
            anomaly_score=None if np.isnan(scores.anomaly[0]) else float(scores.anomaly[0]),
            anomaly=None if np.isnan(scores.anomaly[0]) else bool(scores.anomaly[0] > 0.5),
            contributions=scorer.contributions(),
            model=scorer.model.card.info,
        )
