"""From a sample to its scores: the one sequence of steps that the daemon and a replay share.

Level of the rule, features, networks; the judge comes after. All of it is causal, and nothing here learns: a
new model comes as a new ``Scorer``, warmed up on stored history, that takes the old one's place in one step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.history import History
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Model
from loadwatch.model.level import QUANTILES
from loadwatch.model.patterns import Similarity, explained, lifted
from loadwatch.records import Contribution, Floats, Recording, Sample, Verdict

COARSE_SECONDS: Final = 60.0
FINE_SECONDS: Final = 7200.0
BLIND_STEPS: Final = 3.0
BLIND_SECONDS: Final = 30.0
"""Without a load level for three steps and half a minute nothing is said about high load."""
PIECE_SECONDS: Final = 6 * 3600.0
PIECE_ROWS: Final = 64
"""What a warm-up reads and works on at once; the networks keep buffers of the largest piece they saw."""
MEMORY_SECONDS: Final = 29 * 86400.0
"""How far back the features reach, four weeks and a day: two hours by the sample, before by the minute."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the networks say of N rows.

    levels: (N,) load level, high above 1; probabilities: (N, H) of high load now, or after now within each
    horizon, which is what is learned, judged and scored; shown: (N, H) the same with now included, which is
    what people are told; anomaly: (N,) 0 to 1. NaN while unknown.
    features: (N, F) what the forecast saw; anomaly_shares: (N, J) what each signal adds to the anomaly score;
    logits: (N, O) of the forecast alone.
    """

    levels: Floats
    probabilities: Floats
    shown: Floats
    anomaly: Floats
    features: Floats
    anomaly_shares: Floats
    logits: Floats


class Scorer:
    """One model at work: follows the rows in time and scores each from its past.

    How the rows are cut into calls does not change a number. One owner at a time: it is stateful, and its
    networks work in buffers of their own.
    """

    def __init__(self, rule: Rule, model: Model) -> None:
        self.model = model
        self._rule = rule
        self._level = rule.stream()
        self._features = model.forecast.features()
        self._anomaly = None if model.anomaly is None else model.anomaly.stream()
        self._labelled = None if model.labelled is None else model.labelled.stream()
        self._similarity: Similarity | None = None
        self._newest: Scores | None = None
        self._last_known = -math.inf
        self._blind_after = BLIND_STEPS * model.forecast.spec.step + BLIND_SECONDS

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """Every signal this model looks at, the rule's included."""
        anomaly = () if self.model.anomaly is None else self.model.anomaly.signals
        labelled = () if self.model.labelled is None else self.model.labelled.signals
        return tuple(sorted({*self._rule.signals, *self.model.forecast.spec.signals, *anomaly, *labelled}))

    @property
    def deciding(self) -> tuple[str, ...]:
        """The signals of the comparison that set the newest load level."""
        return self._level.deciding

    def extend(self, recording: Recording) -> Scores:
        """Score further rows in time order."""
        times, forecast = recording.timestamps, self.model.forecast
        levels = self._level.extend(recording)
        values = recording.with_signals(forecast.spec.signals).values
        features = self._features.extend(times, values, levels)
        probabilities, logits = forecast.look_ahead(features)
        if self._labelled is not None:
            self._similarity = self._labelled.extend(recording)
            probabilities = lifted(probabilities, self._similarity.chances)
        probabilities[self._is_blind(times, levels)] = np.nan
        if self._anomaly is None:
            anomaly, shares = np.full(len(times), np.nan), np.empty((len(times), 0))
        else:
            scored = self._anomaly.extend(recording)
            anomaly, shares = scored.scores, scored.contributions
        shown = self._with_now(probabilities, levels)
        self._newest = Scores(levels, probabilities, shown, anomaly, features, shares, logits)
        return self._newest

    def _is_blind(self, times: Floats, levels: Floats) -> npt.NDArray[np.bool_]:
        """(N,) whether the load level has been unknown for too long to say anything of the future."""
        if not len(times):
            return np.zeros(0, bool)
        known = np.where(np.isfinite(levels), times, -np.inf)
        last = np.maximum.accumulate(np.concatenate([[self._last_known], known]))[1:]
        self._last_known = float(last[-1])
        return np.asarray(times - last > self._blind_after)

    def update(self, sample: Sample) -> Scores:
        """Score one sample: `extend` by one row."""
        values = [sample.values.get(name, math.nan) for name in self.signals]
        return self.extend(
            Recording(np.array([sample.timestamp]), self.signals, np.array([values], np.float64))
        )

    def _with_now(self, probabilities: Floats, levels: Floats) -> Floats:
        """(N, H) probabilities of high load now or within each horizon: never falling with the horizon."""
        now = self.model.forecast.now(probabilities, levels)
        shown = lifted(probabilities, now)
        if self.model.forecast.horizons[0] == 0:
            shown[:, 0] = now
        return shown

    def level_forecast(self) -> Floats:
        """(A, 2) quantiles of the highest level now or within each horizon ahead, of the newest row."""
        scores, forecast = self._newest, self.model.forecast
        if scores is None or not np.isfinite(scores.probabilities[-1:]).any():
            return np.full((len(forecast.ahead), len(QUANTILES)), np.nan)
        newest: Floats = forecast.peaks(scores.features[-1:], scores.logits[-1:])[0]
        return newest

    def contributions(self, row: int = -1) -> dict[Verdict, tuple[Contribution, ...]]:
        """Why a row of the newest call is scored and shown as it is, by verdict, strongest first."""
        scores, forecast = self._newest, self.model.forecast
        if scores is None or not len(scores.levels):
            return {}
        found: dict[Verdict, tuple[Contribution, ...]] = {}
        if np.isfinite(scores.probabilities[row]).all():
            newest = row in {-1, len(scores.levels) - 1}
            deciding = self._level.deciding if newest else self._level.deciding_at(row)
            parts = forecast.contributions(
                scores.features[row], scores.logits[row], forecast.horizons[-1], deciding
            )
            if self._labelled is not None and self._similarity is not None:
                shares, lifted_to = self._similarity.shares[row], float(scores.probabilities[row, -1])
                parts = explained(parts, self._labelled.signals, shares, lifted_to)
            if scores.levels[row] > 1.0 and forecast.horizons[-1] > 0:
                now = float(forecast.now(scores.probabilities[[row]], scores.levels[[row]])[0])
                shares = np.full(len(deciding), now / len(deciding))
                parts = explained(parts, deciding, shares, float(scores.shown[row, -1]))
            found["high_load"] = parts
        if self.model.anomaly is not None and np.isfinite(scores.anomaly[row]):
            signals = zip(self.model.anomaly.signals, scores.anomaly_shares[row].tolist(), strict=True)
            ordered = sorted(signals, key=lambda share: -share[1])
            found["anomaly"] = tuple(Contribution(signal, value) for signal, value in ordered)
        return found


