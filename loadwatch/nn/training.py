"""Training: shuffled mini-batches, a step each, until epochs, patience or the caller's will run out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from loadwatch.nn.arrays import Array
from loadwatch.nn.batches import Batch, Batches
from loadwatch.nn.data import Data, Tables, tables
from loadwatch.nn.errors import DivergenceError, InputError
from loadwatch.nn.losses import Loss
from loadwatch.nn.network import Network, Pass
from loadwatch.nn.objective import Objective, mean_loss
from loadwatch.nn.optimisers import L2, Optimiser, clip_by_norm
from loadwatch.nn.schedules import Schedule

DIVERGED = 1e4  # times the loss of a network that says nothing: no healthy training gets near it


@dataclass(frozen=True)
class Epoch:
    """What `progress` is told after each epoch."""

    number: int  # from 1
    epochs: int
    loss: float
    validation_loss: float | None
    learning_rate: float


@dataclass
class TrainingReport:
    """How a training went. `losses` has one value an epoch, the mean over the epoch's batches."""

    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0
    best_epoch: int | None = None
    """Counted from 1; the weights returned are of this epoch. None: they are those of the last step."""
    stopped: str = "epochs"
    """Why it ended: "epochs", "patience" or "stop"."""
    revived: int = 0
    """How many stuck units were replaced on the way."""


class Stop(Protocol):
    """Such as `threading.Event`."""

    def is_set(self) -> bool:
        """Whether training is to end."""


class Revival(Protocol):
    """Such as `revival.Reviver`: looks at the network after an epoch, may replace stuck units."""

    def after_epoch(self, loss: float) -> int:
        """Look, and replace; returns how many units."""

    def finish(self) -> None:
        """Undo what did not pay."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        patience: end after so many epochs without a new lowest loss (of the validation, if there is one),
            and give back the weights of the lowest. None: train all epochs, keep the last weights.
        l2: lambda of lambda/2 |weights|^2, added to the loss and the gradient.
        clip: longest gradient allowed, by its norm.
        drop_last: leave out the incomplete last batch of each epoch.
    """

    loss: Loss
    optimiser: Optimiser
    schedule: Schedule
    epochs: int
    batch_size: int = 32
    patience: int | None = None
    l2: float = 0.0
    clip: float | None = None
    drop_last: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}, expected at least 1")
        if self.clip is not None and not self.clip > 0.0:
            raise InputError(f"clip is {self.clip}, expected a norm above 0")
        if not (math.isfinite(self.l2) and self.l2 >= 0.0):
            raise InputError(f"l2 is {self.l2}, expected a finite number of at least 0")


def train(
    network: Network,
    data: Data,
    plan: Plan,
    *,
    seed: int | np.random.Generator | None = None,
    validation: Data | None = None,
    progress: Callable[[Epoch], None] | None = None,
    stop: Stop | None = None,
    revival: Revival | None = None,
) -> TrainingReport:
    """Fit `network` to `data` in place, as planned.

    Args:
        network: trained in place; its optimiser state starts afresh.
        data: rows to learn from.
        plan: see there.
        seed: of the shuffling.
        validation: rows whose loss is reported each epoch, and which decide on early stopping.
        progress: called after each epoch.
        stop: looked at after each epoch; when set, training ends early and in good order.
        revival: looks for stuck units, see revival.py.

    Raises:
        InputError: before anything is computed.
        DivergenceError: the loss is not finite or beyond all bounds; the last good weights are back in place.
    """
    run = _Run(network, tables(network, plan.loss, data), plan, np.random.default_rng(seed))
    held_out = None if validation is None else tables(network, plan.loss, validation, "validation ")
    report, best = TrainingReport(), _Best(network.theta)
    started = time.perf_counter()
    for epoch in range(plan.epochs):
        value = run.epoch(epoch)
        report.losses.append(value)
        judged = value
        if held_out is not None:
            judged = mean_loss(network, plan.loss, *held_out)
            report.validation_losses.append(judged)
        best.judge(judged, epoch)
        if revival is not None:
            report.revived += revival.after_epoch(value)
        if progress is not None:
            progress(Epoch(epoch + 1, plan.epochs, value, None if held_out is None else judged, run.rate))
        if stop is not None and stop.is_set():
            report.stopped = "stop"
            break
        if plan.patience is not None and epoch - best.epoch >= plan.patience:
            report.stopped = "patience"
            break
    if revival is not None:
        revival.finish()
    if plan.patience is not None:
        report.best_epoch = best.epoch + 1
        network.theta[...] = best.theta
    report.steps, report.seconds = run.steps, time.perf_counter() - started
    return report


class _Best:
    """The weights of the lowest loss so far."""

    def __init__(self, theta: Array) -> None:
        self.source, self.theta, self.lowest, self.epoch = theta, theta.copy(), math.inf, 0

    def judge(self, loss: float, epoch: int) -> None:
        if loss < self.lowest:
            self.lowest, self.epoch = loss, epoch
            self.theta[...] = self.source


class _Run:
    """The state of one training: tables, buffers, and the weights to fall back on."""

    def __init__(self, network: Network, rows: Tables, plan: Plan, rng: np.random.Generator) -> None:
        X, T, weights = rows
        self.network, self.plan, self.optimiser = network, plan, plan.optimiser
        self.batches = Batches(X, T, weights, plan.batch_size, rng, drop_last=plan.drop_last)
        self.l2 = L2(plan.l2, network.theta, network.weight_mask) if plan.l2 else None
        self.optimiser.bind(network.theta, network.gradient, network.weight_mask)
        self.places = {
            size: (Pass(network, size), Objective(plan.loss, network.outputs, size, network.dtype))
            for size in self.batches.sizes
        }
        self.steps, self.rate = 0, 0.0
        self.good = network.theta.copy()
        self.bound = DIVERGED * self._loss_before(X, T, weights)

    def _loss_before(self, X: Array, T: Array, weights: Array | None) -> float:
        """The loss of the network as it is, or of a silent one (all logits 0), whichever is larger."""
        head = slice(0, 1000)
        part = X[head], T[head], None if weights is None else weights[head]
        silent = self.network.astype(self.network.dtype)
        silent.theta.fill(0.0)
        losses = [mean_loss(network, self.plan.loss, *part) for network in (self.network, silent)]
        return max(losses) or math.inf

    def epoch(self, number: int) -> float:
        """One pass over all rows; returns the mean loss of its batches, weighted by their rows."""
        count = self.batches.count
        k = np.arange(self.steps, self.steps + count, dtype=np.float64)
        rates = self.plan.schedule(k, self.plan.epochs * count).tolist()
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # what they warn of is looked for below
            for batch, rate in zip(self.batches, rates, strict=True):
                total += self.step(batch, rate)
        self.rate = rates[-1]
        value = total / self.batches.trained_rows
        if not (value <= self.bound and np.isfinite(self.network.theta).all()):
            self.network.theta[...] = self.good
            raise DivergenceError(number, value, self.rate)
        self.good[...] = self.network.theta
        self.steps += count
        return value

    def step(self, batch: Batch, rate: float) -> float:
        """Forward, loss, backward, one move of theta; returns the loss times the rows."""
        X1T, TT, weightsT = batch
        rows: int = TT.shape[1]
        at, objective = self.places[rows]
        value = objective(at.forward(X1T), TT, at.dZT, weightsT)
        at.backward()
        if self.l2 is not None:
            value += self.l2(self.network.gradient)
        if self.plan.clip is not None:
            clip_by_norm(self.network.gradient, self.plan.clip)
        self.optimiser.step(rate)
        return value * rows
