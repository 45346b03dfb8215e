"""The verdict in words: one short headline, and one sentence that says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from loadwatch.records import Contribution, Snapshot, Verdict

State = Literal["fine", "expected", "high_load", "anomaly", "maintenance", "stale", "unknown"]
_NAMED: Final = 3
_WORTH_NAMING: Final = 0.005
_HELD_BELOW: Final = 0.2
"""A raised flag with less than this is only held by its minimum duration; naming drivers would mislead."""


@dataclass(frozen=True, slots=True)
class Words:
    """What to say first, and what to add."""

    state: State
    headline: str
    detail: str


def in_words(snapshot: Snapshot | None, *, fresh: bool, age: float) -> Words:
    """Say the gravest thing that is true; a stale verdict is never repeated."""
    if snapshot is None:
        return Words("unknown", "No verdict yet", "The first samples are being taken.")
    if not fresh:
        detail = f"The last sample is {duration(age)} old, so its verdict has been withdrawn."
        return Words("stale", "No fresh verdict", detail)
    if snapshot.maintenance:
        return Words("maintenance", "Maintenance", "Nothing is flagged and nothing is learned.")
    return _judged(snapshot)


def strongest(parts: Sequence[Contribution], most: int = _NAMED) -> list[Contribution]:
    """The contributions that speak for a verdict, strongest first, none that would round to nothing."""
    speaking = [part for part in parts if part.value >= _WORTH_NAMING]
    return sorted(speaking, key=lambda part: (-part.value, part.signal))[:most]


def duration(seconds: float) -> str:
    """A duration as people say it, in its largest fitting unit.

    >>> duration(1), duration(90), duration(900), duration(7200)
    ('1 second', '90 seconds', '15 minutes', '2 hours')
    """
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size or seconds == size:
            return _plural(round(seconds / size), unit)
    return _plural(round(seconds), "second")


def _judged(snapshot: Snapshot) -> Words:
    if snapshot.high_load.get(0):
        by = "limits on the signals were passed" if snapshot.raised_by == "guard" else ""
        if not by and snapshot.probabilities.get(0, 1.0) < _HELD_BELOW:
            detail = "It has just become unlikely; the flag stays until that has lasted."
            return Words("high_load", "Under high load", detail)
        return Words("high_load", "Under high load", _because(snapshot, "high_load", by))
    expected = [horizon for horizon, flag in snapshot.high_load.items() if flag]
    if expected:
        headline = f"High load expected within {duration(min(expected))}"
        return Words("expected", headline, _because(snapshot, "high_load"))
    if snapshot.anomaly:
        return Words("anomaly", "Unlike itself", _because(snapshot, "anomaly"))
    if not snapshot.high_load:
        return Words("unknown", "No verdict yet", "There is no model yet; the samples are being kept.")
    return Words("fine", "All is well", "No high load now, none expected, and nothing unusual.")


def _because(snapshot: Snapshot, verdict: Verdict, otherwise: str = "") -> str:
    named = strongest(snapshot.contributions.get(verdict, ()))
    drivers = ", ".join(f"{part.signal} {part.value:+.2f}" for part in named)
    reasons = [reason for reason in (otherwise, f"driven by {drivers}" if drivers else "") if reason]
    sentence = "; ".join(reasons) or "no single signal stands out"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
