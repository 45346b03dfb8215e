"""Training the forecaster on a host's own history, with synthetic servers as a prior.

One network answers for all horizons. A history of a quiet quarter of an hour has no high load in it; a few
rows of synthetic servers, which weigh little beside a real history, keep it known what high load looks like.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from loadwatch.labels.rule import Rule
from loadwatch.model.forecast import ForecastModel, sigmoid
from loadwatch.model.level import QUANTILES, group_of
from loadwatch.nn.training import Stop
from loadwatch.records import Floats, Label, Recording, Span
from loadwatch.training.calibration import choose_threshold, fit_calibration, reliability, weighted_quantiles
from loadwatch.training.learner import Learner, Progress
from loadwatch.training.table import (
    SYNTHETIC_HOSTS,
    WARM_SYNTHETIC_HOSTS,
    TrainingTable,
    idle_table,
    learning_table,
    moved_table,
    synthetic_table,
)

LEAST_GROUP_ROWS: Final = 200  # to correct the level to come in a group by itself
READ: Final = (0.02, 0.9995)
"""Between these shares of the distribution of the level its quantiles are read: beyond is a guess."""
SYNTHETIC_ROWS: Final = 200.0  # what the synthetic rows weigh together, in rows of the host's own
SYNTHETIC_SHARE: Final = 0.03  # or this share of those, if it is more
SYNTHETIC_SECONDS: Final = 4 * 3600.0  # or as much as this time of own history, whose rows are few events


@dataclass(frozen=True, slots=True)
class ForecastReport:
    """How a training went, for the model's card. Figures by horizon are of rows not learned."""

    rows: int
    onsets: int
    seconds: float
    losses: tuple[float, ...]  # of the network that is used, one an epoch
    signals: tuple[str, ...]
    shares: dict[int, float] = field(default_factory=dict)  # of rows with high load within the horizon
    brier: dict[int, float] = field(default_factory=dict)
    reliability: dict[int, list[tuple[float, float, int]]] = field(default_factory=dict)
    is_warm: bool = False  # it went on from the weights of the model before

    @property
    def loss(self) -> float:
        """Of the last epoch."""
        return self.losses[-1]


class Lesson:
    """One history, learned from twice: up to ``until``, to be judged on the rest, and then as a whole.

    What both need is made once. ``horizons`` are in seconds, 0 is now. ``levels`` (N,) are those of the rule,
    where they are known already; ``labels`` are the operator's and override the rule; rows inside ``masks``
    (maintenance, our own training) are not learned from. Thresholds are chosen so that ``budget_per_week``
    half hours are flagged in vain. ``before``: the model in use, where it learned nothing from ``until`` on:
    if it sees the same as this lesson, a warm start goes on from its weights and keeps its calibration.
    ``features``: of all rows from ``until`` on, at hand until the whole is learned. What is asked for
    progress is told the share done and the loss of the epoch just done.

    Raises:
        TrainingError: not one row has a known future.

    """

    def __init__(  # noqa: PLR0913 - all but three are refinements with a usual value
        self,
        recording: Recording,
        rule: Rule,
        horizons: Sequence[int],
        *,
        levels: Floats | None = None,
        labels: Sequence[Label] = (),
        masks: Iterable[Span] = (),
        budget_per_week: float = 7.0,
        seed: int = 0,
        stop: Stop | None = None,
        until: float = math.inf,
        before: ForecastModel | None = None,
    ) -> None:
        self._rng, self._stop, self._budget = np.random.default_rng(seed), stop, budget_per_week
        levels = rule.levels(recording) if levels is None else levels
        self._whole, self._earlier, self.features = learning_table(
            recording, levels, horizons, self._rng, labels=labels, masks=masks, until=until
        )
        self._recording, self._levels, self._until = recording, levels, until
        self._moved = moved_table(self._whole, recording, levels, self._rng)
        self._before = before if before is not None and _sees_the_same(before, self._whole) else None
        hosts = SYNTHETIC_HOSTS if self._before is None else WARM_SYNTHETIC_HOSTS
        self._prior = synthetic_table(self._whole.spec, rule, horizons, seed, hosts)
        self._known: tuple[ForecastModel, Floats, tuple[float, ...]] | None = None

    def earlier(self, progress: Progress | None = None) -> tuple[ForecastModel, ForecastReport]:
        """A model of the rows before ``until``."""
        own, started = self._earlier, time.perf_counter()
        learner = self._learner(own, self._before, progress, cut=self._before is None)
        unseen = learner.forecast_unseen()
        model, losses = learner.learn()
        self._known = model, unseen, losses
        return self._finished(model, own, (own, unseen), losses, started)

    def whole(self, progress: Progress | None = None) -> tuple[ForecastModel, ForecastReport]:
        """A model of all rows, which goes on from that of the earlier ones.

        Its calibration needs no folds of its own: those before it forecast one another's rows, and the
        earlier model has not learned the rows from ``until`` on.
        """
        own, started = self._whole, time.perf_counter()
        if self._known is None:
            raise RuntimeError("the rows before come first")
        del self.features  # they were for judging; of a long history they are large
        earlier, unseen, before = self._known
        is_cut = bool(np.isfinite(unseen).all())
        learner = self._learner(own, earlier, progress, cut=self._before is None and not is_cut)
        later = own.take(slice(len(unseen), None))
        measured, told = later, earlier.uncalibrated(later.features)
        if self._before is None and not is_cut:
            measured, told = own, learner.forecast_unseen()
        model, losses = learner.learn()
        del learner  # its rows make room for what they are measured on
        if is_cut:
            measured, told = self._earlier.joined(later, 1.0), np.vstack([unseen, told])
        return self._finished(model, own, (measured, told), before + losses, started)

    def _learner(
        self, own: TrainingTable, before: ForecastModel | None, progress: Progress | None, *, cut: bool
    ) -> Learner:
        history = self._recording.between(-math.inf, math.inf if own is self._whole else self._until)
        part = max(SYNTHETIC_SHARE, SYNTHETIC_SECONDS / max(history.measured_seconds, own.spec.step))
        share = max(SYNTHETIC_ROWS, part * len(own)) / len(self._prior)
        moved = None
        if self._moved is not None:
            moved = replace(own, features=self._moved.features[: len(own)])
        idle = idle_table(own, history, self._levels[: len(history)])
        beside = (moved, idle, self._stop, progress)
        return Learner(own, self._prior, share, self._rng, *beside, before=before, cut=cut)

    def _finished(
        self,
        model: ForecastModel,
        own: TrainingTable,
        measured: tuple[TrainingTable, Floats],
        losses: tuple[float, ...],
        started: float,
    ) -> tuple[ForecastModel, ForecastReport]:
        """The model and its report, measured on rows with logits of others that did not learn them.

        After a cold start these calibrate it; the few new rows of a warm one are too few for that.
        """
        table, unseen = measured
        is_warm = self._before is not None
        if not is_warm:
            model = adjusted(model, table, unseen, self._budget)
        figures, seconds = _figures(table, model.calibrated(unseen)), time.perf_counter() - started
        about = (len(own), own.onsets, seconds, losses, own.spec.signals)
        return model, ForecastReport(*about, *figures, is_warm)


