"""The status document: the one place that defines what ``/api/v1/status`` says.

The page, ``loadwatch status`` and ``loadwatch top`` read it. Its form is that of ``json_documents``::

    schema                 2; grows only by new fields
    host, version          text
    build                  {commit, timestamp, changed} of what runs, null where it is not known
    now_timestamp          when this document was made, by the daemon's clock
    started_timestamp, interval_seconds
    state                  fine | expected | high_load | anomaly | filling | maintenance | stale | unknown
    headline, detail       the same in words
    verdict                null before the first sample, else
      timestamp, age_seconds, fresh
      high_load            [{horizon_seconds, probability, flag}], now first; empty unless fresh
      flagged_by            rule | model | limit | null
      rule                 null or {level, deciding}: how near the rule is to its limit, high above 1, and the
                           signals of the comparison that set it
      level_forecast       [{horizon_seconds, quantiles: {0.5, 0.9}, words}]: the highest level now or within
                           the horizon, 1.5 is that or more; empty unless fresh, and while it cannot be said
      anomaly              {score, flag}
      unknown              [{signal, why}] that rule or limits need and that stay unknown; empty unless fresh
      failing              [{source, why, words}] that failed at the last sample, needed or not; empty unless
                           fresh
      no_alert             null or {verdict, since_timestamp, why}: flagged, and why there is no alert
      filling              [{what, share, full_in_seconds, words}] that is full or soon will be, the most
                           urgent first; empty unless fresh
      contributions        {high_load: [{signal, value}], anomaly: [...]}, strongest first; empty unless fresh
      culprits             null, or who uses the resource that drives what is flagged: {resource, timestamp,
                           seconds, total, words, note, named}, see ``loadwatch.records``
    signals                [{name, value, unit, help}] of the last sample
    model                  null or {version, origin, trained_timestamp, rows, span, losses, brier, thresholds}
    training               {state, next_timestamp, last_success_timestamp, last_duration_seconds, runs,
                           failures, rejections, last_message}
    worth                  {budget_per_week, forecast_hit_ratio, forecast_lead_time_seconds}, and by verdict
                           {alerts_this_week, false_per_week, threshold_raise}
    alerts                 [{identity, verdict, start_timestamp, end_timestamp, horizon_seconds, flagged_by,
                           confirmed_by, judged, outcome, peak, excess_seconds, lead_time_seconds, model,
                           contributions, culprits}], newest first
    maintenance            [{identity, start_timestamp, end_timestamp, why}]
    labels                 [{identity, kind, start_timestamp, end_timestamp, why}] of the last week
    trainings              [{start_timestamp, end_timestamp}] of the last week; the end is null while one runs
    notifications          [{name, waiting, last_success_timestamp, last_failure_timestamp, trouble}] for each
                           service that is told of alerts; trouble says why the last message did not arrive
    history                {rows, start_timestamp, end_timestamp}
    state_identity         which directory the state is kept in, as a program on the same host can tell it
                           from others; it names no path, so anybody may read it
    links                  {metrics, documentation}, relative to the page
    series                 only with ?series=hour, six_hours, day or week, see ``timeline``

A contribution to ``high_load`` is in log odds against an ordinary moment of this host; the contributions to
``anomaly`` are parts of the score, 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from loadwatch.build import version_of
from loadwatch.escaping import printable
from loadwatch.json_documents import (
    SCHEMA,
    number,
    of_alert,
    of_contributions,
    of_culprits,
    of_label,
    of_maintenance,
    of_span,
)
from loadwatch.model.level import QUANTILES
from loadwatch.records import STALE_AFTER_INTERVALS, Filling, NoAlert, Snapshot, Span
from loadwatch.signals import BY_NAME, Signal
from loadwatch.web.facts import Facts
from loadwatch.web.wording import failing_words, filling_words, in_words, level_words

LONGEST_WHY: Final = 300
"""Characters of what went wrong with a source, some of which may be an exporter's own words."""
DOCUMENTATION: Final = "static/manual.html"
"""Served by this very daemon: a server without a way out has its manual at hand, and that of its version."""


def build_status(
    snapshot: Snapshot | None,
    facts: Facts,
    *,
    age: float,
    interval: float,
    now: float,
    described: Mapping[str, Signal] = BY_NAME,
) -> dict[str, Any]:
    """The document for this snapshot, ``age`` seconds after its sample, at wall time ``now``.

    described: the signals that have a unit and a meaning, by name.
    """
    fresh = snapshot is not None and age <= STALE_AFTER_INTERVALS * interval
    words = in_words(snapshot, fresh=fresh, age=age, stores=facts.history_stores)
    return {
        "schema": SCHEMA,
        "host": facts.host,
        "version": version_of(facts.build),
        "build": facts.build._asdict() if facts.build else None,
        "now_timestamp": now,
        "started_timestamp": facts.started_timestamp,
        "interval_seconds": interval,
        "state": words.state,
        "headline": words.headline,
        "detail": words.detail,
        "verdict": _verdict(snapshot, age, fresh=fresh) if snapshot else None,
        "signals": _signals(snapshot, described) if snapshot else [],
        "model": _model(snapshot, facts) if snapshot and snapshot.model else None,
        "training": asdict(facts.training),
        "worth": _worth(facts),
        "alerts": [of_alert(alert) for alert in sorted(facts.alerts, key=lambda each: -each.start)],
        "maintenance": [of_maintenance(window) for window in facts.maintenance],
        "labels": [of_label(label) for label in facts.labels],
        "trainings": [of_span(span) for span in facts.trainings],
        "notifications": [asdict(recipient) for recipient in facts.notifications],
        "state_identity": facts.state_identity,
        "history": {"rows": facts.history_rows, **of_span(facts.history_span)},
        "links": {"metrics": "metrics", "documentation": DOCUMENTATION},
    }


