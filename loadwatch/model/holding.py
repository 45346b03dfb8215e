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

from loadwatch.records import Floats

Reals = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """Half-lives in seconds: of the smoothing, and of a peak."""

    smoothing_seconds: float = 60.0
    hold_seconds: float = 480.0

    def gain(self, gap: float) -> float:
        """a: how much of a new value is taken in after `gap` seconds."""
        return -math.expm1(-math.log(2.0) * gap / self.smoothing_seconds)

    def fade(self, gap: float) -> float:
        """What is left of a peak after `gap` seconds."""
        return math.exp(-math.log(2.0) * gap / self.hold_seconds)


class Hold:
    """Stream: raw score and surprises of one minute in; held score and the surprises that make it out."""

    def __init__(self, spec: HoldSpec, signals: int) -> None:
        self._spec = spec
        self._last = -math.inf
        self._smooth = self._held = 0.0
        self._surprises = np.zeros(signals)
        self._peak = np.zeros(signals)
        self._directions = np.zeros(signals, np.int8)

    def update(self, timestamp: float, raw: float, c: Floats, directions: npt.NDArray[np.int8]) -> float:
        """The held score after a minute with surprises c (J,) of mean ``raw``; NaN if that is NaN."""
        if math.isnan(raw):
            return raw
        gap = max(0.0, timestamp - self._last)
        self._last = timestamp
        gain = self._spec.gain(gap)
        self._smooth += gain * (raw - self._smooth)
        self._surprises += gain * (c - self._surprises)
        self._held *= self._spec.fade(gap)
        if self._smooth >= self._held:
            self._held = self._smooth
            self._peak[:] = self._surprises
            self._directions = directions
        return self._held

    def explain(self) -> tuple[Floats, npt.NDArray[np.int8]]:
        """Shares (J,) of the held score that add up to 1 (0 where nothing is odd), and their directions."""
        total = float(self._peak.sum())
        return self._peak / total if total > 0.0 else np.zeros_like(self._peak), self._directions


def hold_scores(spec: HoldSpec, timestamps: Floats, raw: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Held scores (N,) of raw ones (N,), as `Hold` gives them, and the row of the peak each rests on."""
    smooth = held = 0.0
    peak, last = 0, -math.inf
    scores, peaks = [], []
    for row, (timestamp, value) in enumerate(zip(timestamps.tolist(), raw.tolist(), strict=True)):
        peaks.append(peak)
        if math.isnan(value):
            scores.append(value)
            continue
        gap, last = timestamp - last, timestamp
        smooth += spec.gain(gap) * (value - smooth)
        held *= spec.fade(gap)
        if smooth >= held:
            held = smooth
            peak = peaks[-1] = row
        scores.append(held)
    return np.array(scores), np.array(peaks, np.intp)


def explain_scores(
    spec: HoldSpec, timestamps: Floats, raw: Floats, c: Reals, peaks: npt.NDArray[np.intp]
) -> Floats:
    """(N, J) shares of each held score by signal, as `Hold.explain` gives them; c (N, J), peaks as above."""
    surprises = np.zeros(c.shape[1])
    smoothed = np.zeros(c.shape)
    last = -math.inf
    for row in np.flatnonzero(~np.isnan(raw)).tolist():
        gap, last = timestamps[row] - last, timestamps[row]
        surprises += spec.gain(gap) * (c[row] - surprises)
        smoothed[row] = surprises
    shares = smoothed[peaks]
    total = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(shares, total, out=np.zeros_like(shares), where=total > 0.0))
