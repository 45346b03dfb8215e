"""Prometheus' form of the alerts, and the recording rules of a fleet."""

from itertools import groupby
from typing import Final

from generate.alert import AlertRule, Group, Lookup, action, fill, shown
from generate.alerts import ALERTS, FLAGS
from generate.text import Node, to_yaml
from loadwatch.assets import DEFAULT_GRAFANA_URL

INTERVALS: Final[dict[Group, str]] = {
    "loadwatch-verdicts": "15s",
    "loadwatch-flags": "15s",
    "loadwatch-health": "30s",
    # What looks back over hours, of ten thousand hosts for nine seconds.
    "loadwatch-hours": "2m",
}

_RULES_HEADING: Final = """\
Alerting rules of loadwatch, for Prometheus 2.30 or later and vmalert.
Generated: change .dev/generate and run `python .dev/documents.py`.
They expect the scrape job to be named loadwatch."""

_FLAGS_HEADING: Final = """\
Rules that follow the flags of loadwatch and not its alerts: the state as it is, many times a day. For
reports; not loaded by prometheus.example.yml, and told to nobody by alertmanager.example.yml.
Generated: change .dev/generate and run `python .dev/documents.py`."""

_RECORDING_HEADING: Final = """\
Recording rules that sum up a fleet watched by loadwatch: cheap to keep for years, to federate, to graph.
Generated: change .dev/generate and run `python .dev/documents.py`.
The dashboards do not need them."""

# Who is worst, in the order of the probability, for lists that must not be computed by every viewer.
WORST_HOSTS: Final = 20

RECORDINGS: Final[dict[str, str]] = {
    "job:loadwatch_hosts:count": 'count by (job) (up{job="loadwatch"})',
    "job:loadwatch_hosts_up:sum": 'sum by (job) (up{job="loadwatch"})',
    "job:loadwatch_ready:sum": "sum by (job) (loadwatch_ready)",
    "job:loadwatch_maintenance:sum": "sum by (job) (loadwatch_maintenance)",
    "job_horizon:loadwatch_high_load:sum": "sum by (job, horizon) (loadwatch_high_load)",
    "job_horizon:loadwatch_high_load:avg": "avg by (job, horizon) (loadwatch_high_load)",
    "job_horizon:loadwatch_high_load_probability:avg": (
        "avg by (job, horizon) (loadwatch_high_load_probability)"
    ),
    "job:loadwatch_anomaly:sum": "sum by (job) (loadwatch_anomaly)",
    "job:loadwatch_anomaly:avg": "avg by (job) (loadwatch_anomaly)",
    "job_signal_verdict:loadwatch_contribution:sum": "sum by (job, signal, verdict) "
    "(loadwatch_contribution > 0)",
    "instance:loadwatch_high_load_probability:topk": (
        f'topk by (job) ({WORST_HOSTS}, loadwatch_high_load_probability{{horizon="0"}})'
    ),
    "job:loadwatch_stale_models:sum": (
        "sum by (job) (time() - loadwatch_model_trained_timestamp_seconds > bool 604800)"
    ),
}


def alerting_rules() -> str:
    """The file of alerting rules."""
    return to_yaml({"groups": _groups(ALERTS)}, heading=_RULES_HEADING)


def flag_rules() -> str:
    """The file of rules on the flags."""
    return to_yaml({"groups": _groups(FLAGS)}, heading=_FLAGS_HEADING)


def recording_rules() -> str:
    """The file of recording rules."""
    rules: list[Node] = [{"record": name, "expr": expression} for name, expression in RECORDINGS.items()]
    group: Node = {"name": "loadwatch-fleet", "interval": "30s", "rules": rules}
    return to_yaml({"groups": [group]}, heading=_RECORDING_HEADING)


def annotations(alert: AlertRule) -> dict[str, str]:
    """The texts of an alert, as templates."""
    return {
        "summary": alert.summary,
        "description": _description(alert),
        "runbook_url": alert.runbook_url,
        "dashboard_url": dashboard_url(alert, f"{DEFAULT_GRAFANA_URL}/d"),
    }


def _groups(alerts: tuple[AlertRule, ...]) -> list[Node]:
    return [
        {"name": name, "interval": INTERVALS[name], "rules": [_rule(alert) for alert in inside]}
        for name, inside in groupby(alerts, key=lambda alert: alert.group)
    ]


def _rule(alert: AlertRule) -> Node:
    rule: dict[str, Node] = {"alert": alert.name, "expr": alert.condition}
    if alert.wait != "0s":
        rule["for"] = alert.wait
    return rule | {"labels": {"severity": alert.severity}, "annotations": annotations(alert)}


# All labels of the series as matchers, without those that the rule itself adds.
_HOST_MATCHERS: Final = (
    '{{ $host := "" }}{{ range $name, $value := $labels }}'
    '{{ if not (match "^(__name__|alertname|alertgroup|severity)$" $name) }}'
    '{{ $host = printf "%s%s=%q," $host $name $value }}{{ end }}{{ end }}'
)


def _description(alert: AlertRule) -> str:
    text = "".join(_piece(piece) for piece in alert.description)
    return _HOST_MATCHERS + text if any(isinstance(piece, Lookup) for piece in alert.description) else text


def _piece(piece: str | Lookup) -> str:
    if isinstance(piece, str):
        return fill(piece, "$labels.instance", "$value")
    hosts = " ".join(["$host"] * piece.query.count("$host"))
    query = piece.query.replace("$host", "%s")
    if piece.count == 1:
        only = action("with . | first | value") + piece.opening + shown(piece, "", ".") + action("end")
        return action(f"with printf `{query}` {hosts} | query") + only + action("end")
    select, sort = ("bottomk", "sort") if piece.smallest_first else ("topk", "sort_desc")
    query = f"{sort}({select}({piece.count}, {query}))"
    comma = action("if $index") + ", " + action("end")
    each = shown(piece, f'$series | label "{piece.label}"', "$series | value")
    every = action("range $index, $series := .") + comma + each + action("end")
    return action(f"with printf `{query}` {hosts} | query") + piece.opening + every + action("end")


def dashboard_url(alert: AlertRule, folder: str) -> str:
    """Template text for the address of the alert's dashboard below ``folder``, opened at its host."""
    board, _ = alert.panel
    url = f"{folder}/{board}?var-job={action('$labels.job', 'urlquery')}"
    if any("{instance}" in piece for piece in alert.description if isinstance(piece, str)):
        url += f"&var-instance={action('$labels.instance', 'urlquery')}"
    return url