def reasons(contributions: Sequence[Contribution]) -> tuple[Contribution, ...]:
    """Those that push towards the verdict: what an alert names. What holds back explains no alert."""
    return tuple(part for part in contributions if part.value > 0.0)


def warm_up(scorer: Scorer, history: History, now: float) -> float:
    """Show a fresh scorer what the history holds; answer the wall time up to which it has seen.

    The features remember four weeks. All but the newest two hours are shown by the minute: sixty times less
    to read than samples of a second, a few megabytes, and what the slow features look at anyway.
    """
    fine_from = now - FINE_SECONDS
    seen = -np.inf
    # In pieces, because a month at once would be the largest thing the daemon ever holds.
    first = (now - MEMORY_SECONDS) // COARSE_SECONDS * COARSE_SECONDS
    for start in np.arange(first, fine_from, PIECE_SECONDS):
        end = min(float(start) + PIECE_SECONDS, fine_from)
        coarse = history.recording(float(start), end, signals=scorer.signals, step=COARSE_SECONDS)
        # A coarse row is stamped with the end of its minute, which may reach past the first rows of the next.
        seen = _show(scorer, coarse, seen)
    seen = max(seen, _show(scorer, history.recording(fine_from, now, signals=scorer.signals), seen))
    return max(seen, fine_from)


def _show(scorer: Scorer, recording: Recording, seen: float) -> float:
    """Show what lies after ``seen``; answer the time of the newest row shown so far."""
    unseen = recording.between(float(np.nextafter(seen, np.inf)), np.inf)
    if not len(unseen):
        return seen
    for row in range(0, len(unseen), PIECE_ROWS):
        scorer.extend(unseen.rows(row, row + PIECE_ROWS))
    return float(unseen.timestamps[-1])
