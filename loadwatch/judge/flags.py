"""Flags: the state as it is, without flapping. A line to raise, a lower one to clear, a time for each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from loadwatch.judge.seasonality import SLOT_SECONDS
from loadwatch.records import FlagSource, flag_source

CLEAR_ODDS: Final = 1.0 / 3.0
"""A flag clears once the odds are a third of those that raise it: 0.5 raises, 0.25 clears."""

ANOMALOUS: Final = 0.5
"""The anomaly score at its threshold."""

LEAST_REST: Final = 1e-3  # of a score to 1, so that its odds are a number


def clear_line(raise_at: float) -> float:
    """The probability below which a flag raised at ``raise_at`` clears.

    >>> clear_line(0.5), round(clear_line(0.9), 6)
    (0.25, 0.75)
    """
    if raise_at >= 1.0:
        return 1.0
    odds = raise_at / (1.0 - raise_at) * CLEAR_ODDS
    return odds / (1.0 + odds)


@dataclass(slots=True)
class Hysteresis:
    """A flag on one number: up after some time at ``raise_at``, down after some time below ``clear_at``.

    A sample stands for the time since the one before. So it goes by time and not by counts: at one sample in
    five minutes a single one is enough, at one a second it takes many.
    """

    raise_at: float
    clear_at: float
    raise_seconds: float
    clear_seconds: float
    raised: bool = False
    held_seconds: float = 0.0
    calm_seconds: float = 0.0

    @property
    def resting(self) -> bool:
        """Nothing is up and nothing is on its way up."""
        return not self.raised and self.held_seconds == 0.0

    def update(self, value: float, elapsed: float, *, implied: bool = False) -> bool | None:
        """The flag after a sample ``elapsed`` seconds after the last; None if unknown and not up before.

        ``implied``: something else already says yes, so the flag is up now, whatever its own number. It then
        stays for its time like any other, so that what implies it cannot make it flap.
        """
        if implied and not self.raised:
            self.raised, self.calm_seconds = True, 0.0
        if value >= self.raise_at:
            self.calm_seconds = 0.0
            self.held_seconds += elapsed
            self.raised = self.raised or self.held_seconds >= self.raise_seconds
            return self.raised
        self.held_seconds = 0.0
        if not self.raised:
            # Known is what is below the line, without asking: this is the way of nearly every sample.
            return False if value < self.raise_at else None
        if value >= self.clear_at:
            self.calm_seconds = 0.0
            return True
        # Unknown counts as calm: one failed reading must not drop a flag, but nor may it stay for ever.
        self.calm_seconds += elapsed
        self.raised = implied or self.calm_seconds < self.clear_seconds
        return self.raised or (None if math.isnan(value) else False)

    def reset(self) -> None:
        """Forget everything but the lines."""
        self.raised = False
        self.held_seconds = self.calm_seconds = 0.0

    def to_state(self) -> list[float]:
        """What a restart must not forget."""
        return [float(self.raised), self.held_seconds, self.calm_seconds]

    def restore(self, state: list[float]) -> None:
        """Take up what `to_state` gave."""
        self.raised = bool(state[0])
        self.held_seconds, self.calm_seconds = state[1], state[2]


class NowFlag:
    """High load now. The rule raises it at once; so do the limits, and the model after a minute of its own.

    The rule is the definition, so it needs no proof and its end is the end: the flag falls ``CLEAR_SECONDS``
    later unless limits or model have reason of their own. That the model may raise it at all is for what
    operators labelled and no rule describes.
    """

    CLEAR_SECONDS: Final = 50.0
    MODEL_SECONDS: Final = 60.0

    def __init__(self, raise_at: float) -> None:
        self.model = Hysteresis(raise_at, clear_line(raise_at), self.MODEL_SECONDS, self.CLEAR_SECONDS)
        self.flagged_by: FlagSource | None = None
        self._calm_seconds = 0.0

    @property
    def resting(self) -> bool:
        """Nothing is up and nothing is on its way up."""
        return self.flagged_by is None and self.model.resting

    def update(self, level: float, probability: float, limited: bool, elapsed: float) -> bool | None:
        """The flag after a sample; None where neither rule nor model nor limits know anything."""
        # While the rule holds the model gathers no time: it must have its minute after the rule's end.
        holding = level > 1.0
        claimed = self.model.update(0.0 if holding else probability, elapsed)
        origin: FlagSource | None = (
            "rule" if holding else "model" if claimed else "limit" if limited else None
        )
        if origin is not None:
            self.flagged_by = origin
            self._calm_seconds = 0.0
            return True
        if self.flagged_by is not None:
            self._calm_seconds += elapsed
            if self._calm_seconds < self.CLEAR_SECONDS:
                return True
            self.flagged_by = None
        return None if claimed is None and math.isnan(level) else False

    def reset(self) -> None:
        """Forget everything but the lines."""
        self.model.reset()
        self.flagged_by = None
        self._calm_seconds = 0.0

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {"model": self.model.to_state(), "by": self.flagged_by, "calm": self._calm_seconds}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.model.restore(state["model"])
        self.flagged_by = None if state["by"] is None else flag_source(state["by"])
        self._calm_seconds = state["calm"]


def horizon_flag(horizon: int, raise_at: float) -> Hysteresis:
    """The flag of a forecast: the further it looks, the longer it may think, up to half a minute."""
    seconds = min(horizon / 30.0, 30.0)
    return Hysteresis(raise_at, clear_line(raise_at), seconds, max(2.0 * seconds, 15.0))


class AnomalyFlag:
    """The anomaly score, flagged from even odds on; what comes back must exceed thrice the odds it has had.

    An incident is flagged until it is over. But a host that is unlike itself for an hour on three of the last
    five days does what it does now: it would else be flagged for weeks, until its model has learned it, and
    what comes on top of it would not be seen. From then on the line is thrice the odds of these hours, on the
    third-highest of the days, so that no incident of less than a day raises it. Nothing is learned by it:
    score and alert say it until it is over.

    No lower line to clear: the score holds its peaks by itself (model/smoothing.py), and a second hold was
    most of the time for which a calm host was flagged.
    """

    RAISE_SECONDS: Final = 60.0
    CLEAR_SECONDS: Final = 120.0
    DAY: Final = 48  # half hours
    DAYS: Final = 5
    OFTEN: Final = 3  # of these days
    HALF_HOURS: Final = 2  # of such a day
    OVER_RECURRING: Final = 3.0

    def __init__(self) -> None:
        self._flag = Hysteresis(ANOMALOUS, ANOMALOUS, self.RAISE_SECONDS, self.CLEAR_SECONDS)
        self._odd: list[tuple[int, float]] = []  # half hours over even odds: number, mean odds
        self._number, self._sum = -1, 0.0  # of the open one: odds times seconds

    @property
    def resting(self) -> bool:
        """Nothing is up and nothing is on its way up."""
        return self._flag.resting

    def update(self, timestamp: float, score: float, elapsed: float) -> bool | None:
        """The flag after a sample ``elapsed`` seconds after the last; None if unknown and not up before."""
        number = int(timestamp // SLOT_SECONDS)
        if number != self._number:
            self._turn(number)
        if score > 0.0:  # not NaN
            self._sum += elapsed * score / max(1.0 - score, LEAST_REST)
        return self._flag.update(score, elapsed)

    def _turn(self, number: int) -> None:
        """Begin a half hour, and with it the line that the last ones leave."""
        if self._sum > SLOT_SECONDS:
            self._odd.append((self._number, self._sum / SLOT_SECONDS))
        self._number, self._sum = number, 0.0
        days: list[list[float]] = [[] for _ in range(self.DAYS)]
        self._odd = [pair for pair in self._odd if 0 < number - pair[0] <= self.DAYS * self.DAY]
        for past, odds in self._odd:
            days[(number - 1 - past) // self.DAY].append(odds)
        recurring = sorted(sorted(day)[-self.HALF_HOURS] for day in days if len(day) >= self.HALF_HOURS)
        line = self.OVER_RECURRING * recurring[-self.OFTEN] if len(recurring) >= self.OFTEN else 1.0
        self._flag.raise_at = self._flag.clear_at = line / (1.0 + line)

    def reset(self) -> None:
        """Forget everything but the line."""
        self._flag.reset()

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {"flag": self._flag.to_state(), "odd": self._odd, "half_hour": [self._number, self._sum]}

    def restore(self, state: Mapping[str, Any] | list[float]) -> None:
        """Take up what `to_state` gave; before the line could rise that was the flag alone."""
        if isinstance(state, list):
            self._flag.restore(state)
            return
        self._odd = [(int(number), float(odds)) for number, odds in state["odd"]]
        number, odds = state["half_hour"]
        self._turn(int(number))
        self._sum = float(odds)
        self._flag.restore(state["flag"])
