"""Training the forecaster on a host's own history, with synthetic servers as a prior.

One network answers for all horizons. A history of a quiet quarter of an hour has no high load in it; a few
rows of synthetic servers, which weigh little beside a real history, keep it known what high load looks like.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np

from loadwatch.features.lookback import REPEATS
from loadwatch.features.moments import Moments, Normaliser
from loadwatch.features.recurrence import Integers
from loadwatch.labels.rule import Rule
from loadwatch.model.forecast import ForecastModel, build_network, mixed_logits, sigmoid
from loadwatch.model.level import BOUNDS, LIMITS, QUANTILES, LevelDistribution, group_of
from loadwatch.nn import (
    AdamW,
    Array,
    BinaryCrossEntropy,
    Data,
    Dense,
    Dropout,
    Network,
    Plan,
    cosine,
    normal,
    train,
    warm_up,
)
from loadwatch.nn.training import Stop
from loadwatch.records import Floats, Label, Recording, Span
from loadwatch.training.calibration import choose_threshold, fit_calibration, reliability, weighted_quantiles
from loadwatch.training.linear import fit_linear
from loadwatch.training.table import (
    OTHERS,
    TrainingTable,
    idle_table,
    learning_table,
    moved_table,
    synthetic_table,
)

OWN_SHARE: Final = 0.3  # of the loss, for the limit itself; the other limits share the rest
HIDDEN: Final = (64, 32)
DROPOUT: Final = 0.2
EPOCHS: Final = 12
LEAST_STEPS: Final = 300
BATCH_SIZE: Final = 256
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 1.0

LEAST_GROUP_ROWS: Final = 200  # to correct the level to come in a group by itself
READ: Final = (0.02, 0.9995)
"""Between these shares of the distribution of the level its quantiles are read: beyond is a guess."""
MOVED_SHARE: Final = 0.4  # what a row with its jobs moved weighs
REPEATS_FLOOR: Final = 1.0
"""Log odds of what is rare deviate little, and would all be clipped, the first time as the fourth."""

FOLDS: Final = 3
LEAST_FOLD_ROWS: Final = 200
SYNTHETIC_ROWS: Final = 200.0  # what the synthetic rows weigh together, in rows of the host's own
SYNTHETIC_SHARE: Final = 0.03  # or this share of those, if it is more
SYNTHETIC_SECONDS: Final = 4 * 3600.0  # or as much as this time of own history, whose rows are few events


Progress = Callable[[float, float], None]


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

    @property
    def loss(self) -> float:
        """Of the last epoch."""
        return self.losses[-1]


def train_forecast(  # noqa: PLR0913 - all but three are refinements with a usual value
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
    progress: Progress | None = None,
) -> tuple[ForecastModel, ForecastReport]:
    """A forecaster of ``horizons`` (seconds, 0 is now) learned from a recording.

    ``levels`` (N,) are those of the rule, where they are known already; ``labels`` are the operator's and
    override the rule; rows inside ``masks`` (maintenance, our own training) are not learned from. Thresholds
    are chosen so that ``budget_per_week`` half hours are flagged in vain. ``progress`` is told the share done
    and the loss of the epoch just done.

    Raises:
        TrainingError: not one row has a known future.

    """
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    levels = rule.levels(recording) if levels is None else levels
    own = learning_table(recording, levels, horizons, rng, labels=labels, masks=masks)
    synthetic_prior = synthetic_table(own.spec, rule, horizons, seed)
    part = max(SYNTHETIC_SHARE, SYNTHETIC_SECONDS / max(recording.measured_seconds, own.spec.step))
    share = max(SYNTHETIC_ROWS, part * len(own)) / len(synthetic_prior)
    moved = moved_table(own, recording, levels, rng)
    idle = idle_table(own, recording, levels)
    learner = Learner(own, synthetic_prior, share, rng, moved, idle, stop, progress)
    unseen = learner.forecast_unseen()
    model, losses = learner.learn()
    model = adjusted(model, own, unseen, budget_per_week)
    figures = _figures(own, model.calibrated(unseen))
    return model, ForecastReport(
        len(own), own.onsets, time.perf_counter() - started, losses, own.spec.signals, *figures
    )


class Learner:
    """Fits networks and linear models to a table of a host's own rows, with the synthetic ones as a prior.

    ``moved``: the same rows with their jobs moved, for the networks only, for a linear model knows no clock
    but what came back. ``idle``: rows of a host that turned idle.
    """

    def __init__(
        self,
        own: TrainingTable,
        synthetic_prior: TrainingTable,
        share: float,
        rng: np.random.Generator,
        moved: TrainingTable | None = None,
        idle: TrainingTable | None = None,
        stop: Stop | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._share = share
        self._rng, self._stop, self._progress = rng, stop, progress
        moments = Moments.of(own.features)
        moments.merge(Moments.of(synthetic_prior.features).thinned(share))
        floor = np.full(len(own.spec.names), 1e-3)
        floor[[own.spec.names.index(f"level:{name}") for name in REPEATS]] = REPEATS_FLOOR
        self._normaliser = Normaliser.from_moments(moments, floor=floor)
        self._folds = FOLDS if len(own) >= FOLDS * LEAST_FOLD_ROWS else 0
        # Normalised once; the tables go on without the features, which would be copied for every fold.
        self._Z, self._Z_prior = (self._normaliser.apply(each.features) for each in (own, synthetic_prior))
        self._own, self._synthetic_prior = _bare(own), _bare(synthetic_prior)
        self._idle = None if idle is None else (_bare(idle), self._normaliser.apply(idle.features))
        self._moved = None if moved is None else (_bare(moved), self._normaliser.apply(moved.features))

    def learn(self) -> tuple[ForecastModel, tuple[float, ...]]:
        """A model of all rows, not yet calibrated, and its loss after each epoch."""
        own = self._own
        network, (weights, shares), losses = self._fit(np.arange(len(own)), self._folds)
        count = len(own.horizons)
        plain = np.tile([1.0, 0.0], (count, 1)), np.full(count, 0.5)
        unmeasured = np.full((len(BOUNDS) + 1, own.peaks.shape[1], len(QUANTILES)), np.nan)
        level = LevelDistribution(LIMITS, unmeasured)
        parts = (own.spec, self._normaliser, network, weights, shares, own.horizons, *plain, level)
        return ForecastModel(*parts), losses

    def forecast_unseen(self) -> Floats:
        """Logits (R, O) for the own rows, each by a model that did not learn the row's part of the history.

        NaN where the history is too short to be cut, or training was stopped.
        """
        rows = np.arange(len(self._own))
        logits = np.full(self._own.targets.shape, np.nan)
        for fold in range(self._folds):
            if self._stop is not None and self._stop.is_set():
                return np.full_like(logits, np.nan)
            part = rows * self._folds // len(rows) == fold
            network, (weights, shares), _ = self._fit(rows[~part], fold)
            logits[part] = mixed_logits(network, weights, shares, self._Z[part])
        return logits

    def _fit(self, rows: Integers, turn: int) -> tuple[Network, tuple[Floats, Floats], tuple[float, ...]]:
        """A network and a linear model of these own rows, and the network's losses."""
        table = self._own.take(rows).joined(self._synthetic_prior, self._share)
        Z = np.vstack([self._Z[rows], self._Z_prior])
        if self._idle is not None:
            idle, idle_Z = self._idle
            table, Z = table.joined(idle, 1.0), np.vstack([Z, idle_Z])
        linear = fit_linear(Z, table)
        if self._moved is not None:
            moved, moved_Z = self._moved
            table = table.joined(moved.take(rows), MOVED_SHARE)
            Z = np.vstack([Z, moved_Z[rows]])
        turns = self._folds + 1

        def tell(share: float, loss: float) -> None:
            if self._progress is not None:
                self._progress((turn + share) / turns, loss)

        network, losses = fit_network(Z, table, self._rng, stop=self._stop, tell=tell)
        return network, linear, losses


