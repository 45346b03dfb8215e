"""What is ordinary on this host, learned from a stored past that no judge has lived through.

A history may reach further back than the daemon: it was imported. Without this, the judge would raise an
alert for each everyday busy hour until it had got used to it, for weeks, although the file knows it all.
"""

import logging
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.config import Config
from loadwatch.history import History
from loadwatch.judge import EvidenceBatch, Judge
from loadwatch.labels.horizons import inside
from loadwatch.labels.rule import Rule
from loadwatch.maintenance import MaintenanceCalendar
from loadwatch.model.bundle import Model
from loadwatch.pipeline import COARSE_SECONDS, MEMORY_SECONDS, Scorer
from loadwatch.records import Floats, Recording, Span

log = logging.getLogger(__name__)

PAST_SECONDS: Final = 28 * 86400.0
"""As far back as the judge's own severity histories reach."""
SLICE_SECONDS: Final = 3 * 3600.0
"""Read and scored at a time: with two days, the daemon kept 20 MiB more for good (bench_cost.py)."""
WORTH_SECONDS: Final = 86400.0
"""A past that begins less than this before what the judge has seen is not worth the work."""


class Backfill:
    """Backfills when, and only when, the history tells of a time before the judge's own."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._tried_from = np.inf

    def for_model(self, model: Model, config: Config, now: float, *, judged_since: float) -> Judge | None:
        """A judge that ``model`` has taken through the past, or None where there is nothing new in it.

        judged_since: from when on the judge at work knows the host, infinity if it has seen nothing.
        """
        stored = self._history.span(Span(now - PAST_SECONDS, now))
        if stored is None or model.card.origin == "bootstrap":
            return None
        begin = stored.start
        if begin > min(judged_since, self._tried_from, now) - WORTH_SECONDS:
            return None
        self._tried_from = begin
        judge = self._backfilled(model, config, begin, now)
        log.info("the alert threshold starts from %.1f days of the past", (now - begin) / 86400.0)
        return judge

    def _backfilled(self, model: Model, config: Config, begin: float, now: float) -> Judge:
        judge = Judge(model.forecast.horizons, budget_per_week=config.alerts.budget_per_week)
        judge.adopt(model.forecast.by_horizon())
        scorer = Scorer(Rule.parse(config.high_load.when), model)
        windows = self._history.maintenance(Span(begin, now))
        calendar = MaintenanceCalendar(config.maintenance.windows, windows)
        maintenance = calendar.spans(begin, now)
        training = self._history.training_spans(Span(begin, now))
        for start in np.arange(begin - MEMORY_SECONDS, now, SLICE_SECONDS).tolist():
            end = min(start + SLICE_SECONDS, now)
            rows = self._history.recording(start, end, step=COARSE_SECONDS)
            scores = scorer.extend(rows)
            told = rows.timestamps >= begin
            if not told.any():
                continue
            judge.backfill(
                EvidenceBatch(
                    rows.timestamps[told],
                    scores.levels[told],
                    scores.probabilities[told],
                    scores.anomaly[told],
                    _columns(rows, told),
                    inside(rows.timestamps[told], maintenance),
                    inside(rows.timestamps[told], training),
                )
            )
        return judge


def _columns(rows: Recording, told: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    return {name: rows.column(name)[told] for name in rows.signals}
