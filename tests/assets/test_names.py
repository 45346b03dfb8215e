"""Rules and dashboards speak of metrics and labels that the exporter really has."""

import re

from loadwatch.exporter import METRICS
from loadwatch.signals import BY_NAME

from .promql_reading import dashboards, expressions, panels, selectors

# A label of ours that Prometheus itself attaches to every target is renamed when it is scraped.
LABELS = {
    metric.name: {{"job": "exported_job"}.get(label, label) for label in metric.labels} for metric in METRICS
}
for _metric in METRICS:
    if _metric.kind == "histogram":
        LABELS |= {f"{_metric.name}_{part}": LABELS[_metric.name] for part in ("sum", "count")}
        LABELS[f"{_metric.name}_bucket"] = LABELS[_metric.name] | {"le"}
TARGET = {"job", "instance"}
OTHERS = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity"},
    # Of the process itself, in `loadwatch.exporter.own_process`.
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
}
KNOWN: dict[str, set[str]] = {**LABELS, **OTHERS}


def test_every_metric_and_label_exists() -> None:
    """A renamed metric fails here and not silently on a dashboard."""
    wrong = []
    for place, expression in expressions():
        for selector in selectors(expression):
            if selector.metric not in KNOWN:
                wrong.append(f"{place}: no metric {selector.metric}")
            elif unknown := selector.matchers.keys() - KNOWN[selector.metric] - TARGET:
                wrong.append(f"{place}: {selector.metric} has no labels {sorted(unknown)}")
    assert wrong == []


def test_every_label_of_a_grouping_exists() -> None:
    """``by`` and ``without`` name labels that some metric of the same expression has."""
    wrong = []
    for place, expression in expressions():
        labels = set().union(TARGET, *(KNOWN[selector.metric] for selector in selectors(expression)))
        for group in re.findall(r"\b(?:by|without|on|ignoring) \(([^)]*)\)", expression):
            unknown = {label.strip() for label in group.split(",") if label.strip()} - labels
            if unknown:
                wrong.append(f"{place}: nothing has the labels {sorted(unknown)}")
    assert wrong == []


def test_every_label_of_a_legend_exists() -> None:
    """A legend shows no holes."""
    wrong = []
    for dashboard in dashboards():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                metrics = re.findall(r"\b(?:loadwatch|process)_\w+|\bup\b|\bALERTS\b", target["expr"])
                labels = set().union(TARGET, *(KNOWN[metric] for metric in metrics))
                unknown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - labels
                if unknown:
                    wrong.append(f"{dashboard['uid']}: {panel['title']}: {sorted(unknown)}")
    assert wrong == []


def test_every_exported_metric_is_used_somewhere() -> None:
    """What a host pays for in series is shown to somebody."""
    used = {selector.metric for _, expression in expressions() for selector in selectors(expression)}
    assert {name for name in LABELS if not name.endswith(("_bucket", "_sum", "_count"))} - used == {
        metric.name for metric in METRICS if metric.kind == "histogram"
    }


def test_every_signal_has_a_panel() -> None:
    """The host's dashboard shows each signal of the schema, and names none that is not in it."""
    (host,) = [dashboard for dashboard in dashboards() if dashboard["uid"] == "loadwatch-host"]
    named: set[str] = set()
    for panel in panels(host):
        for target in panel["targets"]:
            for selector in selectors(target["expr"]):
                operator, names = selector.matchers.get("signal", ("", ""))
                # The panel of other signals is told which those are not.
                if selector.metric == "loadwatch_signal" and operator != "MatchOp.NotRe":
                    named |= set(names.split("|"))
    assert named == set(BY_NAME)
