"""A network and a linear model fitted to a table, and what they say of rows that they did not learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from loadwatch.features.lookback import REPEATS
from loadwatch.features.moments import Moments, Normaliser
from loadwatch.features.recurrence import Integers
from loadwatch.model.forecast import ForecastModel, build_network, mixed_logits
from loadwatch.model.level import BOUNDS, LIMITS, QUANTILES, LevelDistribution
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
from loadwatch.records import Floats
from loadwatch.training.linear import fit_linear
from loadwatch.training.table import OTHERS, TrainingTable

OWN_SHARE: Final = 0.3  # of the loss, for the limit itself; the other limits share the rest
HIDDEN: Final = (64, 32)
DROPOUT: Final = 0.2
EPOCHS: Final = 12
LEAST_STEPS: Final = 300
BATCH_SIZE: Final = 256
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 1.0
WARM_SHARE: Final = 1 / 6
"""Of the epochs of a cold start, for a network that goes on from learned weights: two on a long history."""
FOLD_SHARE: Final = 1 / 2
"""Of the epochs, for a network that only shows how others forecast what they did not learn: the calibration
is as good, and a cold start takes a fifth less (``bench_forecast.py``)."""
RESCALED: Final = 10.0
"""Times the deviation it knew: a feature that spreads more is new to a network, and starts at weight 0."""

MOVED_SHARE: Final = 0.4  # what a row with its jobs moved weighs
REPEATS_FLOOR: Final = 1.0
"""Log odds of what is rare deviate little, and would all be clipped, the first time as the fourth."""

FOLDS: Final = 3
LEAST_FOLD_ROWS: Final = 200

Progress = Callable[[float, float], None]


class Learner:
    """Fits networks and linear models to a table of a host's own rows, with the synthetic ones as a prior.

    ``moved``: the same rows with their jobs moved, for the networks only, for a linear model knows no clock
    but what came back. ``idle``: rows of a host that turned idle. ``cut``: whether the rows, if they are
    enough, are also cut into folds. ``before``: a model that sees the same, from whose weights to go on, with
    its calibration.
    """

    def __init__(  # noqa: PLR0913 - all but four are refinements with a usual value
        self,
        own: TrainingTable,
        synthetic_prior: TrainingTable,
        share: float,
        rng: np.random.Generator,
        moved: TrainingTable | None = None,
        idle: TrainingTable | None = None,
        stop: Stop | None = None,
        progress: Progress | None = None,
        *,
        before: ForecastModel | None = None,
        cut: bool = True,
    ) -> None:
        self._share = share
        self._rng, self._stop, self._progress = rng, stop, progress
        moments = Moments.of(own.features)
        moments.merge(Moments.of(synthetic_prior.features).thinned(share))
        floor = np.full(len(own.spec.names), 1e-3)
        floor[[own.spec.names.index(f"level:{name}") for name in REPEATS]] = REPEATS_FLOOR
        self._normaliser = Normaliser.from_moments(moments, floor=floor)
        self._before = before
        self._folds = FOLDS if cut and len(own) >= FOLDS * LEAST_FOLD_ROWS else 0
        # Normalised once; the tables go on without the features, which would be copied for every fold.
        self._Z, self._Z_prior = (self._normaliser.apply(each.features) for each in (own, synthetic_prior))
        self._own, self._synthetic_prior = _bare(own), _bare(synthetic_prior)
        self._idle = None if idle is None else (_bare(idle), self._normaliser.apply(idle.features))
        self._moved = None if moved is None else (_bare(moved), self._normaliser.apply(moved.features))

    def learn(self) -> tuple[ForecastModel, tuple[float, ...]]:
        """A model of all rows, calibrated as the one before or not at all, and its loss after each epoch."""
        own, before = self._own, self._before
        start = None if before is None else renormalised(before, self._normaliser)
        share = 1.0 if start is None else WARM_SHARE
        network, (weights, shares), losses = self._fit(np.arange(len(own)), self._folds, share, start)
        if before is None:
            count = len(own.horizons)
            unmeasured = np.full((len(BOUNDS) + 1, own.peaks.shape[1], len(QUANTILES)), np.nan)
            level: LevelDistribution | None = LevelDistribution(LIMITS, unmeasured)
            calibration, thresholds = np.tile([1.0, 0.0], (count, 1)), np.full(count, 0.5)
        else:
            calibration, thresholds, level = before.calibration, before.thresholds, before.level
        parts = (own.spec, self._normaliser, network, weights, shares, own.horizons)
        return ForecastModel(*parts, calibration, thresholds, level), losses

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
            network, (weights, shares), _ = self._fit(rows[~part], fold, FOLD_SHARE)
            logits[part] = mixed_logits(network, weights, shares, self._Z[part])
        return logits

    def _fit(
        self, rows: Integers, turn: int, share: float, start: Network | None = None
    ) -> tuple[Network, tuple[Floats, Floats], tuple[float, ...]]:
        """A network and a linear model of these own rows, and the losses; as `fit_network` has it."""
        table = self._own.take(rows).joined(self._synthetic_prior, self._share)
        Z = np.vstack([self._Z[rows], self._Z_prior])
        if self._idle is not None:
            idle, idle_Z = self._idle
            table, Z = table.joined(idle, 1.0), np.vstack([Z, idle_Z])
        linear = fit_linear(Z, table, len(rows))
        if self._moved is not None:
            moved, moved_Z = self._moved
            table = table.joined(moved.take(rows), MOVED_SHARE)
            Z = np.vstack([Z, moved_Z[rows]])
        turns = self._folds + 1

        def tell(done: float, loss: float) -> None:
            if self._progress is not None:
                self._progress((turn + done) / turns, loss)

        network, losses = fit_network(
            Z, table, self._rng, share=share, start=start, stop=self._stop, tell=tell
        )
        return network, linear, losses


def _bare(table: TrainingTable) -> TrainingTable:
    """The table without its features."""
    return replace(table, features=np.empty((len(table), 0)))


def fit_network(
    Z: Array,
    table: TrainingTable,
    rng: np.random.Generator,
    *,
    share: float = 1.0,
    start: Network | None = None,
    stop: Stop | None = None,
    tell: Progress = lambda _share, _loss: None,
) -> tuple[Network, tuple[float, ...]]:
    """A network fitted to normalised features Z (R, F), an output a target, and its loss after each epoch.

    ``share``: of the usual epochs; from the weights of ``start`` fewer do than from drawn ones.
    """
    known = np.isfinite(table.targets)
    T = np.where(known, table.targets, np.float32(0.0))
    weights = known * table.weights[:, None].astype(np.float32)
    weights *= _output_weights(table.horizons).astype(np.float32)
    network = _with_dropout(Z.shape[1], T.shape[1], rng)
    batch = min(BATCH_SIZE, len(Z))
    epochs = math.ceil(share * max(EPOCHS, math.ceil(LEAST_STEPS / (len(Z) // batch))))
    if start is None:
        rates = (weights * T).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-9)
        rates = np.clip(rates, 0.001, 0.999)
        network.dense[-1].b[...] = np.log(rates / (1.0 - rates))
    else:
        network.theta[...] = start.theta
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


def renormalised(model: ForecastModel, normaliser: Normaliser) -> Network:
    """The model's network for features that another normaliser scales: the same logits, up to clipping."""
    known = model.normaliser
    network = build_network(model.network.inputs, HIDDEN, model.network.outputs, drawn=False)
    network.theta[...] = model.network.theta
    first, ratio = network.dense[0], normaliser.scale / known.scale
    first.W[ratio > RESCALED] = 0.0
    first.b += ((normaliser.mean - known.mean) / known.scale) @ first.W
    first.W *= ratio[:, None]
    return network


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
