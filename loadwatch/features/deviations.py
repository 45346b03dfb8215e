"""What the anomaly score looks at: how far a signal is from its course, how it changes, how lively it is.

    level        x - expected
    change       x - e or x - g, whichever is nearer to 0; e, g are averages of before, x has not touched them
                 e <- e + a (x - e)       a = 1 - 2^(-gap / half-life)
                 g <- g + a (x - g)       only while |x - g| <= reach; after hours beyond it, g takes x
    relative     the same of log(|x| + floor'); only its falls count
    variability  a slow or a fast average of l, whichever is nearer to usual; usual where they disagree;
                 of what is calmer than usual at rest a part
                 l = log(|x - x before| + floor) - elasticity * log(|x| + floor')

Level and change are of the signal less what is expected at this time of day; the others need no such thing.
The change found a fifth more incidents than the level alone (SMD). Its second average keeps still during an
event, so that the return from it is no event of its own. What dies at its busiest hour is where it is each
night, and falls by few spreads where noise grows with activity: only in proportion does it fall far. The
variability sees what neither sees: a signal that stands still or has become noisy (average precision on
injected incidents 0.19 without it, 0.27 with it); over is what the newest steps no longer show. Noise mostly
grows with activity: the elasticity, learned by signal, takes that out, without which a quiet evening of a
host would look like a fault. A signal as low as it seldom is, at rest, varies less than its elasticity says:
that alone flagged the first idle night of a weekend.
"""

import math
from dataclasses import dataclass

import numpy as np

from loadwatch.features.recurrence import Flags, decayed_sums, last_known
from loadwatch.records import Floats

BLOCK = 128  # rows
CALM_AT_REST = 0.7
"""Of a deviation, so half of its square. With none of it what died and stands still is seen less (KPI)."""


@dataclass(frozen=True, slots=True)
class DeviationSpec:
    """Spans of time, in seconds, so that they mean the same at any sampling interval.

    half_life_seconds: of the averages e and g. variability_seconds: half-lives of the slow and
    the fast average of variability.
    forget_seconds: a signal away for longer starts anew with its next value, because a comparison with what
    was before a gap would be a spike that nobody can act on. patience_seconds: after so long beyond reach, g
    takes the new level: longer than most incidents, or their end would be a second one; with more than a day
    short incidents beside a new level go unseen (SMD: recall 0.87 in place of 0.88).
    """

    half_life_seconds: float = 600.0
    variability_seconds: tuple[float, float] = (1200.0, 60.0)
    forget_seconds: float = 1800.0
    patience_seconds: float = 18 * 3600.0


class ChangeFeatures:
    """From rows of J signals to J changes; how the rows are cut into calls changes no number.

    reach: (J,) how far from g a value may be and still move it. A value that is not finite gives NaN and
    leaves its averages as they were.
    """

    def __init__(self, spec: DeviationSpec, reach: Floats) -> None:
        signals = len(reach)
        self._spec, self._reach = spec, reach
        self._average, self._calm = np.zeros(signals), np.zeros(signals)
        self._away = np.zeros(signals)  # seconds beyond reach
        self._value, self._seen = np.zeros(signals), np.full(signals, math.nan)

    def extend(self, timestamps: Floats, values: Floats) -> Floats:
        """The changes (N, J) of rows (N,) with values (N, J)."""
        if not len(timestamps):
            return np.empty(values.shape)
        known = np.isfinite(values)
        x = last_known(values, self._value)
        times = timestamps[:, None]
        seen = last_known(np.where(known, times, math.nan), self._seen)
        gap = times - _shifted(seen, self._seen)
        with np.errstate(invalid="ignore"):
            fresh = known & ~((gap >= 0.0) & (gap <= self._spec.forget_seconds))
        # A missing value keeps all of an average, a fresh start nothing.
        keep = np.where(known, np.exp2(np.where(fresh, -math.inf, -gap / self._spec.half_life_seconds)), 1.0)
        average = decayed_sums(keep, (1.0 - keep) * x, self._average)
        change = x - _shifted(average, self._average)
        elapsed = np.where(known & ~fresh, gap, 0.0)
        calm_change = self._calm_changes(x, 1.0 - keep, fresh, elapsed)
        nearer = np.where(np.abs(change) < np.abs(calm_change), change, calm_change)
        self._average, self._seen, self._value = average[-1].copy(), seen[-1].copy(), x[-1].copy()
        return np.where(known, np.where(fresh, 0.0, nearer), math.nan)

    def _calm_changes(self, x: Floats, rate: Floats, fresh: np.ndarray, elapsed: Floats) -> Floats:
        """(N, J) x - g. Whether g moves depends on where it is, but mostly it does."""
        apart = np.empty_like(x)
        for start in range(0, len(x), BLOCK):
            rows = slice(start, start + BLOCK)
            followed = decayed_sums(1.0 - rate[rows], rate[rows] * x[rows], self._calm)
            before = _shifted(followed, self._calm)
            np.subtract(x[rows], before, out=apart[rows])
            beyond = ~((np.abs(apart[rows]) <= self._reach) | fresh[rows])
            self._calm = followed[-1].copy()
            away, self._away = self._away, np.zeros_like(self._away)
            for j in np.flatnonzero(beyond.any(axis=0)).tolist():
                first = int(beyond[:, j].argmax())
                column = slice(start + first, start + BLOCK), j
                self._calm[j], self._away[j] = self._held_back(
                    apart[column],
                    before[first, j],
                    0.0 if first else away[j],
                    self._reach[j],
                    x[column],
                    rate[column],
                    fresh[column],
                    elapsed[column],
                )
        return apart

    def _held_back(
        self,
        apart: Floats,
        g: float,
        away: float,
        reach: float,
        x: Floats,
        rate: Floats,
        fresh: np.ndarray,
        elapsed: Floats,
    ) -> tuple[float, float]:
        """One signal's x - g (N,) into ``apart`` where g does not follow everywhere; its last g and away."""
        patience, found = self._spec.patience_seconds, []
        rows = zip(x.tolist(), rate.tolist(), fresh.tolist(), elapsed.tolist(), strict=True)
        for value, share, is_fresh, seconds in rows:
            difference = value - g
            found.append(difference)
            away += seconds
            if is_fresh or -reach <= difference <= reach:
                g, away = g + share * difference, 0.0
            elif away > patience:
                g, away = value, 0.0
        apart[:] = found
        return g, away


