"""The forecast: features of one moment in, the probability of high load within each horizon out.

And beside it how high the load level will get, see ``model.level``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from loadwatch.escaping import quoted
from loadwatch.features.forecast import CELL_SECONDS, ForecastFeatures, ForecastSpec
from loadwatch.features.moments import Normaliser
from loadwatch.model.level import BOUNDS, QUANTILES, SAID, LevelDistribution
from loadwatch.nn import Array, Attribution, Dense, Network
from loadwatch.records import Contribution, Floats

BATCH: Final = 1024  # rows at once: the network keeps buffers for as many
SURE: Final = 0.98
"""Probability of high load now where the rule says so, at least: the rule is what high load means."""
LEVEL: Final = "level"
STEPS: Final = 32  # parts of the way from the ordinary to now, for the contributions


class Outlook(NamedTuple):
    """What is ahead of N moments.

    chances: (N, H) of high load; logits: (N, O) of the chances, then of the other limits of the load level.
    """

    chances: Floats
    logits: Floats


@dataclass(frozen=True, eq=False)
class ForecastModel:
    """A trained forecaster, immutable; use it from one thread, for the network works in buffers of its own.

    A logit is the weighted mean of the network's and the linear model's, a small logistic regression (see
    ``training.linear`` for why), then ``slope * logit + shift`` by ``calibration`` (H, 2). What comes within
    a minute comes within five: of the horizons ahead, a longer one is never less likely than a shorter one.

    spec: what the features mean; horizons: H seconds, 0 is now; linear (F + 1, H): weights of the normalised
    features, most of them 0, and the bias; shares (H,): how much the linear model counts, 0 to 1; thresholds
    (H,): the probability from which a horizon is flagged, chosen for the alert budget.

    The network's outputs are the H horizons; with ``level``, then for each horizon ahead the other limits of
    the load level. A model of before 2026-12 has none, and says nothing of the level.
    """

    spec: ForecastSpec
    normaliser: Normaliser
    network: Network
    linear: Floats
    shares: Floats
    horizons: tuple[int, ...]
    calibration: Floats
    thresholds: Floats
    level: LevelDistribution | None = None

    def features(self) -> ForecastFeatures:
        """A fresh stream of the features this model wants."""
        return ForecastFeatures(self.spec)

    def logits(self, features: Floats) -> Floats:
        """Calibrated logits (N, H) of features (N, F), rising from horizon to horizon ahead."""
        return self._rising(self._separate(features)[:, : len(self.horizons)])

    def _rising(self, logits: Floats) -> Floats:
        ahead = logits[:, self._first_ahead :]
        np.maximum.accumulate(ahead, axis=1, out=ahead)
        return logits

    def look_ahead(self, features: Floats) -> Outlook:
        """What is ahead of the moments with features (N, F)."""
        logits = self._separate(features)
        return Outlook(sigmoid(self._rising(logits[:, : len(self.horizons)])), logits)

    def peaks(self, features: Floats, logits: Floats) -> Floats:
        """(N, A, 2) quantiles of the highest level now or within each of the A horizons ahead.

        features: (N, F) and their logits (N, O) as `look_ahead` gave them. NaN where the model says none.
        """
        if self.level is None:
            return np.full((len(features), len(self.ahead), len(QUANTILES)), np.nan)
        return self.level.quantiles(self.exceedances(self.level, logits), self.levels(features))

    def levels(self, features: Floats) -> Floats:
        """The load level (N,) last known in features (N, F)."""
        return features[:, self.spec.names.index("level:now")]

    def exceedances(self, level: LevelDistribution, outputs: Floats) -> Floats:
        """(N, A, L) as ``level`` reads them, of logits (N, O), those of the horizons calibrated."""
        chances = sigmoid(outputs)
        said, others = chances[:, : len(self.horizons)], chances[:, len(self.horizons) :]
        shape = (len(outputs), len(self.ahead), level.others)
        return level.exceedances(said[:, self._first_ahead :], others.reshape(shape))

    @property
    def ahead(self) -> tuple[int, ...]:
        """The horizons after now."""
        return self.horizons[self._first_ahead :]

    @property
    def _first_ahead(self) -> int:
        return int(self.horizons[0] == 0)

    def _separate(self, features: Floats) -> Floats:
        """(N, O) the same, each horizon by itself, and the logits of the other limits."""
        return self.calibrated(self.uncalibrated(features))

    def uncalibrated(self, features: Floats) -> Floats:
        """(N, O) the logits of network and linear model as they are, for features (N, F)."""
        answer = np.empty((len(features), self.network.outputs))
        for start in range(0, len(features), BATCH):
            part = slice(start, start + BATCH)
            Z = self.normaliser.apply(features[part])
            answer[part] = mixed_logits(self.network, self.linear, self.shares, Z)
        return answer

    def calibrated(self, logits: Floats) -> Floats:
        """Logits (N, O) with those of the horizons calibrated."""
        said, others = logits[:, : len(self.horizons)], logits[:, len(self.horizons) :]
        return np.concatenate([said * self.calibration[:, 0] + self.calibration[:, 1], others], axis=1)

    def probabilities(self, features: Floats) -> Floats:
        """Probabilities (N, H) of high load within each horizon, for features (N, F)."""
        return sigmoid(self.logits(features))

    def now(self, probabilities: Floats, levels: Floats) -> Floats:
        """The probability (N,) of high load now: of its forecasts (N, H), or by the load levels (N,)."""
        rule = np.where(levels > 1.0, SURE, 0.0)
        return np.maximum(rule, probabilities[:, 0]) if self.horizons[0] == 0 else rule

    def by_horizon(self) -> dict[int, float]:
        """The probability from which each horizon is flagged."""
        return dict(zip(self.horizons, self.thresholds.tolist(), strict=True))

    def thresholds_by_name(self) -> dict[str, float]:
        """The same as a card has it."""
        return {str(horizon): threshold for horizon, threshold in self.by_horizon().items()}

    def contributions(
        self, features: Floats, logits: Floats, horizon: int, deciding: Sequence[str] = ()
    ) -> tuple[Contribution, ...]:
        """What moved the logit of ``horizon`` away from that of an ordinary moment, by signal, largest first.

        features: (F,) and their logits (O,) as `look_ahead` gave them. The contributions add up to the
        difference of the two logits (integrated gradients); where a shorter horizon ahead is likelier and
        speaks for this one, to that of the shorter one. What came from the load level is shared among
        ``deciding``, the signals that set it; where none are given it stands under the name ``level``.
        """
        place = self.horizons.index(horizon)
        if place >= self._first_ahead:  # the first that is as likely is the one that speaks
            place = self._first_ahead + int(np.argmax(logits[self._first_ahead : place + 1]))
        now = self.normaliser.apply(features[None])
        network = self._attribution(now, np.zeros_like(now), place)[0]
        share = float(self.shares[place])
        parts = (1.0 - share) * network + share * self.linear[:-1, place] * now[0]
        parts = parts * self.calibration[place, 0]
        names, owners = self._signals
        totals = dict(zip(names, np.bincount(owners, weights=parts).tolist(), strict=True))
        if deciding:
            of_level = totals.pop(LEVEL) / len(deciding)
            for signal in deciding:
                totals[signal] = totals.get(signal, 0.0) + of_level
        ordered = sorted(totals.items(), key=lambda item: -abs(item[1]))
        return tuple(Contribution(signal, value) for signal, value in ordered)

    @cached_property
    def _signals(self) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
        """What the features are made of, and (F,) which of these each is."""
        made_of = [name.partition(":")[0] for name in self.spec.names]
        places = {signal: place for place, signal in enumerate(dict.fromkeys(made_of))}
        return tuple(places), np.array([places[signal] for signal in made_of], np.intp)

    @cached_property
    def _attribution(self) -> Attribution:
        return Attribution(self.network, steps=STEPS)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Plain values and arrays for a file; the inverse of `from_parts`."""
        meta = {
            "spec": self.spec.to_meta(),
            "limit": self.normaliser.limit,
            "horizons": list(self.horizons),
            "hidden": [layer.outputs for layer in self.network.dense[:-1]],
        }
        arrays = {
            "mean": self.normaliser.mean,
            "scale": self.normaliser.scale,
            "theta": self.network.theta,
            "anchor": self.linear,
            "shares": self.shares,
            "calibration": self.calibration,
            "thresholds": self.thresholds,
        }
        if self.level is not None:
            meta["limits"] = list(self.level.limits)
            arrays["level"] = self.level.shares
        return meta, arrays

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """A model from what `to_parts` gave.

        Raises:
            KeyError, ValueError: parts are missing or do not fit each other.

        """
        spec = ForecastSpec.from_meta(meta["spec"])
        # How long it remembers, and with it the memory it takes, follows from these.
        if spec.cell not in CELL_SECONDS or not 0.0 < spec.step <= 86_400.0 or not 1.0 <= spec.reach <= 1e7:
            raise ValueError(f"features of such spans are never made: {spec.cell}, {spec.step}, {spec.reach}")
        if not math.isfinite(spec.phase) or not all(isinstance(name, str) for name in spec.signals):
            raise ValueError("its features are of no signals")
        horizons = tuple(int(horizon) for horizon in meta["horizons"])
        inputs, outputs = len(spec.names), len(horizons)
        level = _level(meta, arrays, sum(horizon > 0 for horizon in horizons))
        units = outputs if level is None else outputs + level.shares.shape[1] * level.others
        check_sizes([inputs, *meta["hidden"], units], arrays["theta"])
        network = build_network(inputs, meta["hidden"], units, drawn=False)
        shapes = {
            "mean": (inputs,),
            "scale": (inputs,),
            "theta": network.theta.shape,
            "anchor": (inputs + 1, outputs),
            "shares": (outputs,),
            "calibration": (outputs, 2),
            "thresholds": (outputs,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has shape {arrays[name].shape}, expected {shape}")
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} holds what are no numbers")
        network.theta[...] = arrays["theta"]
        normaliser = Normaliser(arrays["mean"], arrays["scale"], float(meta["limit"]))
        if not (normaliser.scale > 0.0).all() or not 0.0 < normaliser.limit < math.inf:
            raise ValueError("scale and limit must be above 0")
        return cls(
            spec,
            normaliser,
            network,
            arrays["anchor"],
            arrays["shares"],
            horizons,
            arrays["calibration"],
            arrays["thresholds"],
            level,
        )


def _level(
    meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], ahead: int
) -> LevelDistribution | None:
    """How the load level to come is read; None of a model from before it was told."""
    if "limits" not in meta:
        return None
    limits, shares = tuple(map(float, meta["limits"])), arrays["level"]
    ascending = all(0.0 < below < above < math.inf for below, above in pairwise(limits))
    if SAID not in limits or not ascending:
        raise ValueError(f"limits of the load level are {quoted(meta['limits'], 40)}")
    shape = (len(BOUNDS) + 1, ahead, len(QUANTILES))
    if shares.shape != shape:
        raise ValueError(f"level has shape {shares.shape}, expected {shape}")
    if not (np.isnan(shares) | ((shares > 0.0) & (shares < 1.0))).all():
        raise ValueError("level holds what are no shares")
    return LevelDistribution(limits, shares)


