"""Training the forecast network on a host's own history.

One network answers for all horizons. Beside "is the level above 1 within h" it learns the same for lower and
higher limits: high load is rare, and a near miss tells nearly as much as a hit (measured: +0.02 average
precision). The extra outputs are dropped afterwards.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from loadwatch.errors import TrainingError
from loadwatch.features.forecast import CHUNK, ForecastFeatures, ForecastSpec
from loadwatch.features.moments import Moments, Normaliser
from loadwatch.features.scan import Integers
from loadwatch.labels.horizons import exceedances, inside, labelled_levels
from loadwatch.labels.rule import Rule
from loadwatch.model.forecast import ForecastModel, build_network
from loadwatch.nn import (
    AdamW,
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
from loadwatch.records import Floats, Label, Recording, Span
from loadwatch.training.companions import choose_companions
from loadwatch.training.rows import choose_rows

THRESHOLDS: Final = (1.0, 0.375, 0.5, 0.625, 0.75, 0.875, 0.9375, 1.0625, 1.125)
OWN_SHARE: Final = 0.3  # of the loss, for the limit itself; the other limits share the rest
HIDDEN: Final = (64, 32)
DROPOUT: Final = 0.1
EPOCHS: Final = 12
LEAST_STEPS: Final = 300
BATCH_SIZE: Final = 256
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 1.0
MOST_ROWS: Final = 40_000


class Stop(Protocol):
    """Such as ``threading.Event``."""

    def is_set(self) -> bool:
        """Whether training is to end early."""


@dataclass(frozen=True, slots=True)
class ForecastReport:
    """How a training went; for the model's card."""

    rows: int
    onsets: int
    seconds: float
    loss: float
    shares: dict[int, float] = field(default_factory=dict)  # of rows with high load within each horizon
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """R chosen rows: features (R, F), targets (R, O) with NaN where unknown, weights (R,)."""

    spec: ForecastSpec
    timestamps: Floats
    features: Floats
    targets: Floats
    weights: Floats


