"""The verdict in words: one short headline, and one sentence that says why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from loadwatch.model.level import HIGHEST
from loadwatch.records import Contribution, Filling, NoAlert, Snapshot, Verdict
from loadwatch.times import local_zone

State = Literal["fine", "expected", "high_load", "anomaly", "filling", "maintenance", "stale", "unknown"]
_NAMED: Final = 3
_WORTH_NAMING: Final = 0.005
_BESIDE_STRONGEST: Final = 0.05
"""A signal with less than this share of the strongest one's contribution explains nothing."""
_WAITING: Final = "Samples cannot be stored and wait in memory: see the log of the daemon."
_HELD_BELOW: Final = 0.2
"""A raised flag with less than this is only held by its minimum duration; naming drivers would mislead."""
_SPELLED: Final = {"cpu": "CPU", "cpu_pressure": "CPU pressure", "io_pressure": "I/O pressure"}


@dataclass(frozen=True, slots=True)
class Words:
    """What to say first, and what to add."""

    state: State
    headline: str
    detail: str


def in_words(snapshot: Snapshot | None, *, fresh: bool, age: float, stores: bool = True) -> Words:
    """Say the gravest thing that is true; a stale verdict is never repeated.

    stores: whether samples can be written to the history.
    """
    words = _in_words(snapshot, fresh=fresh, age=age)
    if stores:
        return words
    return Words(words.state, words.headline, f"{words.detail} {_WAITING}")


def _in_words(snapshot: Snapshot | None, *, fresh: bool, age: float) -> Words:
    if snapshot is None:
        return Words("unknown", "No verdict yet", "The first samples are being taken.")
    if not fresh:
        detail = f"The last sample is {duration(age)} old, so its verdict has been withdrawn."
        return Words("stale", "No fresh verdict", detail)
    if snapshot.maintenance:
        return Words("maintenance", "Maintenance", "Nothing is flagged and nothing is learned.")
    words = _judged(snapshot)
    if snapshot.no_alert:
        words = Words(words.state, words.headline, f"{words.detail} {no_alert_words(snapshot.no_alert)}")
    if snapshot.filling:
        words = _beside(words, "filling", [_sentence(filling_words(one)) for one in snapshot.filling])
    if snapshot.unknown:
        words = _beside(words, "unknown", [_unknown(snapshot.unknown), "There may be load that nobody sees"])
    return words


def _beside(words: Words, state: State, sentences: Sequence[str]) -> Words:
    """The first sentence as the headline where there is none that is graver, all others in the detail."""
    if words.state in {"fine", "filling", "unknown"}:
        headline, *others = sentences
        others += [words.headline] if words.state == "filling" else []
        return Words(state, headline, " ".join([*(f"{other}." for other in others), words.detail]))
    return Words(words.state, words.headline, " ".join([words.detail, *(f"{one}." for one in sentences)]))


def no_alert_words(no_alert: NoAlert) -> str:
    """Since when it is flagged, by the clocks of this host, and why nobody is alerted."""
    since = datetime.fromtimestamp(no_alert.since, local_zone())
    what = "an anomaly" if no_alert.verdict == "anomaly" else "high load"
    return f"Flagged as {what} since {since:%a %H:%M}; no alert: {no_alert.why}."


def filling_words(filling: Filling) -> str:
    """How full something is, and when it will be quite full.

    >>> filling_words(Filling("file system /var", 0.98, 10_800.0))
    'file system /var is 98 % full; at this rate full in 3 hours'
    >>> filling_words(Filling("open file handles", 0.971))
    'open file handles are at 97 % of their limit'
    """
    # Rounded down: what is not quite full is not said to be 100 % full.
    share = f"{math.floor(filling.share * 100)} %"
    if filling.what.startswith("file system"):
        words, end = f"{filling.what} is {share} full", "full"
    elif filling.what.startswith("inodes"):
        words, end = f"{filling.what} are {share} in use", "used up"
    else:
        words, end = f"{filling.what} are at {share} of their limit", "at it"
    if filling.full_in_seconds is None:
        return words
    return f"{words}; at this rate {end} in {duration(max(filling.full_in_seconds, 60.0))}"


