"""The anomaly model: how far from usual is this host, and which signals say so.

For each signal j, from its level and its change (features/deviations.py), in robust units z:

    r    = z - network(z limited to +-2)            what ordinary co-movement does not explain
    S_j  = mean of z^2 + mean of r^2 over the signal's two features
    c_j  = max(0, S_j - season_j[half hour of the day])
    raw  = mean_j c_j
    h    = raw, smoothed and held (model/holding.py)
    score = h / (h + threshold)                     0.5 is the threshold of the budget; keeps the order of h

The network is an autoencoder; its narrow input lets it learn how signals move together but not copy an
outlier. Everything is causal, and a missing value is neither odd nor usual: it contributes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadwatch.errors import ModelError
from loadwatch.features.deviations import DeviationSpec, deviation_features
from loadwatch.features.minutes import Minutes, full_minutes
from loadwatch.model.holding import HoldSpec, Reals, explain_scores, hold_scores
from loadwatch.nn import Dense, Network
from loadwatch.records import Floats, Recording

Flags = npt.NDArray[np.bool_]

SLOTS: Final = 48  # half hours of the day
FORMAT: Final = 1
ROWS_AT_ONCE: Final = 8192  # of bulk scoring: bounds its memory


@dataclass(frozen=True, slots=True)
class AnomalySettings:
    """Constants of the score, the same on every host.

    clip: a deviation counts at most so many spreads (low clips are ruinous: the tail is the signal).
    input_clip: of the network's input.
    """

    clip: float = 20.0
    input_clip: float = 2.0
    deviations: DeviationSpec = field(default_factory=DeviationSpec)
    hold: HoldSpec = field(default_factory=HoldSpec)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a recording.

    scores: (N,) 0 to 1, NaN where unknown; contributions: (N, J), rows add up to the scores.
    """

    scores: Floats
    contributions: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyModel:
    """Everything needed to score a host; immutable, used by one thread.

    signals: J names. centre, spread: (2J,) of the features; NaN centre: a signal that the training never saw
    is not judged. season: (48, J) usual S of each half hour of the day (UTC). network: 2J to 2J; None where
    there was too little to train one. threshold: the h that the budget allows.
    """

    signals: tuple[str, ...]
    centre: Floats
    spread: Floats
    season: Reals
    network: Network | None
    threshold: float
    settings: AnomalySettings = field(default_factory=AnomalySettings)

    @property
    def judged(self) -> Flags:
        """(J,) whether the signal takes part."""
        return np.isfinite(self.centre[: len(self.signals)])

    def standardise(self, features: Floats) -> Reals:
        """Distance z of features (..., 2J) from the centre, in spreads: at most the clip, 0 where unknown."""
        z = (features - self.centre) / self.spread
        np.clip(z, -self.settings.clip, self.settings.clip, out=z)
        return np.nan_to_num(z.astype(np.float32), copy=False)

    def oddity(self, features: Floats) -> Reals:
        """S (N, J) of features (N, 2J); 0 where they are unknown."""
        z = self.standardise(features)
        squares = z * z
        if self.network is not None:
            narrow = np.clip(z, -self.settings.input_clip, self.settings.input_clip)
            r = z - self.network.predict(narrow, batch_size=ROWS_AT_ONCE)
            np.clip(r, -self.settings.clip, self.settings.clip, out=r)
            r *= np.isfinite(features) & np.isfinite(self.centre)
            squares += r * r
        signals = len(self.signals)
        S: Reals = squares[:, :signals]
        S += squares[:, signals:]
        S *= 0.5
        return S

    def surprises(self, timestamps: Floats, features: Floats) -> Reals:
        """The surprise c (N, J) of features (N, 2J)."""
        S = self.oddity(features)
        S -= self.season[half_hours(timestamps)]
        return np.maximum(S, 0.0, out=S)

    def raw(self, c: Reals, values: Floats) -> Floats:
        """(N,) the mean of c (N, J) over judged signals; NaN where under half of the values are known."""
        judged = self.judged
        total = max(1, int(judged.sum()))
        known = (np.isfinite(values) & judged).sum(axis=1)
        mean = c.sum(axis=1, dtype=np.float64) / total
        return np.where(2 * known >= total, mean, np.nan)

    def exported(self, held: Floats) -> Floats:
        """The score 0 to 1 of raw scores h."""
        return held / (held + self.threshold)

    def judge(self, minutes: Minutes) -> tuple[Reals, Floats]:
        """Surprises c (M, J) and their mean (M,) of all minutes, in pieces that bound the memory."""
        features = deviation_features(self.settings.deviations, minutes.timestamps, minutes.values)
        c = np.empty(minutes.values.shape, np.float32)
        for start in range(0, len(minutes), ROWS_AT_ONCE):
            piece = slice(start, start + ROWS_AT_ONCE)
            c[piece] = self.surprises(minutes.timestamps[piece], features[piece])
        return c, self.raw(c, minutes.values)

    def score(self, recording: Recording, *, contributions: bool = False) -> Scores:
        """Score every sample of a recording, each from its past alone; what a stream gives, all at once."""
        recording = recording.with_signals(self.signals)
        minutes = full_minutes(recording.timestamps, recording.values)
        c, raw = self.judge(minutes)
        held, peaks = hold_scores(self.settings.hold, minutes.timestamps, raw)
        scores = self.exported(held)
        if not contributions:
            return Scores(minutes.spread(scores, len(recording)))
        shares = explain_scores(self.settings.hold, minutes.timestamps, raw, c, peaks)
        return Scores(
            minutes.spread(scores, len(recording)), minutes.spread(shares * scores[:, None], len(recording))
        )

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Meta (JSON) and arrays, for `nn.pack`; `from_parts` gives the same model back."""
        meta = {
            "format": FORMAT,
            "signals": list(self.signals),
            "threshold": self.threshold,
            "settings": asdict(self.settings),
            "hidden": [layer.outputs for layer in self.network.dense[:-1]] if self.network else None,
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "centre": self.centre,
            "spread": self.spread,
            "season": self.season,
        }
        if self.network is not None:
            arrays["theta"] = self.network.theta
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
            settings = dict(meta["settings"])
            settings["deviations"] = DeviationSpec(**settings["deviations"])
            settings["hold"] = HoldSpec(**settings["hold"])
            network = None
            if meta["hidden"] is not None:
                network = autoencoder(2 * len(signals), meta["hidden"], seed=0)
                network.theta[...] = arrays["theta"]
            centre, spread, season = arrays["centre"], arrays["spread"], arrays["season"]
            model = cls(
                signals,
                centre,
                spread,
                season,
                network,
                float(meta["threshold"]),
                AnomalySettings(**settings),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"anomaly model is incomplete ({error!r}); train a new one") from error
        expected = [(2 * len(signals),), (2 * len(signals),), (SLOTS, len(signals))]
        if [centre.shape, spread.shape, season.shape] != expected:
            raise ModelError(
                f"anomaly model's statistics do not fit its {len(signals)} signals; train a new one"
            )
        return model


def autoencoder(features: int, hidden: Sequence[int], *, seed: int) -> Network:
    """Dense layers with tanh between, linear at the end: features in, features out."""
    widths = [features, *hidden]
    layers = [Dense(i, o, "tanh") for i, o in pairwise(widths)]
    return Network([*layers, Dense(widths[-1], features, "identity")], seed=seed)


def half_hours(timestamps: Floats) -> npt.NDArray[np.intp]:
    """(N,) the half hour of the day, 0 to 47, UTC."""
    return (np.floor(timestamps / 1800.0) % SLOTS).astype(np.intp)
