"""What is usual on a host at this time of day, and how far each signal is from it, minute by minute.

For each signal j, from its level, changes and variability (features/deviations.py), in robust units z:

    z    = (feature - centre) / (spread * factor[half hour of the day]), limited to +-20
    S_j  = (z_level^2 + max(z_change^2, min(0, z_relative)^2)) / 2 + w z_variability^2
    c_j  = max(0, S_j - 2 max(season_j[half hour of the day], recurring_j) - 1)

What S usually is at a half hour may be doubled before anything is odd: noise grows with activity. A missing
value is neither odd nor usual: it contributes nothing.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np

from loadwatch.features.deviations import DeviationSpec, VariabilityFeatures
from loadwatch.features.half_hours import HALF_HOUR, SLOTS, half_hour_numbers, is_weekend
from loadwatch.features.recurrence import Flags, Integers
from loadwatch.features.resample import MINUTE
from loadwatch.model.smoothing import Reals, SmoothingSpec
from loadwatch.records import Floats

COARSE_STEP: Final = 300.0
SEASON_FACTOR: Final = 2.0
MARGIN: Final = 1.0
FEATURES: Final = 4
"""Of each signal: level, change, relative change, variability; their columns lie in that order."""


@dataclass(frozen=True, slots=True)
class AnomalySettings:
    """Constants of the score, the same on every host.

    clip: a deviation counts at most so many spreads (low clips are ruinous: the tail is the signal).
    variability_weight: w.
    """

    clip: float = 20.0
    variability_weight: float = 1.0
    deviations: DeviationSpec = field(default_factory=DeviationSpec)
    hold: SmoothingSpec = field(default_factory=SmoothingSpec)

    def stretched(self, step: float) -> Self:
        """The same for rows ``step`` seconds apart where that is more than a minute: averages in proportion.

        An average over ten minutes is none where rows come every five (NAB: average precision 0.22 in place
        of 0.18). How long a calm must last to be one, and how long a peak is held, does not depend on the
        rows (peaks held in proportion: average precision on injected incidents 0.29 in place of 0.32).
        """
        factor, coarse = max(1.0, step / MINUTE), max(1.0, step / COARSE_STEP)
        deviations, hold = self.deviations, self.hold
        slow, fast = deviations.variability_seconds
        return replace(
            self,
            deviations=replace(
                deviations,
                half_life_seconds=factor * deviations.half_life_seconds,
                forget_seconds=factor * deviations.forget_seconds,
                variability_seconds=(coarse * slow, coarse * fast),
            ),
            hold=replace(hold, smoothing_seconds=factor * hold.smoothing_seconds),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Statistics that say what is usual; immutable.

    signals: J names. course: (2, 48, J) expected level of each half hour (UTC) of weekdays and weekends; NaN:
    a signal that the training never saw is not judged. width: (J,) spread of the level. reach: (2J,) as in
    `ChangeFeatures`. step_floors, size_floors, elasticity, usual_step, rest: (J,) as in
    `VariabilityFeatures`. centre, spread: (4J,) of the features. factor: (48, 4J) of the spread by half hour.
    season: (48, J) usual S of each half hour.
    """

    signals: tuple[str, ...]
    course: Floats
    width: Floats
    reach: Floats
    step_floors: Floats
    size_floors: Floats
    elasticity: Floats
    usual_step: Floats
    rest: Floats
    centre: Floats
    spread: Floats
    factor: Floats
    season: Floats
    settings: AnomalySettings = field(default_factory=AnomalySettings)

    @property
    def judged(self) -> Flags:
        """(J,) whether the signal takes part."""
        judged: Flags = np.isfinite(self.course[0, 0])
        return judged

    def changing(self, timestamps: Floats, values: Floats) -> Floats:
        """Of values (N, J) what `ChangeFeatures` follows: residuals, and logarithms of sizes, (N, 2J)."""
        residuals = values - self.expected(timestamps)
        sizes = np.where(np.isfinite(residuals), np.log(np.abs(values) + self.size_floors), np.nan)
        return np.hstack([residuals, sizes])

    def variability_features(self) -> VariabilityFeatures:
        """A fresh state."""
        floors = self.step_floors, self.size_floors
        return VariabilityFeatures(
            self.settings.deviations, *floors, self.elasticity, self.usual_step, self.rest
        )

    def expected(self, timestamps: Floats) -> Floats:
        """The level (N, J) expected at these times: straight lines between the middles of half hours."""
        place = timestamps / HALF_HOUR - 0.5
        before = np.floor(place)
        share = (place - before)[:, None]
        kind = is_weekend(half_hour_numbers(timestamps) // SLOTS).astype(np.intp)
        slot = before.astype(np.int64) % SLOTS
        return (1.0 - share) * self.course[kind, slot] + share * self.course[kind, (slot + 1) % SLOTS]

    def oddity(self, timestamps: Floats, features: Floats) -> Reals:
        """S (N, J) of features (N, 4J), whatever is usual at that time; 0 where they are unknown."""
        z = (features - self.centre) / (self.spread * self.factor[self._slots(timestamps)])
        np.clip(z, -self.settings.clip, self.settings.clip, out=z)
        relative = np.split(z, FEATURES, axis=1)[2]
        np.minimum(relative, 0.0, out=relative)
        squares = np.nan_to_num(np.square(z, out=z), copy=False)
        level, change, fall, variability = np.split(squares, FEATURES, axis=1)
        moved = level + np.maximum(change, fall)
        S: Reals = (0.5 * moved + self.settings.variability_weight * variability).astype(np.float32)
        return S

    def surprises(self, timestamps: Floats, S: Reals, recurring: Floats) -> Reals:
        """The surprise c (N, J) of S (N, J); recurring: (N, J) what S was before at this time."""
        usual = SEASON_FACTOR * np.maximum(self.season[self._slots(timestamps)], recurring) + MARGIN
        return np.maximum(S - usual, 0.0).astype(np.float32)

    @staticmethod
    def _slots(timestamps: Floats) -> Integers:
        return half_hour_numbers(timestamps) % SLOTS

    def mean(self, held: Floats, values: Floats) -> Floats:
        """(N,) the mean of h (N, J) over judged signals; NaN where under half of them have a value (N, J)."""
        judged = self.judged
        total = max(1, int(judged.sum()))
        known = (np.isfinite(values) & judged).sum(axis=1)
        return np.where(2 * known >= total, held.sum(axis=1) / total, np.nan)
