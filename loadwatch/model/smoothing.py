"""From the surprises of single minutes to a steady score: smooth a little, let peaks fade slowly, let go.

For every signal by itself:

    y <- y + a (c - y)          a = 1 - 2^(-gap / smoothing): one odd minute is no incident
    h <- max(y, h 2^(-gap / hold))                            incidents flicker, their score should not

The score is the mean of h over the signals. Held signal by signal, those that flare up one after another
within a few minutes add up, as they do in an incident; held as a mean, they would not (SMD: average
precision 0.55 in place of 0.54). And the h are the contributions: they add up to the score at every moment.

What is over is let go: after seven minutes in which the surprises stayed where a flag clears, h falls
within minutes to there, too, however high it was. Not further, because what has just been odd is
odder than what never was (SMD).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats

Reals = npt.NDArray[np.float32]

CLEARED: Final = 0.33
"""Of the threshold: there a flag clears, at odds of a third; a minute whose surprises are less is calm."""


@dataclass(frozen=True, slots=True)
class SmoothingSpec:
    """Half-lives in seconds: of the smoothing, of a peak, of a peak let go; and after how much calm."""

    smoothing_seconds: float = 60.0
    hold_seconds: float = 300.0
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
        keeps = np.exp2(-gaps / self._spec.smoothing_seconds).tolist()
        fades = np.exp2(-gaps / self._spec.hold_seconds).tolist()
        calm = (c.sum(axis=1) < CLEARED * self._threshold).tolist()
        y, h, cleared = self._smooth, self._held, CLEARED * self._threshold
        releases = np.exp2(-gaps / self._spec.release_seconds).tolist()
        for row, now in enumerate(timestamps.tolist()):
            y = keeps[row] * y + (1.0 - keeps[row]) * c[row]
            h = np.maximum(y, fades[row] * h)
            if not calm[row]:
                self._loud = now
            elif now - self._loud >= self._spec.calm_seconds and (total := float(h.sum())) > cleared:
                y, h = c[row].astype(np.float64), h * max(releases[row], cleared / total)
            held[row] = h
        self._last, self._smooth, self._held = float(timestamps[-1]), y, h
        return held