def _sees_the_same(model: ForecastModel, table: TrainingTable) -> bool:
    """Whether inputs and outputs of the model mean what they mean in the table."""
    spec, known = table.spec, model.spec
    inputs = (known.names, known.reach, known.cell) == (spec.names, spec.reach, spec.cell)
    return inputs and model.horizons == table.horizons and model.network.outputs == table.targets.shape[1]


def adjusted(
    model: ForecastModel, own: TrainingTable, unseen: Floats, budget_per_week: float
) -> ForecastModel:
    """The model with calibration and thresholds found on logits ``unseen`` (R, O) of rows not learned.

    What was told is left out: nothing of the kind is in the other folds, so that every fold misses it, and
    the correction for that would raise the probability of all that looks like nothing.
    """
    calibration, thresholds = model.calibration.copy(), model.thresholds.copy()
    if np.isfinite(unseen).all():
        now = own.features[:, own.spec.names.index("level:high")]
        for place, horizon in enumerate(own.horizons):
            y = own.targets[:, place]
            known = np.isfinite(y) & ~own.labelled
            if not known.any():
                continue  # a history shorter than the horizon: what the synthetic_prior says stands
            logits, truth = unseen[known, place], y[known]
            calibration[place] = fit_calibration(logits, truth, own.weights[known])
            if horizon > 0:
                p = sigmoid(calibration[place, 0] * logits + calibration[place, 1])
                thresholds[place] = choose_threshold(
                    own.timestamps[known], p, truth, now[known], budget_per_week
                )
    return _with_level(replace(model, calibration=calibration, thresholds=thresholds), own, unseen)


def _with_level(model: ForecastModel, own: TrainingTable, unseen: Floats) -> ForecastModel:
    """The model with the quantiles of the load level read where what really came lay below as often."""
    if model.level is None or not np.isfinite(unseen).all():
        return model
    exceedances, levels = model.exceedances(model.level, model.calibrated(unseen)), model.levels(own.features)
    reached = model.level.reached(exceedances, levels, own.peaks)
    groups, shares = group_of(levels), model.level.shares.copy()
    for place, mine in enumerate(reached.T):
        known = np.isfinite(mine) & ~own.labelled
        for group in range(len(shares)):
            chosen = known & (groups == group)
            chosen = chosen if chosen.sum() >= LEAST_GROUP_ROWS else known
            if chosen.any():
                shares[group, place] = weighted_quantiles(mine[chosen], own.weights[chosen], QUANTILES)
    return replace(model, level=replace(model.level, shares=np.clip(shares, *READ)))


def _figures(
    own: TrainingTable, logits: Floats
) -> tuple[dict[int, float], dict[int, float], dict[int, list[tuple[float, float, int]]]]:
    """Share of high rows, Brier score and reliability by horizon; the last two of unseen rows only."""
    shares, brier, tables = {}, {}, {}
    for place, horizon in enumerate(own.horizons):
        y = own.targets[:, place]
        known = np.isfinite(y) & ~own.labelled
        if not known.any():
            continue
        weights = own.weights[known] / own.weights[known].sum()
        shares[horizon] = float((weights * y[known]).sum())
        if np.isfinite(logits).all():
            p = sigmoid(logits[known, place])
            brier[horizon] = float((weights * (p - y[known]) ** 2).sum())
            tables[horizon] = reliability(p, y[known], own.weights[known])
    return shares, brier, tables
