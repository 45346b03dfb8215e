"""The weekly alert budget: a token bucket, and the severity threshold that follows from it.

Every stretch of trouble, alerted or not, leaves its severity in the history of its kind. The threshold is the
severity that the host's own last four weeks exceeded only as often as the budget allows: it finds the few a
week that are worth an alert, on a calm host and on a busy one. How often that is depends on the token
bucket, which fills by the budget and pays one token for each alert: spend fast and the threshold rises, be
quiet and it comes down again. An empty bucket still gives one alert on credit, for trouble worse than any of
the past. What no budget may silence (`alerting`) is paid all the same, and leaves a debt to be filled first.
"""

import bisect
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

WEEK: Final = 604_800.0
MEMORY_SECONDS: Final = 4 * WEEK
REMEMBERED: Final = 512
CREDIT: Final = 1.0


class TokenBucket:
    """Alerts that may be spent: fills by ``per_week`` up to a week's worth, starts half full.

    T weeks see at most ``per_week * (T + 1) + CREDIT`` alerts that heed `can_pay`. The debt of those that do
    not ends at four weeks' worth: a month of disaster does not silence the months after it.
    """

    def __init__(self, per_week: float) -> None:
        self.per_week = per_week
        self.capacity = max(per_week, 1.0) if per_week > 0.0 else 0.0
        self._floor = -max(CREDIT, per_week * MEMORY_SECONDS / WEEK)
        self._content = self.capacity / 2.0
        self._counted_at = math.inf

    def begin(self, now: float) -> None:
        """Start filling, at the first sample; and again from ``now`` if the clock was set back."""
        self._counted_at = min(self._counted_at, now)

    def content(self, now: float) -> float:
        """What is in the bucket: at most ``capacity``, below 0 where it was overdrawn."""
        filled = self.per_week * max(0.0, now - self._counted_at) / WEEK
        return min(self._content + filled, self.capacity)

    def can_pay(self, now: float) -> bool:
        """Whether an alert would leave no more than the credit owing."""
        return self.capacity > 0.0 and self.content(now) >= 1.0 - CREDIT

    def pay(self, now: float) -> None:
        """Take out one alert, whether it is there or not."""
        self._content = max(self.content(now) - 1.0, self._floor)
        self._counted_at = now

    def fullness(self, now: float) -> float:
        """0 if empty or in debt, 1 if full."""
        return max(0.0, self.content(now)) / self.capacity if self.capacity else 0.0

    def to_state(self) -> list[float | None]:
        """What a restart must not forget."""
        return [self._content, finite_or_none(self._counted_at)]

    def restore(self, state: Sequence[float | None]) -> None:
        """Take up what `to_state` gave, within what this budget allows."""
        self._content = min(max(value_or(state[0], 0.0), self._floor), self.capacity)
        self._counted_at = value_or(state[1], math.inf)


class SeverityHistory:
    """Severities of the troubles of one kind in the last four weeks."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, float]] = deque()
        self._ordered: list[float] = []
        self._since = math.inf

    @property
    def since(self) -> float:
        """When counting began, infinity before the first sample."""
        return self._since

    def begin(self, now: float) -> None:
        """Start counting weeks, at the first sample; and again from ``now`` if the clock was set back."""
        self._since = min(self._since, now)

    def add(self, timestamp: float, severity: float) -> None:
        """Note a trouble that ended at ``timestamp``."""
        self._entries.append((timestamp, severity))
        bisect.insort(self._ordered, severity)
        while len(self._entries) > REMEMBERED:
            self._drop()

    def bar(self, now: float, per_week: float) -> float:
        """The severity that at most ``per_week`` past troubles a week exceeded; -infinity if all may pass."""
        self._forget(now)
        # At least a week: an hour's calm is no ground to expect calm weeks, nor an hour's storm stormy ones.
        weeks = min(max(now - self._since, WEEK), MEMORY_SECONDS) / WEEK
        # One less, for the one that passes makes it so many.
        allowed = max(0, int(per_week * weeks) - 1)
        return self._ordered[-1 - allowed] if allowed < len(self._ordered) else -math.inf

    def worst(self, now: float) -> float:
        """The highest severity of the last four weeks, -infinity where there is none."""
        self._forget(now)
        return self._ordered[-1] if self._ordered else -math.inf

    def _forget(self, now: float) -> None:
        while self._entries and self._entries[0][0] < now - MEMORY_SECONDS:
            self._drop()

    def _drop(self) -> None:
        _, severity = self._entries.popleft()
        del self._ordered[bisect.bisect_left(self._ordered, severity)]

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        entries = [[timestamp, severity] for timestamp, severity in self._entries]
        return {"since": finite_or_none(self._since), "entries": entries}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._since = value_or(state["since"], math.inf)
        self._entries = deque((timestamp, severity) for timestamp, severity in state["entries"])
        self._ordered = sorted(severity for _, severity in self._entries)


def finite_or_none(value: float) -> float | None:
    """None for an infinity, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def value_or(value: float | None, default: float) -> float:
    """The inverse of `finite_or_none`."""
    return default if value is None else float(value)