def check_sizes(widths: Sequence[int], theta: npt.NDArray[Any]) -> None:
    """Refuse layers of other sizes than the parameters there are, before memory is taken for them.

    Raises:
        ValueError: they do not fit each other.

    """
    if any(type(width) is not int or width < 1 for width in widths):
        raise ValueError("layers have whole sizes above 0")
    if sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths)) != theta.size:
        raise ValueError(f"{theta.size} parameters are not those of layers of {quoted(list(widths))}")


def build_network(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    *,
    seed: int | np.random.Generator = 0,
    drawn: bool = True,
) -> Network:
    """Dense ReLU layers of the ``hidden`` sizes, then one logit an output; as it is used, without dropout.

    With ``drawn`` false its parameters are 0, for one who writes them.
    """
    sizes = (inputs, *hidden)
    layers = [Dense(before, after, "relu") for before, after in pairwise(sizes)]
    return Network([*layers, Dense(sizes[-1], outputs, "identity")], seed=seed, drawn=drawn)


def mixed_logits(network: Network, linear: Floats, shares: Floats, Z: Array) -> Floats:
    """The logits (N, O) of network and, for the H horizons, linear model together; Z (N, F) is normalised."""
    simple: Floats = Z @ linear[:-1] + linear[-1]
    logits = network.forward(Z).astype(np.float64)
    count = len(shares)
    logits[:, :count] = (1.0 - shares) * logits[:, :count] + shares * simple
    return logits


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + e^-z) without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits))