def _bare(table: TrainingTable) -> TrainingTable:
    """The table without its features."""
    return replace(table, features=np.empty((len(table), 0)))


def fit_network(
    Z: Array,
    table: TrainingTable,
    rng: np.random.Generator,
    *,
    stop: Stop | None = None,
    tell: Progress = lambda _share, _loss: None,
) -> tuple[Network, tuple[float, ...]]:
    """A network fitted to normalised features Z (R, F), an output a target, and its loss after each epoch."""
    known = np.isfinite(table.targets)
    T = np.where(known, table.targets, 0.0).astype(np.float32)
    weights = (known * table.weights[:, None] * _output_weights(table.horizons)).astype(np.float32)
    network = _with_dropout(Z.shape[1], T.shape[1], rng)
    rates = (weights * T).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-9)
    rates = np.clip(rates, 0.001, 0.999)
    network.dense[-1].b[...] = np.log(rates / (1.0 - rates))
    batch = min(BATCH_SIZE, len(Z))
    epochs = max(EPOCHS, math.ceil(LEAST_STEPS / (len(Z) // batch)))
    optimiser = AdamW(decay=WEIGHT_DECAY)
    plan = Plan(
        BinaryCrossEntropy(), optimiser, warm_up(cosine(LEARNING_RATE)), epochs, batch, drop_last=True
    )
    report = train(
        network,
        Data(Z, T, weights),
        plan,
        seed=rng,
        stop=stop,
        progress=lambda epoch: tell(epoch.number / epoch.epochs, epoch.loss),
    )
    return _without_dropout(network), tuple(report.losses)


def _output_weights(horizons: Sequence[int]) -> Floats:
    """(O,) how much each output counts; all of them together 1."""
    ahead, others = sum(horizon > 0 for horizon in horizons), len(OTHERS)
    rest = np.full(ahead * others, (1.0 - OWN_SHARE) / others)
    weights = np.concatenate([np.full(len(horizons), OWN_SHARE), rest])
    total: Floats = weights / weights.sum()
    return total


def _with_dropout(inputs: int, outputs: int, rng: np.random.Generator) -> Network:
    sizes = (inputs, *HIDDEN)
    layers: list[Dense | Dropout] = []
    for before, after in pairwise(sizes):
        layers += [Dense(before, after, "relu"), Dropout(DROPOUT)]
    return Network([*layers, Dense(sizes[-1], outputs, "identity", normal(0.5))], seed=rng)


def _without_dropout(network: Network) -> Network:
    """The network as it is used."""
    used = build_network(network.inputs, HIDDEN, network.outputs, drawn=False)
    used.theta[...] = network.theta
    return used


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
