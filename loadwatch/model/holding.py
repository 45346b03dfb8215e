"""From the oddity of single minutes to a steady score: smooth a little, then let peaks fade slowly.

    y <- y + a (raw - y)        a = 1 - 2^(-gap / smoothing): one odd minute is no incident
    h <- max(y, h 2^(-gap / hold))                            incidents flicker, their score should not

Contributions follow: smoothed like y they add up to it; while h rests on a past peak, they are those of the
peak. A minute whose raw score is unknown (NaN) has no score and changes nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadwatch.features.scan import decayed_sums
from loadwatch.records import Floats

Reals = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """Half-lives in seconds: of the smoothing, and of a peak."""

    smoothing_seconds: float = 60.0
    hold_seconds: float = 480.0


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What `Hold` makes of M minutes.

    scores: (M,) h, NaN where unknown. peaks: (M,) the row of the peak that h rests on, counted from 1;
    0 is the peak of earlier calls. surprises: (M + 1, J) smoothed, row 0 those of that earlier peak.
    """

    scores: Floats
    peaks: npt.NDArray[np.intp]
    surprises: Floats

    def shares(self) -> Floats:
        """(M, J) the share of each signal in h: rows add up to 1, or to 0 where nothing is odd."""
        amounts = self.surprises[self.peaks]
        total = amounts.sum(axis=1, keepdims=True)
        shares: Floats = np.divide(amounts, total, out=np.zeros_like(amounts), where=total > 0.0)
        return shares


class Hold:
    """Smooths and holds raw scores; how the minutes are cut into calls changes no number."""

    def __init__(self, spec: HoldSpec, signals: int) -> None:
        self._spec = spec
        self._last = -math.inf
        self._smooth = self._held = 0.0
        self._surprises = np.zeros(signals)
        self._peak = np.zeros(signals)

    def extend(self, timestamps: Floats, raw: Floats, c: Reals) -> Held:
        """Take in minutes (M,) with surprises c (M, J) of mean raw (M,)."""
        keep = np.ones((len(raw), 1))
        peaks = np.zeros(len(raw), np.intp)
        scores = np.full(len(raw), math.nan)
        peak = 0
        for row, (timestamp, value) in enumerate(zip(timestamps.tolist(), raw.tolist(), strict=True)):
            peaks[row] = peak
            if math.isnan(value):
                continue
            gap = max(0.0, timestamp - self._last)
            self._last = timestamp
            keep[row] = kept = 2.0 ** (-gap / self._spec.smoothing_seconds)
            self._smooth = kept * self._smooth + (1.0 - kept) * value
            self._held *= 2.0 ** (-gap / self._spec.hold_seconds)
            if self._smooth >= self._held:
                self._held = self._smooth
                peaks[row] = peak = row + 1
            scores[row] = self._held
        smoothed = decayed_sums(keep, (1.0 - keep) * c, self._surprises)
        held = Held(scores, peaks, np.concatenate([self._peak[None], smoothed]))
        if len(raw):
            self._surprises, self._peak = smoothed[-1].copy(), held.surprises[peak].copy()
        return held
