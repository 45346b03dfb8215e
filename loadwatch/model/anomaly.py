"""The anomaly model: how far from usual is this host, and which signals say so.

    S_j   = oddity of signal j                              (model/baseline.py)
    c_j   = what of it is not usual at this time            (model/baseline.py, model/recurring.py)
    h_j   = c_j, smoothed over a minute, peaks held         (model/smoothing.py)
    h     = mean of h_j over the signals
    score = h / (h + threshold)                             0.5 at the threshold, keeps the order of h

Everything is causal: a score depends on the past alone.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadwatch.errors import ModelError
from loadwatch.features.deviations import ChangeFeatures, DeviationSpec
from loadwatch.features.half_hours import SLOTS
from loadwatch.features.recurrence import Integers
from loadwatch.features.resample import MinuteResampler, Minutes
from loadwatch.model.baseline import FEATURES, AnomalySettings, Baseline
from loadwatch.model.recurring import LevelDrift, RecurringOddity
from loadwatch.model.smoothing import ScoreSmoother, SmoothingSpec
from loadwatch.records import Floats, Recording

FORMAT: Final = 3
WITHOUT_RELATIVE: Final = 2  # the format before changes were looked at in proportion, too
OUTDATED: Final = (1,)
WARM_UP_SECONDS: Final = 12 * 3600.0  # of history after which a new stream equals one that never stopped
STATISTICS: Final[Mapping[str, tuple[tuple[int, ...], int]]] = {
    "course": ((2, SLOTS), 1),
    "width": ((), 1),
    "reach": ((), 2),
    "step_floors": ((), 1),
    "size_floors": ((), 1),
    "elasticity": ((), 1),
    "usual_step": ((), 1),
    "rest": ((), 1),
    "centre": ((), FEATURES),
    "spread": ((), FEATURES),
    "factor": ((SLOTS,), FEATURES),
    "season": ((SLOTS,), 1),
}
"""What a model file holds of a baseline: the shape before the signals, and values a signal."""
PASTS: Final = ("residuals", "oddities")
LEAST, MOST = 1e-6, 1e12  # within which a setting is one


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyScores:
    """Scores of N samples.

    scores: (N,) 0 to 1, NaN where unknown; contributions: (N, J) not negative, rows add up to the scores.
    """

    scores: Floats
    contributions: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PastHalfHours:
    """Half-hour means that the training ended with: numbers (B,) and values (B, J), NaN unknown."""

    numbers: Integers
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyModel:
    """Everything needed to score a host; immutable.

    threshold: the h at which the score is 0.5, from the budget of the training. residuals, oddities: with
    what past a stream begins.
    """

    baseline: Baseline
    threshold: float
    residuals: PastHalfHours
    oddities: PastHalfHours

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals it looks at; others are ignored, missing ones contribute nothing."""
        return self.baseline.signals

    def stream(self) -> "AnomalyStream":
        """A fresh state for following a host's samples."""
        return AnomalyStream(self)

    def score(self, recording: Recording) -> AnomalyScores:
        """Score every sample of a recording, beginning with the past of the training."""
        return self.stream().extend(recording)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Meta (JSON) and arrays, for `nn.pack`; `from_parts` gives the same model back."""
        meta = {
            "format": FORMAT,
            "signals": list(self.signals),
            "threshold": self.threshold,
            "settings": asdict(self.baseline.settings),
        }
        arrays: dict[str, npt.NDArray[Any]] = {name: getattr(self.baseline, name) for name in STATISTICS}
        for name in PASTS:
            past: PastHalfHours = getattr(self, name)
            arrays |= {name: past.values.astype(np.float32), f"{name}_numbers": past.numbers}
        return meta, arrays

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> "AnomalyModel":
        """The model that `to_parts` took apart.

        Raises:
            ModelError: the parts are of another format, or do not fit each other.

        """
        if meta.get("format") not in (FORMAT, WITHOUT_RELATIVE):
            raise ModelError(
                f"anomaly model has format {meta.get('format')}, this version reads {FORMAT}; train a new one"
            )
        try:
            signals = tuple(meta["signals"])
            if not all(isinstance(name, str) for name in signals):
                raise TypeError("signals have names")
            if meta["format"] == WITHOUT_RELATIVE:
                arrays = _with_relative(arrays, len(signals))
            statistics = {name: np.asarray(arrays[name], np.float64) for name in STATISTICS}
            pasts = {name: _past(arrays, name) for name in PASTS}
            model = cls(
                Baseline(signals, **statistics, settings=_settings(meta)), float(meta["threshold"]), **pasts
            )
            for name, (front, each) in STATISTICS.items():
                shape = (*front, each * len(signals))
                if statistics[name].shape != shape:
                    raise ValueError(f"{name} is {statistics[name].shape}, not {shape}")
            model.stream()
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"anomaly model is incomplete ({error!r}); train a new one") from error
        return model


def is_outdated(meta: Mapping[str, Any]) -> bool:
    """Whether these parts are of the earlier format, with an autoencoder: left out until a training."""
    return meta.get("format") in OUTDATED


class AnomalyStream:
    """An anomaly model following one host; how the samples are cut into calls changes no number.

    Samples between two full minutes keep the score of the last one. One thread only.
    """

    def __init__(self, model: AnomalyModel) -> None:
        signals, baseline = len(model.signals), model.baseline
        self.model = model
        self._clock = MinuteResampler(signals)
        self._change = ChangeFeatures(baseline.settings.deviations, baseline.reach)
        self._variability = baseline.variability_features()
        self._drift, self._recurring = LevelDrift(baseline.width), RecurringOddity(signals)
        self._drift.past.restore(model.residuals.numbers, model.residuals.values)
        self._recurring.past.restore(model.oddities.numbers, model.oddities.values)
        limit = model.threshold * max(1, int(baseline.judged.sum()))
        self._hold = ScoreSmoother(baseline.settings.hold, signals, limit)
        self._score = math.nan
        self._contributions = np.full(signals, math.nan)

    def extend(self, recording: Recording) -> AnomalyScores:
        """Take in samples (N,) in time order."""
        recording = recording.with_signals(self.model.signals)
        minutes = self._clock.extend(recording.timestamps, recording.values)
        before = np.array(self._score), self._contributions
        # Most single samples complete no minute, and then there is nothing to compare.
        nothing = np.empty(0), np.empty((0, len(before[1])))
        scores, contributions = self._judge(minutes) if len(minutes) else nothing
        return AnomalyScores(minutes.spread(scores, before[0]), minutes.spread(contributions, before[1]))

    def _judge(self, minutes: Minutes) -> tuple[Floats, Floats]:
        """Scores (M,) and contributions (M, J) of minutes, M > 0."""
        baseline, threshold = self.model.baseline, self.model.threshold
        times, values = minutes.timestamps, minutes.values
        changing = baseline.changing(times, values)
        residuals = changing[:, : len(baseline.signals)]
        level = self._drift.levels(times, residuals)
        change = self._change.extend(times, changing)
        features = np.hstack([level, change, self._variability.extend(times, values)])
        S = baseline.oddity(times, features)
        recurring = self._recurring.extend(times, np.where(np.isfinite(residuals), S, np.nan))
        held = self._hold.extend(times, baseline.surprises(times, S, recurring))
        mean = baseline.mean(held, values)
        scores = mean / (mean + threshold)
        # h_j over J (mean + threshold): shares of the score, with no division by zero where all is calm.
        judged = max(1, int(baseline.judged.sum()))
        contributions = held / (judged * (mean + threshold))[:, None]
        self._score, self._contributions = float(scores[-1]), contributions[-1]
        return scores, contributions


def _with_relative(arrays: Mapping[str, npt.NDArray[Any]], signals: int) -> dict[str, npt.NDArray[Any]]:
    """Arrays of J signals: relative changes that spread so far that none is odd, and no signal at rest."""
    added = {"reach": np.inf, "centre": 0.0, "spread": MOST, "factor": 1.0}
    places = {name: [min(2, STATISTICS[name][1] - 1) * signals] * signals for name in added}
    inserted = {name: np.insert(arrays[name], places[name], each, axis=-1) for name, each in added.items()}
    return {**arrays, **inserted, "rest": np.full(signals, -1.0)}


def _settings(meta: Mapping[str, Any]) -> AnomalySettings:
    plain = dict(meta["settings"])
    spans = dict(plain.pop("deviations"))
    slow, fast = spans.pop("variability_seconds")
    hold = dict(plain.pop("hold"))
    numbers = [slow, fast, *spans.values(), *hold.values(), *plain.values(), meta["threshold"]]
    if not all(isinstance(number, int | float) and LEAST < number < MOST for number in numbers):
        raise ValueError("its settings are no positive numbers")
    deviations = DeviationSpec(**spans, variability_seconds=(slow, fast))
    return AnomalySettings(**plain, deviations=deviations, hold=SmoothingSpec(**hold))


def _past(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> PastHalfHours:
    numbers, values = arrays[f"{name}_numbers"], arrays[name]
    if numbers.dtype.kind != "i" or values.dtype.kind != "f":
        raise TypeError(f"{name} are {values.dtype} of half hours {numbers.dtype}")
    return PastHalfHours(numbers, values.astype(np.float64))
