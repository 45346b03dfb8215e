"""The anomaly model: how far from usual is this host, and which signals say so.

    c_j   = surprise of signal j                            (model/usual.py)
    h_j   = c_j, smoothed over a minute, peaks held         (model/holding.py)
    h     = mean of h_j over the signals
    score = h / (h + threshold)                             0.5 at the threshold, keeps the order of h

Everything is causal: a score depends on the past alone.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadwatch.errors import ModelError
from loadwatch.features.deviations import DeviationFeatures, DeviationSpec
from loadwatch.features.resample import MinuteResampler, Minutes
from loadwatch.model.baseline import SLOTS, AnomalySettings, Baseline, autoencoder
from loadwatch.model.forecast import check_sizes
from loadwatch.model.smoothing import ScoreSmoother, SmoothingSpec
from loadwatch.records import Contribution, Floats, Recording

FORMAT: Final = 1
WARM_UP_SECONDS: Final = 3 * 3600.0  # of history after which a new stream equals one that never stopped


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyScores:
    """Scores of N samples.

    scores: (N,) 0 to 1, NaN where unknown; contributions: (N, J) not negative, rows add up to the scores.
    """

    scores: Floats
    contributions: Floats


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyModel:
    """Everything needed to score a host; immutable, used by one thread.

    threshold: the h at which the score is 0.5, from the budget of the training.
    """

    usual: Baseline
    threshold: float

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals it looks at; others are ignored, missing ones contribute nothing."""
        return self.usual.signals

    def stream(self) -> "AnomalyStream":
        """A fresh state for following a host's samples."""
        return AnomalyStream(self)

    def score(self, recording: Recording) -> AnomalyScores:
        """Score every sample of a recording, beginning without a past."""
        return self.stream().judge(recording)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Meta (JSON) and arrays, for `nn.pack`; `from_parts` gives the same model back."""
        usual, network = self.usual, self.usual.network
        meta = {
            "format": FORMAT,
            "signals": list(usual.signals),
            "threshold": self.threshold,
            "settings": asdict(usual.settings),
            "hidden": [layer.outputs for layer in network.dense[:-1]] if network else None,
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "centre": usual.centre,
            "spread": usual.spread,
            "season": usual.season,
        }
        if network is not None:
            arrays["theta"] = network.theta
        return meta, arrays

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> "AnomalyModel":
        """The model that `to_parts` took apart.

        Raises:
            ModelError: the parts are of another format, or do not fit each other.

        """
        if meta.get("format") != FORMAT:
            raise ModelError(
                f"anomaly model has format {meta.get('format')}, this version reads {FORMAT}; train a new one"
            )
        try:
            signals = tuple(meta["signals"])
            if not all(isinstance(name, str) for name in signals):
                raise TypeError("signals have names")
            network = None
            if meta["hidden"] is not None:
                inputs = 2 * len(signals)
                check_sizes([inputs, *meta["hidden"], inputs], arrays["theta"])
                network = autoencoder(2 * len(signals), meta["hidden"], drawn=False)
                network.theta[...] = arrays["theta"]
            usual = Baseline(
                signals, arrays["centre"], arrays["spread"], arrays["season"], network, _settings(meta)
            )
            threshold = float(meta["threshold"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"anomaly model is incomplete ({error!r}); train a new one") from error
        shapes = [usual.centre.shape, usual.spread.shape, usual.season.shape]
        if shapes != [(2 * len(signals),), (2 * len(signals),), (SLOTS, len(signals))]:
            raise ModelError(
                f"anomaly model's statistics do not fit its {len(signals)} signals; train a new one"
            )
        return cls(usual, threshold)


class AnomalyStream:
    """An anomaly model following one host; how the samples are cut into calls changes no number.

    Samples between two full minutes keep the score of the last one. One thread only: the network's buffers
    belong to the model.
    """

    def __init__(self, model: AnomalyModel) -> None:
        signals = len(model.signals)
        self.model = model
        self._clock = MinuteResampler(signals)
        self._features = DeviationFeatures(model.usual.settings.deviations, signals)
        self._hold = ScoreSmoother(model.usual.settings.hold, signals)
        self._score = math.nan
        self._contributions = np.full(signals, math.nan)
        self._directions = np.zeros(signals, np.int8)

    def extend(self, recording: Recording) -> Floats:
        """Take in samples (N,) in time order; returns their scores (N,), NaN where unknown."""
        before = np.array(self._score)
        minutes, scores, _ = self._advance(recording)
        return minutes.spread(scores, before)

    def judge(self, recording: Recording) -> AnomalyScores:
        """As `extend`, with the contributions of every sample."""
        before = np.array(self._score), self._contributions
        minutes, scores, contributions = self._advance(recording)
        return AnomalyScores(minutes.spread(scores, before[0]), minutes.spread(contributions, before[1]))

    def update(self, timestamp: float, values: Floats) -> tuple[float, Floats]:
        """Take in one sample, values (J,) of the model's signals; its score, and the contributions (J,)."""
        if not self._clock.update(timestamp, values):  # once a minute
            self.extend(Recording(np.array([timestamp]), self.model.signals, values[None]))
        return self._score, self._contributions

    def _advance(self, recording: Recording) -> tuple[Minutes, Floats, Floats]:
        """The minutes (M,) that these samples complete, their scores (M,) and contributions (M, J)."""
        recording = recording.with_signals(self.model.signals)
        usual = self.model.usual
        minutes = self._clock.extend(recording.timestamps, recording.values)
        features = self._features.extend(minutes.timestamps, minutes.values)
        c = usual.surprises(minutes.timestamps, features)
        held = self._hold.extend(minutes.timestamps, c)
        mean = usual.mean(held, minutes.values)
        scores = mean / (mean + self.model.threshold)
        # h_j over J (mean + threshold): shares of the score, with no division by zero where all is calm.
        judged = max(1, int(usual.judged.sum()))
        contributions = held / (judged * (mean + self.model.threshold))[:, None]
        if len(minutes):
            self._score, self._contributions = float(scores[-1]), contributions[-1]
            self._directions = usual.directions(features[-1:])[0]
        return minutes, scores, contributions

    def contributions(self) -> tuple[Contribution, ...]:
        """What the newest score is made of, strongest first; they add up to it. Empty while it is unknown."""
        if math.isnan(self._score):
            return ()
        order = np.argsort(-self._contributions, kind="stable").tolist()
        return tuple(Contribution(self.model.signals[j], float(self._contributions[j])) for j in order)

    def directions(self) -> dict[str, int]:
        """Which way each signal is off in the newest full minute: +1 up, -1 down, 0 neither or unknown."""
        return dict(zip(self.model.signals, self._directions.tolist(), strict=True))


def _settings(meta: Mapping[str, Any]) -> AnomalySettings:
    plain = dict(meta["settings"])
    deviations, hold = DeviationSpec(**plain.pop("deviations")), SmoothingSpec(**plain.pop("hold"))
    settings = AnomalySettings(**plain, deviations=deviations, hold=hold)
    spans = (*astuple(deviations), *astuple(hold), settings.clip, settings.input_clip)
    if not all(math.isfinite(span) and span > 0.0 for span in spans):
        raise ValueError(f"its settings are no spans: {spans}")
    return settings
