"""What operators called high load and no rule describes: patterns, and how much the present looks like one.

    x_j    = mean of signal j over a minute, log1p of its size
    u_j    = (x_j - usual_j) / (told_j - usual_j), held within 0 and 1      how far on the way to the pattern
    s      = sum of w_j u_j                                                 similarity
    chance = TOP (s - lowest) / (highest - lowest), held within 0 and TOP
    p      = 1 - (1 - p_forecast) (1 - chance)                              at every horizon

A network learns little from the few rows of one label, and what it does learn its calibration takes back. A
pattern needs one telling. Outside its reach the chance is 0 and the forecast stays what it was, to the last
bit; beyond what was told, more of the same is as high. ``training.patterns`` finds the reach.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from loadwatch.features.moments import signed_log
from loadwatch.features.resample import MinuteResampler
from loadwatch.records import Contribution, Floats, Recording

TOP: Final = 0.97
"""Chance where the similarity is whole: above every threshold that training chooses, and not certainty."""


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """One label of high load, as its signals distinguish it from ordinary times.

    label: its identity; signals: K names; usual, labelled (K,): what the signals are at ordinary times and
    were in the labelled span, as `signed_log`; weights (K,), sum 1; lowest, highest: the similarity at which
    the chance begins, and at which it is whole.
    """

    label: int
    signals: tuple[str, ...]
    usual: Floats
    labelled: Floats
    weights: Floats
    lowest: float
    highest: float

    def shares(self, scaled_values: Floats) -> Floats:
        """What each signal adds to the similarity (N, K), for values (N, K); nothing while it is unknown."""
        way = (scaled_values - self.usual) / (self.labelled - self.usual)
        parts: Floats = self.weights * np.clip(np.nan_to_num(way, nan=0.0), 0.0, 1.0)
        return parts

    def chances(self, similarity: Floats) -> Floats:
        """The chance (N,) of high load for a similarity (N,) of 0 to 1."""
        reach = (similarity - self.lowest) / (self.highest - self.lowest)
        answer: Floats = TOP * np.clip(reach, 0.0, 1.0)
        return answer


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPatterns:
    """All patterns that a host's labels gave, at least one; immutable."""

    patterns: tuple[Pattern, ...]

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals it looks at."""
        return tuple(sorted({name for pattern in self.patterns for name in pattern.signals}))

    def stream(self) -> "PatternStream":
        """A fresh state for following a host's samples."""
        return PatternStream(self)

    def to_meta(self) -> dict[str, Any]:
        """Plain values for a file; the inverse of `from_meta`."""
        return {
            "patterns": [
                {
                    "label": each.label,
                    "signals": list(each.signals),
                    "usual": each.usual.tolist(),
                    "told": each.labelled.tolist(),
                    "weights": each.weights.tolist(),
                    "lines": [each.lowest, each.highest],
                }
                for each in self.patterns
            ]
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Self:
        """What `to_meta` took apart.

        Raises:
            KeyError, TypeError, ValueError: parts are missing or do not fit each other.

        """
        return cls(tuple(_pattern(plain) for plain in meta["patterns"]))


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """What N samples look like: chances (N,); shares (N, J) of them by signal, rows add up to the chances."""

    chances: Floats
    shares: Floats


class PatternStream:
    """The patterns following one host; how the samples are cut into calls changes no number.

    Between two full minutes the chance of the last one stands.
    """

    def __init__(self, labelled: LabelledPatterns) -> None:
        self._labelled, self.signals = labelled, labelled.signals
        self._clock = MinuteResampler(len(self.signals))
        self._places = [
            np.array([self.signals.index(name) for name in each.signals], np.intp)
            for each in labelled.patterns
        ]
        self._shares = np.zeros(len(self.signals))
        self._chance = np.array(0.0)

    def extend(self, recording: Recording) -> Similarity:
        """Take in samples (N,) in time order."""
        values = recording.with_signals(self.signals).values
        minutes = self._clock.extend(recording.timestamps, values)
        x = signed_log(minutes.values)
        chances, shares = np.zeros(len(x)), np.zeros(x.shape)
        # Most single samples complete no minute, and then there is nothing to compare.
        for pattern, places in zip(self._labelled.patterns, self._places, strict=True) if len(x) else ():
            parts = pattern.shares(x[:, places])
            similarity = parts.sum(axis=1)
            found = pattern.chances(similarity)
            better = np.flatnonzero(found > chances)
            chances[better] = found[better]
            shares[better] = 0.0
            shares[np.ix_(better, places)] = (found[better] / similarity[better])[:, None] * parts[better]
        before = self._chance, self._shares
        if len(x):
            self._chance, self._shares = np.array(chances[-1]), shares[-1]
        return Similarity(minutes.spread(chances, before[0]), minutes.spread(shares, before[1]))


def lifted(probabilities: Floats, chances: Floats) -> Floats:
    """Probabilities (N, H) of a forecast together with independent chances (N,); NaN stays NaN."""
    mine = chances > 0.0
    if not mine.any():
        return probabilities
    answer = probabilities.copy()
    answer[mine] = 1.0 - (1.0 - answer[mine]) * (1.0 - chances[mine])[:, None]
    return answer


def explained(
    forecast: Sequence[Contribution],
    signals: Sequence[str],
    shares: Floats,
    probability: float,
) -> tuple[Contribution, ...]:
    """The contributions of a forecast with what an independent chance adds to them, largest first.

    shares: (J,) of the chance by signal; probability: the lifted one. The additions sum to the difference
    of the two logits, so that the whole still adds up to that from an ordinary moment's.
    """
    chance = float(shares.sum())
    if chance <= 0.0:
        return tuple(forecast)
    # logit p - logit q for 1 - p = (1 - q) (1 - c), so p - q = c (1 - q); both held off certainty.
    calm = max((1.0 - probability) / (1.0 - chance), 1e-12)
    lift = float(np.log(max(1.0 - calm * (1.0 - chance), 1e-12) / max(1.0 - calm, 1e-12)) - np.log1p(-chance))
    totals = {part.signal: part.value for part in forecast}
    for signal, share in zip(signals, shares.tolist(), strict=True):
        if share > 0.0:
            totals[signal] = totals.get(signal, 0.0) + lift * share / chance
    ordered = sorted(totals.items(), key=lambda item: -abs(item[1]))
    return tuple(Contribution(signal, value) for signal, value in ordered)


def _pattern(plain: Mapping[str, Any]) -> Pattern:
    signals = tuple(str(name) for name in plain["signals"])
    usual, labelled, weights = (np.array(plain[name], np.float64) for name in ("usual", "told", "weights"))
    if not usual.shape == labelled.shape == weights.shape == (len(signals),):
        raise ValueError(f"a pattern of {len(signals)} signals has parts of other lengths")
    lowest, highest = plain["lines"]
    return Pattern(int(plain["label"]), signals, usual, labelled, weights, float(lowest), float(highest))
