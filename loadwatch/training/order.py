"""When a training is due, what is ordered, and what came of it: all that the daemon itself needs of one.

The training runs in a child process; what learns is imported only there.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from loadwatch.signals import Unit

Result = Literal["published", "rejected", "too_little"]
# Of the minimum: the first sample comes an interval after the start, and a model that is asked for within a
# quarter of an hour is to be at work by then.
ENOUGH: Final = 0.95
GROWTH: Final = 6.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to train on and how; plain values, because it crosses into another process as JSON.

    ``now`` is the wall time at which the order was given; ``maintenance`` holds [start, end] pairs of
    recurring windows (those typed by an operator are in the history); ``units`` are those of an
    operator's own signals, by name.
    """

    state_directory: str
    now: float
    rule: str
    horizons: list[int]
    interval_seconds: float
    history_seconds: float
    minimum_seconds: float
    budget_per_week: float
    host: str
    bootstrap: bool = False
    seed: int = 0
    maintenance: list[list[float]] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training; ``unstored`` is a first model, as base64, that the disk had no room for."""

    result: Result
    why: str
    version: str = ""
    duration_seconds: float = 0.0
    rows: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    unstored: str = ""


def next_interval(history_seconds: float, every: float, minimum: float) -> float:
    """Seconds from one training to the next.

    A young history teaches most: until it is ``every`` long, training comes whenever it has doubled. An old
    one teaches little that is new: from six times ``every`` on, training comes when it has grown by a sixth.
    """
    return max(min(every, max(minimum, history_seconds)), history_seconds / GROWTH)
