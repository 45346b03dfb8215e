"""From the surprises of single minutes to a steady score: smooth a little, then let peaks fade slowly.

For every signal by itself:

    y <- y + a (c - y)          a = 1 - 2^(-gap / smoothing): one odd minute is no incident
    h <- max(y, h 2^(-gap / hold))                            incidents flicker, their score should not

The score is the mean of h over the signals. Held signal by signal, those that flare up one after another
within a few minutes add up, as they do in an incident; held as a mean, they would not (SMD: average
precision 0.55 in place of 0.54). And the h are the contributions: they add up to the score at every moment.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadwatch.features.recurrence import decayed_sums
from loadwatch.records import Floats

Reals = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SmoothingSpec:
    """Half-lives in seconds: of the smoothing, and of a peak."""

    smoothing_seconds: float = 60.0
    hold_seconds: float = 300.0


class ScoreSmoother:
    """Smooths and holds surprises; how the minutes are cut into calls changes no number."""

    def __init__(self, spec: SmoothingSpec, signals: int) -> None:
        self._spec = spec
        self._last = math.nan
        self._smooth = np.zeros(signals)
        self._held = np.zeros(signals)

    def extend(self, timestamps: Floats, c: Reals) -> Floats:
        """The held surprises h (M, J) of minutes (M,) with surprises c (M, J)."""
        if not len(timestamps):
            return np.empty(c.shape)
        # Nothing is known of before the first minute: after an endless gap only the new value counts.
        gaps = np.diff(timestamps, prepend=self._last)
        gaps = np.where(np.isnan(gaps), math.inf, np.maximum(gaps, 0.0))[:, None]
        keep = np.exp2(-gaps / self._spec.smoothing_seconds)
        smooth = decayed_sums(keep, (1.0 - keep) * c, self._smooth)
        held = _decayed_maxima(np.exp2(-gaps / self._spec.hold_seconds), smooth, self._held)
        self._last, self._smooth, self._held = float(timestamps[-1]), smooth[-1].copy(), held[-1].copy()
        return held


def _decayed_maxima(decay: Floats, x: Floats, start: Floats) -> Floats:
    """y (M, J) with ``y[i] = max(x[i], decay[i] * y[i-1])`` and ``y[-1] = start``; decay (M, 1)."""
    y = x.copy()
    previous = start
    for fade, row in zip(decay.ravel().tolist(), y, strict=True):
        np.maximum(row, fade * previous, out=row)
        previous = row
    return y
