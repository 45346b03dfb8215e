"""From the surprises of single minutes to a steady score: smooth a little, let peaks fade slowly, let go.

For every signal by itself:

    y <- y + a (c - y)          a = 1 - 2^(-gap / smoothing): one odd minute is no incident
    h <- max(y, h 2^(-gap / hold))                            incidents flicker, their score should not

The score is the mean of h over the signals. Held signal by signal, those that flare up one after another
within a few minutes add up, as they do in an incident; held as a mean, they would not (SMD: average
precision 0.55 in place of 0.54). And the h are the contributions: they add up to the score at every moment.

What is over is let go: after seven minutes in which the surprises stayed at a third of the threshold, h falls
within minutes to there, too, however high it was. Not further, because what has just been odd is
odder than what never was (SMD).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.features.recurrence import Flags, decayed_sums
from loadwatch.records import Floats

Reals = npt.NDArray[np.float32]

CLEARED: Final = 0.33
"""Of the threshold: a minute whose surprises are less is calm, and only so far is a peak let go."""

SMALLEST, LARGEST = 16, 512
"""Minutes worked on at once: few after something was let go, for more may follow."""
ENDLESS, MOST_DOWN = 200.0, 600.0
"""Half-lives after which nothing is left of a peak, and as many as the powers of two of one block span."""


@dataclass(frozen=True, slots=True)
class SmoothingSpec:
    """Half-lives in seconds: of the smoothing, of a peak, of a peak let go; and after how much calm."""

    smoothing_seconds: float = 60.0
    hold_seconds: float = 360.0
    release_seconds: float = 30.0
    calm_seconds: float = 420.0


class ScoreSmoother:
    """Smooths and holds surprises; how the minutes are cut into calls changes no number.

    threshold: sum over the signals at which there is an anomaly; 0: nothing is let go.
    """

    def __init__(self, spec: SmoothingSpec, signals: int, threshold: float = 0.0) -> None:
        self._spec, self._threshold = spec, threshold
        self._last = math.nan
        self._loud = -math.inf  # when a minute was last not calm
        self._smooth = np.zeros(signals)
        self._held = np.zeros(signals)

    def extend(self, timestamps: Floats, c: Reals) -> Floats:
        """The held surprises h (M, J) of minutes (M,) with surprises c (M, J)."""
        held = np.empty(c.shape)
        if not len(timestamps):
            return held
        # Nothing is known of before the first minute: after an endless gap only the new value counts.
        gaps = np.diff(timestamps, prepend=self._last)
        gaps = np.where(np.isnan(gaps), math.inf, np.maximum(gaps, 0.0))
        keeps = np.exp2(-gaps / self._spec.smoothing_seconds)[:, None]
        falls = np.minimum(gaps / self._spec.hold_seconds, ENDLESS)
        added, cleared = (1.0 - keeps) * c, CLEARED * self._threshold
        overdue = self._calm_seconds(timestamps, c.sum(axis=1) < cleared) >= self._spec.calm_seconds
        row, size, rows = 0, SMALLEST, len(timestamps)
        while row < rows:
            # As if nothing were let go, until it is; in so few rows that the powers of two stay numbers.
            down = np.cumsum(falls[row : row + size])
            part = slice(row, row + max(1, int(np.searchsorted(down, MOST_DOWN))))
            y = decayed_sums(keeps[part], added[part], self._smooth)
            h = _faded_maxima(y, down[: len(y)], self._held)
            totals = h.sum(axis=1)
            go = np.flatnonzero(overdue[part] & (totals > cleared))
            end = int(go[0]) + 1 if len(go) else len(y)
            self._smooth, self._held = y[end - 1].copy(), h[end - 1].copy()
            held[row : row + end] = h[:end]
            size = min(2 * size, LARGEST)
            row += end
            if len(go):
                release = np.exp2(-gaps[row - 1] / self._spec.release_seconds)
                self._smooth = c[row - 1].astype(np.float64)
                self._held *= max(release, cleared / totals[end - 1])
                held[row - 1] = self._held
                size = SMALLEST
        self._last = float(timestamps[-1])
        return held

    def _calm_seconds(self, timestamps: Floats, calm: Flags) -> Floats:
        """(M,) since when the last minute was that was not calm; minus infinity for such a minute."""
        places = np.maximum.accumulate(np.where(calm, 0, np.arange(1, len(calm) + 1)))
        since = np.concatenate([[self._loud], timestamps])[places]
        self._loud = float(since[-1])
        return np.where(calm, timestamps - since, -math.inf)


def _faded_maxima(y: Floats, down: Floats, start: Floats) -> Floats:
    """H (M, J), ``h[i] = max(y[i], h[i-1] 2^-fall[i])`` from ``start`` (J,); down: (M,) falls summed."""
    level = np.exp2(down)[:, None]
    raised = y * level
    np.maximum(raised[0], start, out=raised[0])
    np.maximum.accumulate(raised, axis=0, out=raised)
    raised /= level
    return raised
