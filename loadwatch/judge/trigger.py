"""One kind of reason for an alert: follows its troubles, and knows whether this one is worth it."""

import math
from collections.abc import Mapping
from typing import Any, Final

from loadwatch.judge.budget import SeverityHistory, TokenBucket, finite_or_none, value_or

MERGE_SECONDS: Final = 1800.0
"""Interruptions up to this belong to the same trouble."""
HOLD_SECONDS: Final = 30.0
"""How long a severity must stay over the bar: one odd sample is no alert."""
WORSE: Final = 1.5
"""By this factor a trouble is worse than another; by less, a row of growing ones would alert each time."""


class AlertTrigger:
    """Follows the troubles of one kind by their severity.

    ``share``: of the budget, how much this kind may use while the others use theirs. ``margin``: by how much
    a trouble must stand out above those that the budget lets pass.
    """

    def __init__(self, line: float, share: float, margin: float = 0.0) -> None:
        self.severities = SeverityHistory()
        self._line, self._share, self._margin = line, share, margin
        self._worst = self._last = self._alerted = -math.inf
        self._held_seconds = 0.0

    @property
    def resting(self) -> bool:
        """No trouble of this kind is going on."""
        return self._worst == -math.inf

    def bar(self, now: float, tokens: TokenBucket) -> float:
        """The severity to exceed for an alert now: the line, or what the budget makes of it."""
        # Twice the share while the bucket is full, nothing but records once it is empty; half is balance.
        per_week = 2.0 * self._share * tokens.per_week * tokens.fullness(now)
        return max(self._line, self.severities.bar(now, per_week) + self._margin)

    def raise_of_bar(self, now: float, tokens: TokenBucket) -> float:
        """How far the budget has raised the bar above the line."""
        return self.bar(now, tokens) - self._line

    def update(self, now: float, elapsed: float, severity: float, tokens: TokenBucket) -> bool:
        """Follow the trouble; whether it has been over the bar long enough for an alert."""
        if severity > self._line:
            self._worst = max(self._worst, severity)
            self._last = now
            if severity > self.bar(now, tokens):
                self._held_seconds += elapsed
                return self._held_seconds >= HOLD_SECONDS
        elif self._worst > -math.inf and now - self._last > MERGE_SECONDS:
            self.end(now)
        self._held_seconds = 0.0
        return False

    def note_alert(self) -> None:
        """An alert is open for the trouble that is going on."""
        self._alerted = self._worst

    def is_worst(self, now: float, severity: float) -> bool:
        """Whether it is worse than all of the last four weeks and this trouble when it last had an alert."""
        return severity > self._line and severity > WORSE * max(self.severities.worst(now), self._alerted)

    def end(self, now: float) -> None:
        """The trouble is over: into the severity history with it."""
        if not self.resting:
            self.severities.add(now, self._worst)
        self.drop()

    def drop(self) -> None:
        """Forget the trouble that is going on: it was maintenance."""
        self._worst = self._last = self._alerted = -math.inf
        self._held_seconds = 0.0

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        alerted = finite_or_none(self._alerted)
        running = None if self.resting else [self._worst, self._last, self._held_seconds, alerted]
        return {"ledger": self.severities.to_state(), "running": running}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.severities.restore(state["ledger"])
        if state["running"] is not None:
            self._worst, self._last, self._held_seconds, *alerted = state["running"]
            self._alerted = value_or(alerted[0], -math.inf) if alerted else -math.inf
