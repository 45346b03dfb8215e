"""The anomaly model at work on a stream of samples: each update gives the verdict of the last full minute."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.features.deviations import DeviationFeatures
from loadwatch.features.minutes import MinuteClock
from loadwatch.model.anomaly import AnomalyModel
from loadwatch.model.holding import Hold, Reals
from loadwatch.records import Floats, Recording

WARM_UP_SECONDS: Final = 3 * 3600.0  # of history after which a stream equals one that never stopped


@dataclass(frozen=True, slots=True)
class AnomalyResult:
    """What is known after one sample; NaN (directions 0) where fewer than half of the signals have values.

    score: 0 to 1. contributions: (J,) not negative, they add up to the score. directions: (J,) +1 where the
    signal is above its usual value, -1 below.
    """

    score: float
    contributions: Floats
    directions: npt.NDArray[np.int8]


class AnomalyStream:
    """Score samples one by one in O(J); the same numbers as `AnomalyModel.score`.

    One thread only: the network's buffers are shared with the model.
    """

    def __init__(self, model: AnomalyModel) -> None:
        signals = len(model.signals)
        self.model = model
        self._clock = MinuteClock(signals)
        self._features = DeviationFeatures(model.settings.deviations, signals)
        self._hold = Hold(model.settings.hold, signals)
        self._result = unknown(signals)

    def warm_up(self, recording: Recording) -> None:
        """Take in recent history (`WARM_UP_SECONDS` or more), as after a restart or a change of model."""
        recording = recording.with_signals(self.model.signals)
        for timestamp, values in zip(recording.timestamps.tolist(), recording.values, strict=True):
            self.update(timestamp, values)

    def update(self, timestamp: float, values: Floats) -> AnomalyResult:
        """Take in one sample, values (J,) in the order of the model's signals, NaN where missing."""
        minute = self._clock.update(timestamp, values)
        if minute is not None:
            self._result = self._judge(timestamp, minute)
        return self._result

    def _judge(self, timestamp: float, minute: Floats) -> AnomalyResult:
        features = self._features.update(timestamp, minute)[None]
        c = self.model.surprises(np.array([timestamp]), features)
        raw = float(self.model.raw(c, minute[None])[0])
        held = self._hold.update(timestamp, raw, c[0], directions(self.model.standardise(features[0])))
        if math.isnan(held):
            return unknown(len(minute))
        score = held / (held + self.model.threshold)
        shares, ways = self._hold.explain()
        return AnomalyResult(score, shares * score, ways)


def unknown(signals: int) -> AnomalyResult:
    """No verdict: neither normal nor odd."""
    return AnomalyResult(math.nan, np.full(signals, math.nan), np.zeros(signals, np.int8))


def directions(z: Reals) -> npt.NDArray[np.int8]:
    """(J,) the sign of the stronger of each signal's two deviations z (2J,)."""
    level, change = np.split(z, 2)
    return np.sign(np.where(np.abs(change) > np.abs(level), change, level)).astype(np.int8)
