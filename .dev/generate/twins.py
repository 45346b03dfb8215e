"""Grafana-managed twins of the alerting rules, for those who have no Prometheus rules.

A query gives the value for each host, an expression, firing, compares it: their names stand in the messages.
A template of Grafana's cannot query, so each looked-up series is a query of its own, one for each rank; its
labels include the host's, by which Grafana matches it to the alert and offers it as ``$values``. A query
without a result would turn the whole rule into "no data", so these fall back on a nameless zero. Where no
host has a row, the text is made for an instance without labels: it is empty then.

Chosen on purpose: ``noDataState: OK``, because a missing host is what LoadwatchDown and LoadwatchAbsent tell,
and ``execErrState: Error``, because a data source that cannot be asked is a fault and not a quiet host.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from generate.alert import AlertRule, Group, Lookup, action, fill, shown
from generate.alerts import ALERTS
from generate.dashboards import panel_number
from generate.rules import dashboard_url
from generate.text import Node, to_yaml

DATASOURCE_UID: Final = "loadwatch-prometheus"
FOLDER: Final = "Loadwatch"

# Grafana wants multiples of ten seconds.
INTERVALS: Final[dict[Group, str]] = {
    "loadwatch-verdicts": "20s",
    "loadwatch-health": "1m",
    "loadwatch-hours": "2m",
}

VALUE: Final = "value"
FIRING: Final = "firing"

_HEADING: Final = """\
The alerting rules of loadwatch, evaluated by Grafana. Use these or prometheus/loadwatch.rules.yml, not both.
Generated: change .dev/generate and run `python .dev/documents.py`.
They expect the scrape job to be named loadwatch and the data source to have the uid loadwatch-prometheus."""

_COMPARATORS: Final = {">": "gt", "<": "lt"}


def grafana_rules() -> str:
    """The file of alerting rules for Grafana's provisioning."""
    groups: list[Node] = [
        {
            "orgId": 1,
            "name": name,
            "folder": FOLDER,
            "interval": INTERVALS[name],
            "rules": [_rule(alert) for alert in alerts],
        }
        for name, alerts in groupby(ALERTS, key=lambda alert: alert.group)
    ]
    return to_yaml({"apiVersion": 1, "groups": groups}, heading=_HEADING)


def rule_uid(alert: AlertRule) -> str:
    """The name as Grafana's identifier: LoadwatchHighLoad becomes loadwatch-high-load."""
    return "-".join(word.lower() for word in re.findall("[A-Z][a-z]+", alert.name))


def _rule(alert: AlertRule) -> Node:
    board, panel = alert.panel
    lookups = [piece for piece in alert.description if isinstance(piece, Lookup)]
    description = "".join(
        _text(piece)
        if isinstance(piece, Lookup)
        else fill(piece, "$labels.instance", f"$values.{VALUE}.Value")
        for piece in alert.description
    )
    about_host = any("{instance}" in piece for piece in alert.description if isinstance(piece, str))
    if about_host:
        description = action("if $labels.instance") + description + action("end")
    return {
        "uid": rule_uid(alert),
        "title": alert.name,
        "condition": FIRING,
        "for": alert.wait,
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": description,
            "runbook_url": alert.runbook_url,
            "dashboard_url": dashboard_url(alert, action("externalURL") + "d"),
            "__dashboardUid__": board,
            "__panelId__": str(panel_number(board, panel)),
        },
        "data": [
            _query(VALUE, alert.comparable),
            *(_query(name, query) for lookup in lookups for name, query in _ranks(lookup)),
            _threshold(alert),
        ],
    }


def _ranks(lookup: Lookup) -> Iterator[tuple[str, str]]:
    """The queries that give, for each host, the first, the second ... of the looked-up series."""
    select = "bottomk" if lookup.smallest_first else "topk"
    matchers = lookup.query.replace(",$host", "").replace("{$host}", "").replace("$host", "")
    for rank in range(1, lookup.count + 1):
        if lookup.count == 1:
            found = matchers
        else:
            up_to = f"{select} without ({lookup.label}) ({rank}, {matchers})"
            above = f"{select} without ({lookup.label}) ({rank - 1}, {matchers})"
            found = up_to if rank == 1 else f"({up_to} unless {above})"
        yield _reference(lookup, rank), f"{found} or on () vector(0)"


def _text(lookup: Lookup) -> str:
    """Template text for the series that were found for the host of the alert."""
    text = ""
    for rank in range(1, lookup.count + 1):
        values = f"$values.{_reference(lookup, rank)}"
        # Neither a query without an answer for this host nor the nameless zero is true.
        text += action(f"if {values}.Value") + (lookup.opening if rank == 1 else ", ")
        text += shown(lookup, f"{values}.Labels.{lookup.label}", f"{values}.Value") + action("end")
    return text


def _reference(lookup: Lookup, rank: int) -> str:
    return lookup.name if lookup.count == 1 else f"{lookup.name}{rank}"


def _query(name: str, expression: str) -> Node:
    return {
        "refId": name,
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": DATASOURCE_UID,
        "model": {"refId": name, "expr": expression, "instant": True, "range": False},
    }


def _threshold(alert: AlertRule) -> Node:
    expressions: Node = {"type": "__expr__", "uid": "__expr__"}
    evaluator: Node = {"type": _COMPARATORS[alert.comparison], "params": [alert.threshold]}
    return {
        "refId": FIRING,
        "datasourceUid": "__expr__",
        "model": {
            "refId": FIRING,
            "type": "threshold",
            "expression": VALUE,
            "datasource": expressions,
            "conditions": [{"evaluator": evaluator}],
        },
    }
