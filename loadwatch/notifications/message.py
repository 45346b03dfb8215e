"""What people are told of an alert: what, since when, why, by whom, what to do, and how to answer it."""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Literal

from loadwatch.culprits import culprit_words
from loadwatch.escaping import printable
from loadwatch.judge.statistics import is_false
from loadwatch.records import Alert
from loadwatch.times import format_duration, format_moment

Step = Literal["opening", "end", "both"]
"""Of an alert that is told: that it has opened, that it is over, or in one message that it was."""
Urgency = Literal["failure", "warning", "success", "info"]
"""As Apprise calls them; services show them by colour or sign."""

LONGEST_TITLE: Final = 200
LONGEST_LINE: Final = 380
"""Characters; with all its lines a message stays under what Telegram (4096) and others take in one."""
REASONS: Final = 3
MANUAL: Final = "static/manual.html"

_SOURCES: Final = {"rule": "the rule for high load holds", "limit": "a plain limit was passed", "model": ""}
_ADVICE: Final = {
    "LoadwatchHighLoad": "`loadwatch status` explains the verdict; the signals above say what to look at.",
    "LoadwatchHighLoadExpected": "use the time: stop or move work that can wait, add capacity.",
    "LoadwatchAnomaly": "ask what changed: a deployment, traffic, a service that this host depends on.",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as text without markup."""

    title: str
    body: str
    urgency: Urgency


@dataclass(frozen=True, slots=True)
class Place:
    """Whose alerts they are: name and zone of the host, and the URL of its page or an empty text."""

    host: str
    zone: tzinfo
    page: str = ""


def message_of(alert: Alert, step: Step, place: Place, *, again: bool = False) -> Message:
    """The words for one step of an alert; an identity of 0 means that it is not known.

    again: whether the same may have arrived before.
    """
    over = step != "opening"
    lines = [_what(alert, step, place, again=again), f"Since: {format_moment(alert.start, place.zone)}"]
    if over and alert.end is not None:
        lines.append(f"Until: {format_moment(alert.end, place.zone)}")
        lines.append(f"It was {'not confirmed by rule or kernel' if is_false(alert) else 'confirmed'}.")
    if reasons := _reasons(alert):
        lines.append(f"Why: {reasons}")
    if alert.culprits is not None and (words := culprit_words(alert.culprits)):
        lines.append(f"Most of it used: {words}")
    if not over:
        lines.append(f"What to do: {_ADVICE[_runbook(alert)]}")
    if place.page:
        # The page opens the alert that its address names.
        lines.append(f"Page: {place.page}/{f'#alert-{alert.identity}' if alert.identity else ''}")
        lines.append(f"Runbook: {place.page}/{MANUAL}#{_runbook(alert).lower()}")
    lines.append(f"If this was normal: {answer(alert, 'normal')}")
    if again:
        lines.append("This may be the second time that you are told: whether the first arrived is not known.")
    title = f"{place.host}: {_headline(alert, step)}"
    # Hosts and programs are called by anybody's words: none of them makes a line of its own.
    body = "\n".join(printable(line)[:LONGEST_LINE] for line in lines)
    return Message(printable(title)[:LONGEST_TITLE], body, _urgency(alert, step))


def message_for_test(place: Place) -> Message:
    """What tells that messages arrive."""
    body = f"This is a test: alerts of {place.host} reach you here.\nNothing is wrong, nothing is to be done."
    return Message(f"{place.host}: test of loadwatch"[:LONGEST_TITLE], body, "info")


def answer(alert: Alert, kind: str) -> str:
    """The command that says what an alert really was."""
    return f"loadwatch label --alert {alert.identity or 'ID'} {kind}"


def _headline(alert: Alert, step: Step) -> str:
    if step == "opening":
        return _now(alert)
    lasted = "" if alert.end is None else f" after {format_duration(_minutes(alert.end - alert.start))}"
    return f"over{lasted}: {_was(alert)}"


def _what(alert: Alert, step: Step, place: Place, *, again: bool) -> str:
    if step == "opening":
        return f"{place.host}: {_now(alert)}."
    lasted = "" if alert.end is None else f" It lasted {format_duration(_minutes(alert.end - alert.start))}."
    untold = " It could not be told while it was open." if step == "both" and not again else ""
    return f"{place.host}: {_was(alert)} is over.{lasted}{untold}"


def _now(alert: Alert) -> str:
    if alert.verdict == "anomaly":
        return "behaves unlike itself"
    if alert.foretold:
        return f"high load expected within {format_duration(alert.horizon)}"
    return "under high load"


def _was(alert: Alert) -> str:
    if alert.verdict == "anomaly":
        return "unusual behaviour"
    return "expected high load" if alert.foretold and alert.lead_seconds is None else "high load"


def _reasons(alert: Alert) -> str:
    signals = ", ".join(f"{part.signal} {part.value:+.2f}" for part in alert.signals[:REASONS])
    source = "" if alert.verdict == "anomaly" else _SOURCES[alert.flagged_by]
    if alert.foretold:
        source = "memory is filling up" if alert.flagged_by == "limit" else ""
    return "; ".join(part for part in (source, signals) if part)


def _runbook(alert: Alert) -> str:
    if alert.verdict == "anomaly":
        return "LoadwatchAnomaly"
    return "LoadwatchHighLoadExpected" if alert.foretold else "LoadwatchHighLoad"


def _urgency(alert: Alert, step: Step) -> Urgency:
    if step != "opening":
        return "success"
    return "failure" if _runbook(alert) == "LoadwatchHighLoad" else "warning"


def _minutes(seconds: float) -> float:
    """Whole minutes, and seconds where there is no whole one."""
    return seconds // 60 * 60 if seconds >= 60 else float(round(seconds))
