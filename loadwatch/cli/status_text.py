"""How far to trust a verdict, in words: model, training, alerts, maintenance, history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from loadwatch.cli.formatting import show_age, show_horizon, show_share
from loadwatch.times import LAST_MOMENT, format_moment, local_zone

Document = Mapping[str, Any]
"""What ``/api/v1/status`` answers; ``loadwatch.web.status`` defines it."""

ALERTS_SHOWN: Final = 3
WEEK: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Fact:
    """One line; ``title`` is empty where it belongs to the line above."""

    title: str
    text: str
    urgent: bool = False


def facts(document: Document) -> Iterator[Fact]:
    """Everything beside the verdict, the most telling first."""
    now = document["now_timestamp"]
    if document["verdict"] and document["verdict"].get("rule"):
        yield Fact("rule", _rule(document["verdict"]["rule"]))
    for expected in ((document["verdict"] or {}).get("level_forecast") or [])[-1:]:
        yield Fact("expected", expected["words"])
    for filling in (document["verdict"] or {}).get("filling", ()):
        yield Fact("filling", filling["words"], urgent=True)
    if words := ((document["verdict"] or {}).get("culprits") or {}).get("words"):
        yield Fact("culprits", words, urgent=True)
    for failing in (document["verdict"] or {}).get("failing", ()):
        yield Fact("failing", failing["words"], urgent=True)
    yield Fact("model", _model(document["model"], now))
    yield Fact("training", _training(document["training"], now))
    yield Fact("alerts", _alerts(document))
    recent = [alert for alert in document["alerts"] if alert["start_timestamp"] > now - WEEK]
    for alert in recent[:ALERTS_SHOWN]:
        yield Fact("", _alert(alert), urgent=alert["end_timestamp"] is None)
        if words := (alert.get("culprits") or {}).get("words"):
            yield Fact("", words)
    recipients = document.get("notifications", ())
    for recipient, words in zip(recipients, notification_facts(recipients, now), strict=True):
        yield Fact("messages", words, urgent=bool(recipient["trouble"]))
    for window in document["maintenance"]:
        if (window["end_timestamp"] or now) >= now:
            yield Fact("maintenance", f"{_span(window, now)}  {window['why']}")
    history = document["history"]
    if history["rows"]:
        length = (history["end_timestamp"] or now) - history["start_timestamp"]
        pace = f"a sample every {document['interval_seconds']:g} s"
        yield Fact("history", f"{history['rows']:,} rows over {show_age(length)}; {pace}")


def notification_facts(recipients: Sequence[Document], now: float) -> list[str]:
    """How it goes with each service that is told of alerts.

    >>> notification_facts([{"name": "1 mailto", "waiting": 0, "last_success_timestamp": 40.0,
    ...     "last_failure_timestamp": None, "trouble": ""}], 100.0)
    ['1 mailto: last told 60 s ago']
    """
    lines = []
    for recipient in recipients:
        success, failure = recipient["last_success_timestamp"], recipient["last_failure_timestamp"]
        parts = [f"{recipient['waiting']} waiting"] if recipient["waiting"] else []
        parts.append("never told yet" if success is None else f"last told {show_age(now - success)} ago")
        if recipient["trouble"] and failure is not None:
            parts.append(f"not delivered {show_age(now - failure)} ago: {recipient['trouble']}")
        lines.append(f"{recipient['name']}: {', '.join(parts)}")
    return lines


def _rule(rule: Document) -> str:
    """Why this is high load by the operator's definition, or what it is short of.

    >>> _rule({"level": 0.62, "deciding": ["cpu"]}), _rule({"level": 1.1, "deciding": []})
    ('at 62 % of its limit; cpu decides', 'over its limit, 1.1 times')
    """
    level, deciding = rule["level"], " and ".join(rule["deciding"])
    if level > 1.0:
        words = "over its limit" + (f", {level:.3g} times" if level >= 1.005 else "")
    else:
        words = f"at {show_share(min(max(level, 0.0), 0.999))} of its limit"
    verb = "decides" if len(rule["deciding"]) == 1 else "decide"
    return f"{words}; {deciding} {verb}" if deciding else words


def _model(model: Document | None, now: float) -> str:
    if model is None:
        return "none yet"
    parts = [f"{model['version']} ({model['origin']})", f"{show_age(now - model['trained_timestamp'])} old"]
    if model["rows"]:
        kind = "training rows (synthetic)" if model["origin"] == "bootstrap" else "rows"
        parts.append(f"learned from {model['rows']:,} {kind}")
    parts += [f"{split} loss {loss:.3g}" for split, loss in model["losses"].items() if loss is not None]
    if model["brier"] is not None:
        brier = model["brier"]
        parts.append(f"Brier score {brier:.3g}" if brier >= 0.001 else "Brier score under 0.001")
    return ", ".join(parts)


def _training(training: Document, now: float) -> str:
    coming = training["next_timestamp"]
    doing = {"idle": "", "waiting": "waiting until the host is calmer", "running": "running now"}[
        training["state"]
    ]
    parts = [doing] if doing else []
    if coming is not None:
        parts.append(f"next in {show_age(max(0.0, coming - now))}")
    if training["last_success_timestamp"] is not None:
        parts.append(f"last success {show_age(now - training['last_success_timestamp'])} ago")
    outcomes = {"failures": "failed", "rejections": "refused"}
    parts += [f"{training[what]} {word}" for what, word in outcomes.items() if training[what]]
    if training["last_message"] and (training["failures"] or training["rejections"]):
        parts.append(training["last_message"])
    return "; ".join(parts) or "not planned"


def _alerts(document: Document) -> str:
    worth = document["worth"]
    count, budget = sum(worth["alerts_this_week"].values()), worth["budget_per_week"]
    text = f"{count} in seven days" + ("" if budget is None else f" (budget {budget:g})")
    if worth["forecast_hit_ratio"] is not None:
        text += f"; {show_share(worth['forecast_hit_ratio'])} of forecasts came true"
    if worth["forecast_lead_time_seconds"] is not None:
        text += f", {show_age(worth['forecast_lead_time_seconds'])} ahead"
    return text


def _alert(alert: Document) -> str:
    what = str(alert["verdict"]).replace("_", " ")
    if alert["horizon_seconds"]:
        what += f" foretold {show_horizon(alert['horizon_seconds'])}"
    end = alert["end_timestamp"]
    length = "open" if end is None else show_age(end - alert["start_timestamp"])
    reasons = ", ".join(f"{part['signal']} {part['value']:+.2f}" for part in alert["contributions"][:3])
    outcome = {"confirmed": "confirmed", "false": "false alarm", None: ""}[alert["outcome"]]
    parts = [show_clock(alert["start_timestamp"]), length, what, outcome, reasons]
    return "  ".join(part for part in parts if part)


def _span(span: Document, now: float) -> str:
    end = span["end_timestamp"]
    begun = (
        f"since {show_clock(span['start_timestamp'])}"
        if span["start_timestamp"] <= now
        else f"from {show_clock(span['start_timestamp'])}"
    )
    return begun if end is None else f"{begun} until {show_clock(end)}"


def show_clock(timestamp: float) -> str:
    """Day of the week and time, by the clock of this terminal."""
    if not 0 <= timestamp <= LAST_MOMENT:
        return format_moment(timestamp, local_zone())
    return datetime.fromtimestamp(timestamp, local_zone()).strftime("%a %H:%M")