def _verdict(snapshot: Snapshot, age: float, *, fresh: bool) -> dict[str, Any]:
    known = snapshot.probabilities.keys() | snapshot.high_load.keys() if fresh else set()
    return {
        "timestamp": snapshot.sample.timestamp,
        "age_seconds": round(age, 3),
        "fresh": fresh,
        "high_load": [
            {
                "horizon_seconds": horizon,
                "probability": number(snapshot.probabilities.get(horizon)),
                "flag": snapshot.high_load.get(horizon),
            }
            for horizon in sorted(known)
        ],
        "flagged_by": snapshot.flagged_by if fresh else None,
        "rule": _rule(snapshot) if fresh else None,
        "level_forecast": _level_forecast(snapshot) if fresh else [],
        "unknown": [{"signal": name, "why": why} for name, why in snapshot.unknown.items() if fresh],
        "failing": [
            _failing(printable(name), printable(why[:LONGEST_WHY]))
            for name, why in snapshot.failing.items()
            if fresh
        ],
        "anomaly": {
            "score": number(snapshot.anomaly_score) if fresh else None,
            "flag": snapshot.anomaly if fresh else None,
        },
        "no_alert": _no_alert(snapshot.no_alert) if fresh and snapshot.no_alert else None,
        "filling": [_filling(one) for one in snapshot.filling if fresh],
        "contributions": {
            verdict: of_contributions(parts) for verdict, parts in snapshot.contributions.items() if fresh
        },
        "culprits": of_culprits(next(iter(snapshot.culprits.values()), None)) if fresh else None,
    }


def _failing(source: str, why: str) -> dict[str, Any]:
    return {"source": source, "why": why, "words": failing_words(source, why)}


def _rule(snapshot: Snapshot) -> dict[str, Any] | None:
    level = number(snapshot.load_level)
    return None if level is None else {"level": level, "deciding": list(snapshot.deciding)}


def _level_forecast(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        {
            "horizon_seconds": horizon,
            "quantiles": {str(each): number(level) for each, level in zip(QUANTILES, levels, strict=True)},
            "words": level_words(horizon, *levels),
        }
        for horizon, levels in sorted(snapshot.level_forecast.items())
    ]


def _no_alert(no_alert: NoAlert) -> dict[str, Any]:
    return {"verdict": no_alert.verdict, "since_timestamp": no_alert.since, "why": no_alert.why}


def _filling(filling: Filling) -> dict[str, Any]:
    return {
        "what": filling.what,
        "share": number(filling.share),
        "full_in_seconds": number(filling.full_in_seconds),
        "words": filling_words(filling),
    }


def _signals(snapshot: Snapshot, described: Mapping[str, Signal]) -> list[dict[str, Any]]:
    rows = []
    for name, value in snapshot.sample.values.items():
        signal = described.get(name)
        unit, meaning = (signal.unit, signal.help) if signal else ("1", "")
        rows.append({"name": name, "value": number(value), "unit": unit, "help": meaning})
    return rows


def _model(snapshot: Snapshot, facts: Facts) -> dict[str, Any]:
    card = facts.card
    return {
        **(asdict(snapshot.model) if snapshot.model else {}),
        "rows": card.rows if card else None,
        "span": of_span(Span(card.start_timestamp, card.end_timestamp) if card else None),
        "losses": _known(card.losses) if card else {},
        "brier": number(card.brier) if card else None,
        "thresholds": _known(card.thresholds) if card else {},
    }


def _worth(facts: Facts) -> dict[str, Any]:
    of_load = facts.worth.get("high_load")
    return {
        "budget_per_week": number(facts.budget_per_week),
        "alerts_this_week": dict(facts.alerts_this_week),
        "false_per_week": _known(
            {
                verdict: each.false_per_week
                for verdict, each in facts.worth.items()
                if each.false_per_week is not None
            }
        ),
        "threshold_raise": _known(facts.threshold_raise),
        "forecast_hit_ratio": number(of_load.hit_rate) if of_load else None,
        "forecast_lead_time_seconds": number(of_load.median_lead_seconds) if of_load else None,
    }


def _known(values: Mapping[Any, float]) -> dict[Any, float | None]:
    return {name: number(value) for name, value in values.items()}