def train_forecast(
    recording: Recording,
    rule: Rule,
    horizons: Sequence[int],
    *,
    labels: Iterable[Label] = (),
    masks: Iterable[Span] = (),
    seed: int = 0,
    stop: Stop | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[ForecastModel, ForecastReport]:
    """A forecaster of ``horizons`` (seconds, 0 is now) learnt from a recording.

    ``labels`` are the operator's and override the rule; rows inside ``masks`` (maintenance, our own
    training) are not learnt from. ``progress`` is told the share done.

    Raises:
        TrainingError: not one row has a known future.

    """
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    levels = rule.levels(recording)
    table = training_set(recording, levels, horizons, labels=labels, masks=masks, rng=rng)
    normaliser = Normaliser.from_moments(Moments.of(table.features))
    network, loss = fit(normaliser.apply(table.features), table, horizons, rng, stop=stop, progress=progress)
    count = len(horizons)
    model = ForecastModel(
        table.spec,
        normaliser,
        network,
        tuple(horizons),
        np.tile([1.0, 0.0], (count, 1)),
        np.full(count, 0.5),
    )
    high = np.nan_to_num(levels) > 1.0
    shares = Moments.of(table.targets[:, :count]).mean.tolist()
    report = ForecastReport(
        len(table.features),
        int((high[1:] & ~high[:-1]).sum()),
        time.perf_counter() - started,
        loss,
        dict(zip(horizons, shares, strict=True)),
        table.spec.signals,
    )
    return model, report


def training_set(
    recording: Recording,
    levels: Floats,
    horizons: Sequence[int],
    *,
    labels: Iterable[Label] = (),
    masks: Iterable[Span] = (),
    rng: np.random.Generator,
) -> TrainingSet:
    """The rows to learn from. Targets: H for the limit itself, then the other limits of each horizon above 0.

    Raises:
        TrainingError: not one row has a known future.

    """
    times, masked = recording.timestamps, inside(recording.timestamps, masks)
    truth = labelled_levels(times, levels, labels)
    truth[masked] = np.nan
    table = exceedances(times, truth, horizons, THRESHOLDS)
    ahead = [place for place, horizon in enumerate(horizons) if horizon > 0]
    targets = np.hstack([table[:, :, 0], table[:, ahead, 1:].reshape(len(times), -1)])
    usable = np.isfinite(targets).any(axis=1) & ~masked
    if not usable.any():
        raise TrainingError(
            f"cannot train the forecast: none of {len(times)} rows has a known load level and "
            "future; check that the high-load rule uses signals of this host"
        )
    reach = float(max(horizons))
    chosen, weights = choose_rows(times, truth, usable, 2 * reach, MOST_ROWS, rng)
    signals = choose_companions(recording, levels, targets[:, int(np.argmax(horizons))])
    spec = ForecastSpec.fitting(times, signals, reach)
    features = features_of(spec, recording, levels, chosen)
    return TrainingSet(spec, times[chosen], features, targets[chosen], weights)


def features_of(spec: ForecastSpec, recording: Recording, levels: Floats, chosen: Integers) -> Floats:
    """The features (R, F) of the chosen rows only: a long history never stands in memory as a whole."""
    stream, parts = ForecastFeatures(spec), []
    values = recording.with_signals(spec.signals).values
    for start in range(0, len(recording), CHUNK):
        part = slice(start, start + CHUNK)
        features = stream.extend(recording.timestamps[part], values[part], levels[part])
        first, last = np.searchsorted(chosen, [start, start + CHUNK])
        parts.append(features[chosen[first:last] - start])
    return np.vstack(parts)


def fit(
    X: np.ndarray,
    table: TrainingSet,
    horizons: Sequence[int],
    rng: np.random.Generator,
    *,
    stop: Stop | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[Network, float]:
    """A network fitted to normalised features X (R, F), with H outputs, and the loss of its last epoch."""
    known = np.isfinite(table.targets)
    T = np.where(known, table.targets, 0.0).astype(np.float32)
    weights = (known * table.weights[:, None] * _output_weights(horizons)).astype(np.float32)
    network = _with_dropout(X.shape[1], T.shape[1], rng)
    share = (weights * T).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-9)
    share = np.clip(share, 0.001, 0.999)
    network.dense[-1].b[...] = np.log(share / (1.0 - share))
    batch = min(BATCH_SIZE, len(X))
    epochs = max(EPOCHS, math.ceil(LEAST_STEPS / max(1, len(X) // batch)))
    plan = Plan(
        BinaryCrossEntropy(),
        AdamW(decay=WEIGHT_DECAY),
        warm_up(cosine(LEARNING_RATE)),
        epochs,
        batch,
        drop_last=True,
    )
    report = train(
        network,
        Data(X, T, weights),
        plan,
        seed=rng,
        stop=stop,
        progress=None if progress is None else lambda epoch: progress(epoch.number / epoch.epochs),
    )
    return _first_outputs(network, len(horizons)), report.losses[-1]


def _output_weights(horizons: Sequence[int]) -> Floats:
    """(O,) how much each output counts; all of them together 1."""
    ahead = sum(horizon > 0 for horizon in horizons)
    others = len(THRESHOLDS) - 1
    own = np.full(len(horizons), OWN_SHARE)
    rest = np.full(ahead * others, (1.0 - OWN_SHARE) / others)
    weights = np.concatenate([own, rest])
    total: Floats = weights / weights.sum()
    return total


def _with_dropout(inputs: int, outputs: int, rng: np.random.Generator) -> Network:
    sizes = (inputs, *HIDDEN)
    layers: list[Dense | Dropout] = []
    for before, after in pairwise(sizes):
        layers += [Dense(before, after, "relu"), Dropout(DROPOUT)]
    return Network([*layers, Dense(sizes[-1], outputs, "identity", normal(0.5))], seed=rng)


def _first_outputs(network: Network, count: int) -> Network:
    """A network with the same layers, without dropout, that gives only the first ``count`` outputs."""
    smaller = build_network(network.inputs, HIDDEN, count)
    for mine, theirs in zip(smaller.dense, network.dense, strict=True):
        mine.W[...] = theirs.W[:, : mine.outputs]
        mine.b[...] = theirs.b[: mine.outputs]
    return smaller
