"""What the alerts of a time were worth: false alarms, forecasts that came true, what was missed."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadwatch.judge.trigger import MERGE_SECONDS
from loadwatch.records import Alert, Label, Span, Verdict

WEEK = 604_800.0
LEAST_WEEKS = 1.0
"""No rate a week is named from less than a week: one alert in the first hour is not 168 a week."""


@dataclass(frozen=True, slots=True)
class AlertStatistics:
    """What can honestly be said of the alerts of a verdict over ``weeks``; None where that is too little.

    ``false``: neither rule, pressure nor label ever confirmed it, or the operator called it wrong. Forecasts
    are the alerts that opened before there was anything to see; a hit came true.
    """

    weeks: float
    alerts: int
    false: int
    per_week: float | None
    false_per_week: float | None
    forecasts: int
    hit_rate: float | None
    median_lead_seconds: float | None


def summarise(
    alerts: Iterable[Alert],
    period: Span,
    *,
    verdict: Verdict = "high_load",
) -> AlertStatistics:
    """The statistics of the closed alerts of one verdict that started within ``period``.

    An open alert counts for nothing yet: it may still come true.
    """
    chosen = [
        alert
        for alert in alerts
        if alert.verdict == verdict and alert.end is not None and alert.start in period
    ]
    weeks = max(0.0, period.end - period.start) / WEEK
    false = sum(map(is_false, chosen))
    foretold = [alert for alert in chosen if alert.foretold]
    leads = [alert.lead_seconds for alert in foretold if alert.lead_seconds is not None]
    return AlertStatistics(
        weeks=weeks,
        alerts=len(chosen),
        false=false,
        per_week=len(chosen) / weeks if weeks >= LEAST_WEEKS else None,
        false_per_week=false / weeks if weeks >= LEAST_WEEKS else None,
        forecasts=len(foretold),
        hit_rate=len(leads) / len(foretold) if foretold else None,
        median_lead_seconds=float(np.median(leads)) if leads else None,
    )


def is_false(alert: Alert) -> bool:
    """Whether nothing and nobody ever confirmed it; the operator has the last word."""
    if alert.judged is not None:
        return alert.judged == "wrong"
    return alert.confirmed_by is None


def outcome(alert: Alert) -> Literal["confirmed", "false"] | None:
    """What became of an alert in one word; None while it is open and nothing has confirmed it yet."""
    if alert.end is None and alert.confirmed_by is None and alert.judged is None:
        return None
    return "false" if is_false(alert) else "confirmed"


def with_labels(alert: Alert, labels: Iterable[Label]) -> Alert:
    """The alert as the operator's labels judge it.

    A label "high" or "incident" that touches it proves it right and confirms it, "normal" proves it wrong;
    the label with the highest identity, the newest, decides.
    """
    end = alert.start if alert.end is None else alert.end
    touching = [label for label in labels if label.span.start <= end and alert.start < label.span.end]
    if not touching:
        return dataclasses.replace(alert, judged=None)
    newest = max(touching, key=lambda label: label.identity)
    if newest.kind == "normal":
        return dataclasses.replace(alert, judged="wrong")
    return dataclasses.replace(alert, judged="right", confirmed_by=alert.confirmed_by or "label")


def loaded_span(alert: Alert, now: float) -> Span:
    """What of an alert was load, as far as is known: what a label "high" of it should cover, no more.

    Without the time in which it was only foretold, and without the calm that had to last before it was closed
    (in distress beyond the budget that lasts longer; those hours stay in). An open one reaches until ``now``.
    """
    start = alert.start + (alert.lead_seconds or 0.0)
    if alert.end is None:
        return Span(start, now)
    calm = MERGE_SECONDS if alert.end - MERGE_SECONDS > start else 0.0
    return Span(start, alert.end - calm)