class VariabilityFeatures:
    """From rows of J signals to J variabilities; how the rows are cut into calls changes no number.

    floors: (J,) of a step; NaN for a signal without variability, because it mostly stands still. sizes: (J,)
    floor of the size of a value. elasticity: (J,) 0 to 1. usual: (J,) what l usually is. rest: (J,) size of a
    value up to which the signal is at rest.
    """

    def __init__(
        self,
        spec: DeviationSpec,
        floors: Floats,
        sizes: Floats,
        elasticity: Floats,
        usual: Floats,
        rest: Floats,
    ) -> None:
        self._spec, self._floors, self._sizes = spec, floors, sizes
        self._elasticity, self._usual, self._rest = elasticity, usual, rest
        self._half_lives = np.array(spec.variability_seconds)
        self._sums = np.zeros((2, 2 * len(floors)))
        self._last = -math.inf
        self._seen = np.full(len(floors), math.nan)
        self._value = np.full(len(floors), math.nan)

    def extend(self, timestamps: Floats, values: Floats) -> Floats:
        """The variabilities (N, J) of rows (N,) with values (N, J), less what is usual; NaN while unknown."""
        slow, fast = self.averages(timestamps, values)
        nearer = np.where(np.abs(fast) < np.abs(slow), fast, slow)
        nearer[slow * fast < 0.0] = 0.0
        del slow, fast  # 10 MB while a training learns from two weeks
        nearer[(nearer < 0.0) & (np.abs(values) <= self._rest)] *= CALM_AT_REST
        return nearer

    def averages(self, timestamps: Floats, values: Floats) -> tuple[Floats, Floats]:
        """The slow and the fast average, (N, J) each, less what is usual."""
        steps, sizes = self.logarithms(timestamps, values)
        x = steps - self._elasticity * sizes - self._usual
        gaps = np.maximum(np.diff(timestamps, prepend=self._last), 0.0)
        known = np.isfinite(x)
        weighed = np.hstack([np.where(known, x, 0.0), known])
        keeps = np.exp2(-gaps[:, None] / self._half_lives)
        slow, fast = (
            self._average(place, keeps[:, place, None], weighed, known) for place in range(len(self._sums))
        )
        if len(timestamps):
            self._last = float(timestamps[-1])
        return slow, fast

    def _average(self, place: int, keep: Floats, weighed: Floats, known: Flags) -> Floats:
        """One of the averages (N, J): of values and, beside them, their weights, (N, 2J)."""
        sums = decayed_sums(keep, (1.0 - keep) * weighed, self._sums[place])
        if len(sums):
            self._sums[place] = sums[-1]
        # The sum of the weights beside an average makes it right from the first step on.
        values, weights = np.split(sums, 2, axis=1)
        return np.where(known, values, math.nan) / weights

    def logarithms(self, timestamps: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Logarithms (N, J) of steps and of sizes; NaN where there is no step."""
        if not len(timestamps):
            return np.empty(values.shape), np.empty(values.shape)
        seen = last_known(np.where(np.isfinite(values), timestamps[:, None], math.nan), self._seen)
        latest = last_known(values, self._value)
        gap = timestamps[:, None] - _shifted(seen, self._seen)
        with np.errstate(invalid="ignore"):
            steps = np.log(np.abs(values - _shifted(latest, self._value)) + self._floors)
            steps[~((gap > 0.0) & (gap <= self._spec.forget_seconds))] = math.nan
            sizes = np.log(np.abs(values) + self._sizes)
        self._seen, self._value = seen[-1].copy(), latest[-1].copy()
        return steps, sizes


def _shifted(rows: Floats, before: Floats) -> Floats:
    """Each row (N, J) replaced by the one above it, the first by ``before`` (J,)."""
    return np.concatenate([before[None], rows[:-1]])
