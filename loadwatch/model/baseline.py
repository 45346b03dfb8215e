"""What is usual on a host, and how far each signal is from it, minute by minute.

For each signal j, from its level and its change (features/deviations.py), in robust units z:

    z    = (feature - centre) / spread, limited to +-20
    r    = z - network(z limited to +-2)            what ordinary co-movement does not explain
    S_j  = mean of z^2 + w r^2 over the signal's two features
    c_j  = max(0, S_j - season_j[half hour of the day])

The network is an autoencoder; its narrow input lets it learn how signals move together, but not copy an
outlier. With w = 1/2 its part neither helps nor harms the figures (see the benchmark); with w = 1 it costs
precision on a host whose incidents recur, because retraining learns to reconstruct them.
A missing value is neither odd nor usual: it contributes nothing.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from itertools import pairwise
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from loadwatch.features.deviations import DeviationSpec
from loadwatch.features.resample import MINUTE
from loadwatch.model.smoothing import Reals, SmoothingSpec
from loadwatch.nn import Dense, Network
from loadwatch.records import Floats

Flags = npt.NDArray[np.bool_]

HALF_HOUR: Final = 1800.0
SLOTS: Final = 48  # half hours of the day
ROWS_AT_ONCE: Final = 8192  # bounds the memory of scoring a long history


@dataclass(frozen=True, slots=True)
class AnomalySettings:
    """Constants of the score, the same on every host.

    clip: a deviation counts at most so many spreads (low clips are ruinous: the tail is the signal).
    input_clip: of the network's input. residual_weight: w; at 0 there is no network.
    """

    clip: float = 20.0
    input_clip: float = 2.0
    residual_weight: float = 0.5
    deviations: DeviationSpec = field(default_factory=DeviationSpec)
    hold: SmoothingSpec = field(default_factory=SmoothingSpec)

    def stretched(self, step: float) -> Self:
        """The same for rows ``step`` seconds apart where that is more than a minute: spans in proportion.

        An average over ten minutes is none where rows come every five (NAB: average precision 0.22 in place
        of 0.18).
        """
        factor = max(1.0, step / MINUTE)
        deviations = DeviationSpec(*(factor * span for span in astuple(self.deviations)))
        hold = SmoothingSpec(*(factor * span for span in astuple(self.hold)))
        return replace(self, deviations=deviations, hold=hold)


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Statistics and network that say what is usual; immutable, used by one thread.

    signals: J names. centre, spread: (2J,) of the features; NaN centre: a signal that the training never saw
    is not judged. season: (48, J) usual S of each half hour of the day (UTC). network: 2J to 2J; None where
    there was too little to train one.
    """

    signals: tuple[str, ...]
    centre: Floats
    spread: Floats
    season: Reals
    network: Network | None = None
    settings: AnomalySettings = field(default_factory=AnomalySettings)

    @property
    def judged(self) -> Flags:
        """(J,) whether the signal takes part."""
        return np.isfinite(self.centre[: len(self.signals)])

    def standardise(self, features: Floats) -> Reals:
        """Distance z of features (N, 2J) from the centre, in spreads: at most the clip, 0 where unknown."""
        z = (features - self.centre) / self.spread
        np.clip(z, -self.settings.clip, self.settings.clip, out=z)
        return np.nan_to_num(z.astype(np.float32), copy=False)

    def oddity(self, features: Floats) -> Reals:
        """S (N, J) of features (N, 2J), without regard to the season; 0 where they are unknown."""
        z = self.standardise(features)
        squares = z * z
        if self.network is not None:
            narrow = np.clip(z, -self.settings.input_clip, self.settings.input_clip)
            r = z - self.network.predict(narrow, batch_size=ROWS_AT_ONCE)
            np.clip(r, -self.settings.clip, self.settings.clip, out=r)
            r *= np.isfinite(features) & np.isfinite(self.centre)
            r *= r
            r *= self.settings.residual_weight
            squares += r
        J = len(self.signals)
        squares[:, :J] += squares[:, J:]
        squares[:, :J] *= 0.5
        return squares[:, :J]

    def surprises(self, timestamps: Floats, features: Floats) -> Reals:
        """The surprise c (N, J) of features (N, 2J), in pieces that bound the memory."""
        c = np.empty((len(features), len(self.signals)), np.float32)
        for start in range(0, len(features), ROWS_AT_ONCE):
            piece = slice(start, start + ROWS_AT_ONCE)
            S = self.oddity(features[piece])
            S -= self.season[half_hours(timestamps[piece])]
            np.maximum(S, 0.0, out=c[piece])
        return c

    def mean(self, held: Floats, values: Floats) -> Floats:
        """(N,) the mean of h (N, J) over judged signals; NaN where under half of them have a value (N, J)."""
        judged = self.judged
        total = max(1, int(judged.sum()))
        known = (np.isfinite(values) & judged).sum(axis=1)
        return np.where(2 * known >= total, held.sum(axis=1) / total, np.nan)

    def directions(self, features: Floats) -> npt.NDArray[np.int8]:
        """(N, J) +1 where a signal is above its usual value, -1 below, by the stronger of two features."""
        level, change = np.split(self.standardise(features), 2, axis=1)
        return np.sign(np.where(np.abs(change) > np.abs(level), change, level)).astype(np.int8)


def autoencoder(features: int, hidden: Sequence[int], *, seed: int = 0, drawn: bool = True) -> Network:
    """Dense layers with tanh between, linear at the end: features in, features out; ``drawn`` as in it."""
    widths = [features, *hidden]
    layers = [Dense(i, o, "tanh") for i, o in pairwise(widths)]
    return Network([*layers, Dense(widths[-1], features, "identity")], seed=seed, drawn=drawn)


def half_hours(timestamps: Floats) -> npt.NDArray[np.intp]:
    """(N,) the half hour of the day, 0 to 47, UTC."""
    return (np.floor(timestamps / HALF_HOUR) % SLOTS).astype(np.intp)