def failing_words(source: str, why: str) -> str:
    """Which source fails, and why; a page that is asked for is named in the reason already.

    >>> failing_words("disk", "cannot read /proc/diskstats")
    'disk: cannot read /proc/diskstats'
    >>> failing_words("journal", "journalctl ended with status 1")
    'journal: journalctl ended with status 1'
    """
    return why if why.startswith((f"{source}:", f"{source} ")) else f"{source}: {why}"


def level_words(horizon: int, median: float, high: float) -> str:
    """The highest load level expected within a horizon, of its quantiles 0.5 and 0.9.

    >>> level_words(900, 0.7, 1.2), level_words(900, 0.05, 0.051), level_words(60, 1.3, HIGHEST)
    ('peak within 15 minutes: 70 to 120 % of the limit', 'peak within 15 minutes: 5 % of the limit', \
'peak within 1 minute: 130 % of the limit to over 150 %')
    """
    low, top = (round(100 * max(level, 0.0)) for level in (median, high))
    if median >= HIGHEST:
        text = f"over {HIGHEST:.0%} of the limit".replace("%", " %")
    elif high >= HIGHEST:
        text = f"{low} % of the limit to over {round(100 * HIGHEST)} %"
    else:
        text = f"{low} % of the limit" if low == top else f"{low} to {top} % of the limit"
    return f"peak within {duration(horizon)}: {text}"


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def strongest(parts: Sequence[Contribution], most: int = _NAMED) -> list[Contribution]:
    """What speaks for a verdict, strongest first, and nothing that hardly counts beside the strongest."""
    least = max(_WORTH_NAMING, _BESIDE_STRONGEST * max((part.value for part in parts), default=0.0))
    speaking = [part for part in parts if part.value >= least]
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
        return Words("high_load", "Under high load", _why_now(snapshot))
    expected = [horizon for horizon, flag in snapshot.high_load.items() if flag]
    if expected:
        headline = f"High load expected within {duration(min(expected))}"
        return Words("expected", headline, _because(snapshot, "high_load"))
    if snapshot.alerts.get("high_load") == "expected":
        return Words("expected", "High load expected", _because(snapshot, "high_load"))
    # Not the score alone: it has no hysteresis, and a training of our own is no anomaly.
    if snapshot.anomaly or "anomaly" in snapshot.alerts:
        return Words("anomaly", "Unlike itself", _because(snapshot, "anomaly"))
    if not snapshot.high_load:
        return Words("unknown", "No verdict yet", "There is no model yet; the samples are being kept.")
    return Words("fine", "All is well", "No high load now, none expected, and nothing unusual.")


def _unknown(signals: Mapping[str, str]) -> str:
    """Which signals are unknown, and why the first of them is.

    >>> _unknown({"cpu": "no such file", "io_pressure": "refused"})
    'CPU and I/O pressure are unknown: no such file'
    """
    names = [_SPELLED.get(name, name.replace("_", " ")) for name in signals]
    verb = "is" if len(names) == 1 else "are"
    return _sentence(f"{' and '.join(names)} {verb} unknown: {next(iter(signals.values()))}")


def _why_now(snapshot: Snapshot) -> str:
    by = "limits on the signals were passed" if snapshot.flagged_by == "limit" else ""
    if by or snapshot.probabilities.get(0, 1.0) >= _HELD_BELOW:
        return _because(snapshot, "high_load", by)
    if (snapshot.load_level or 0.0) > 1.0:
        return "The rule says so, though the model does not; see below which signal decides."
    return "It has just become unlikely; the flag stays until that has lasted."


def _because(snapshot: Snapshot, verdict: Verdict, otherwise: str = "") -> str:
    named = strongest(snapshot.contributions.get(verdict, ()))
    drivers = ", ".join(f"{part.signal} {part.value:+.2f}" for part in named)
    reasons = [reason for reason in (otherwise, f"driven by {drivers}" if drivers else "") if reason]
    sentence = "; ".join(reasons) or "no single signal stands out"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
