"""Why a flag is no alert, in words: the question of whoever sees the one without the other."""

import math
from typing import Final

from loadwatch.judge.alerting import PRESENT_LINE, Alerter, AlertInput
from loadwatch.judge.trigger import AlertTrigger

_USUAL: Final = "high load is usual at this hour"
_WEIGHED: Final = "the last four weeks saw stronger more often than the budget allows"


def why_no_high_load_alert(alerter: Alerter, now: float, seen: AlertInput) -> str:
    """Why high load, flagged for now or for a time ahead, has no alert open."""
    if "high_load" in alerter.joined:
        return "the open alert on an anomaly stands for it"
    if seen.origin is not None:
        return _why_not_present(alerter, now)
    severity = alerter.foretold(now, seen)
    if severity is None:
        return "a forecast alerts only out of calm, and high load has just ended"
    if severity == -math.inf:
        return "it is less likely than an alert asks for"
    if severity <= 0.0:
        return f"{_USUAL}, so the clock alone foretells it"
    return _why_not_over(alerter, alerter.forecast, now, severity)


def why_no_anomaly_alert(alerter: Alerter, now: float, severity: float) -> str:
    """Why an anomaly of this severity, which is flagged, has no alert open."""
    if "anomaly" in alerter.joined:
        return "the open alert on high load stands for it"
    if not alerter.seasonality.has_seen_a_day:
        return "no anomaly is one before a whole day was seen"
    return _why_not_over(alerter, alerter.anomaly, now, severity)


def _why_not_present(alerter: Alerter, now: float) -> str:
    if alerter.excess < PRESENT_LINE:
        if alerter.seasonality.is_usual:
            share, days = alerter.seasonality.custom()
            return f"{_USUAL}, on about {round(10 * share)} of 10 {days}"
        lasted = _minutes(alerter.excess)
        return f"an alert takes {_minutes(PRESENT_LINE)} of it beyond the usual, so far {lasted}"
    bar = alerter.present.bar(now, alerter.tokens)
    if alerter.excess <= bar:
        return f"{_WEIGHED}: now {_minutes(alerter.excess)} beyond the usual, an alert takes {_minutes(bar)}"
    return _why_not_over(alerter, alerter.present, now, alerter.excess)


def _why_not_over(alerter: Alerter, trigger: AlertTrigger, now: float, severity: float) -> str:
    if not alerter.tokens.capacity:
        return "the budget allows none"
    if not alerter.tokens.can_pay(now):
        return "the budget is spent, and the last four weeks saw as bad"
    if severity <= trigger.bar(now, alerter.tokens):
        return _WEIGHED
    return "it has not lasted half a minute"


def _minutes(seconds: float) -> str:
    return f"{int(seconds / 60)} min"
