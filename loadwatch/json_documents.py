"""JSON as every command and the status document write it: one form, so that what reads one reads them all.

Each document is an object with the number of its form, ``schema``; it grows only by new fields. Moments are
epoch seconds and named ``*_timestamp``, durations are seconds and named ``*_seconds``, shares are 0 to 1;
what repeats is a list of objects, and what is not known is null: JSON has no NaN and no infinity.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from loadwatch.culprits import culprit_words
from loadwatch.escaping import printable
from loadwatch.judge.statistics import outcome
from loadwatch.records import Alert, Contribution, Culprits, Label, Maintenance, Span

SCHEMA: Final = 2


def document(**parts: Any) -> str:
    """The text of a document of these parts, in one line."""
    return json.dumps({"schema": SCHEMA, **parts}, allow_nan=False)


def of_alert(alert: Alert) -> dict[str, Any]:
    """An alert: {identity, verdict, start_timestamp, end_timestamp, horizon_seconds, ...}; see the code."""
    return {
        "identity": alert.identity,
        "verdict": alert.verdict,
        "start_timestamp": alert.start,
        "end_timestamp": alert.end,
        "horizon_seconds": alert.horizon or None,
        "flagged_by": alert.flagged_by,
        "confirmed_by": alert.confirmed_by,
        "judged": alert.judged,
        "outcome": outcome(alert),
        "peak": number(alert.peak),
        "excess_seconds": number(alert.excess_seconds),
        "lead_time_seconds": number(alert.lead_seconds),
        "model": alert.model,
        "contributions": of_contributions(alert.signals),
        "culprits": of_culprits(alert.culprits),
    }


def of_label(label: Label) -> dict[str, Any]:
    """A label: {identity, kind, start_timestamp, end_timestamp, why}."""
    return {
        "identity": label.identity,
        "kind": label.kind,
        **of_span(label.span),
        "why": printable(label.why),
    }


def of_maintenance(window: Maintenance) -> dict[str, Any]:
    """A window: {identity, start_timestamp, end_timestamp, why}."""
    return {"identity": window.identity, **of_span(window.span), "why": printable(window.why)}


def of_contributions(parts: Iterable[Contribution]) -> list[dict[str, Any]]:
    """What drove a verdict: [{signal, value}], the strongest first."""
    known = [part for part in parts if math.isfinite(part.value)]
    known.sort(key=lambda part: (-abs(part.value), part.signal))
    return [{"signal": part.signal, "value": number(part.value)} for part in known]


def of_culprits(culprits: Culprits | None) -> dict[str, Any] | None:
    """Who used the resource that drove a verdict, null where that is not known."""
    if culprits is None:
        return None
    return {
        "resource": culprits.resource,
        "timestamp": culprits.timestamp,
        "seconds": number(culprits.seconds),
        "total": number(culprits.total),
        "words": culprit_words(culprits),
        "note": culprits.note,
        "named": [
            {**asdict(each), "share": number(each.share), "pressure": number(each.pressure)}
            for each in culprits.named
        ],
    }


def of_span(span: Span | None) -> dict[str, float | None]:
    """When: {start_timestamp, end_timestamp}."""
    return {
        "start_timestamp": span.start if span else None,
        "end_timestamp": span.end if span and math.isfinite(span.end) else None,
    }


def of_record(record: Any) -> dict[str, Any]:
    """A frozen record by its fields; what it holds by horizon becomes [{horizon_seconds, value}]."""
    return {
        entry.name: _plain(getattr(record, entry.name), exact=entry.name.endswith("_timestamp"))
        for entry in dataclasses.fields(record)
    }


def of_figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """How a model was judged: what is told by horizon as [{horizon_seconds, value}]."""
    compared = [
        {"with": name, "difference": number(difference), "standard_error": number(error)}
        for name, (difference, error) in figures.get("difference", {}).items()
    ]
    others = {name: _plain(value) for name, value in figures.items() if name != "difference"}
    return {**others, "compared": compared}


def number(value: float | None) -> float | None:
    """A number in six digits; null where it is none. What is nearly 1, or certain, is not called so."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return value if value < 1.0 <= rounded else rounded


def _plain(value: Any, *, exact: bool = False) -> Any:
    if isinstance(value, Mapping):
        if value and all(str(key).isdigit() for key in value):
            return [{"horizon_seconds": int(key), "value": _plain(each)} for key, each in value.items()]
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        # A moment is not rounded: six digits of epoch seconds are half an hour.
        return value if exact and math.isfinite(value) else number(value)
    return value
