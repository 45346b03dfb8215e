"""One kind of reason to call somebody: its severity now, its past, and the bar between."""

import math
from collections.abc import Mapping
from typing import Any, Final

from loadwatch.judge.budget import Ledger, Purse

MERGE_SECONDS: Final = 1800.0
"""Interruptions up to this belong to the same trouble."""
HOLD_SECONDS: Final = 30.0
"""How long a severity must stay over the bar: one odd sample calls nobody."""


class Reason:
    """One kind of reason to call: follows its troubles, and knows whether this one is worth it.

    ``share``: of the budget, how much this kind may use while the others use theirs. ``margin``: by how much
    a trouble must stand out above those that the budget lets pass.
    """

    def __init__(self, line: float, share: float, margin: float = 0.0) -> None:
        self.ledger = Ledger()
        self._line, self._share, self._margin = line, share, margin
        self._worst = self._last = -math.inf
        self._held_seconds = 0.0

    @property
    def resting(self) -> bool:
        """No trouble of this kind is going on."""
        return self._worst == -math.inf

    def bar(self, now: float, purse: Purse) -> float:
        """The severity to exceed for an alert now: the line, or what the budget makes of it."""
        # Twice the share while the purse is full, nothing but records once it is empty; half full is balance.
        per_week = 2.0 * self._share * purse.per_week * purse.fullness(now)
        return max(self._line, self.ledger.bar(now, per_week) + self._margin)

    def raise_of_bar(self, now: float, purse: Purse) -> float:
        """How far the budget has raised the bar above the line."""
        return self.bar(now, purse) - self._line

    def calls(self, now: float, elapsed: float, severity: float, purse: Purse) -> bool:
        """Follow the trouble; whether it has been over the bar long enough to call somebody."""
        if severity > self._line:
            self._worst = max(self._worst, severity)
            self._last = now
            if severity > self.bar(now, purse):
                self._held_seconds += elapsed
                return self._held_seconds >= HOLD_SECONDS
        elif self._worst > -math.inf and now - self._last > MERGE_SECONDS:
            self.end(now)
        self._held_seconds = 0.0
        return False

    def end(self, now: float) -> None:
        """The trouble is over: into the ledger with it."""
        if not self.resting:
            self.ledger.add(now, self._worst)
        self.drop()

    def drop(self) -> None:
        """Forget the trouble that is going on: it was maintenance."""
        self._worst = self._last = -math.inf
        self._held_seconds = 0.0

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        running = None if self.resting else [self._worst, self._last, self._held_seconds]
        return {"ledger": self.ledger.to_state(), "running": running}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.ledger.restore(state["ledger"])
        if state["running"] is not None:
            self._worst, self._last, self._held_seconds = state["running"]
