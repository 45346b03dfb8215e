"""Reads PromQL out of the shipped files and takes it apart."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from loadwatch.assets import FILES

Json = dict[str, Any]

DASHBOARDS = sorted((FILES / "grafana/dashboards").glob("*.json"))
RULES = FILES / "prometheus/loadwatch.rules.yml"
FLAG_RULES = FILES / "prometheus/loadwatch.flags.yml"
RECORDINGS = FILES / "prometheus/loadwatch.recording.yml"
TWINS = FILES / "grafana/provisioning/alerting/loadwatch-rules.yaml"

# What Grafana puts in before Prometheus sees the query.
_GRAFANA = {
    "$__rate_interval": "1m",
    "$__interval": "15s",
    "$__range": "1h",
    "$job": "loadwatch",
    "$instance": "web-1:10074",
}


@dataclass(frozen=True)
class Selector:
    """A selector of series with the function its range is in, if any."""

    metric: str
    matchers: dict[str, tuple[str, str]]
    function: str
    ranged: bool


def dashboards() -> list[Json]:
    return [json.loads(path.read_text()) for path in DASHBOARDS]


def panels(dashboard: Json) -> list[Json]:
    """Every panel, those in folded rows too, without the rows."""
    found = []
    for panel in dashboard["panels"]:
        found += [panel, *panel.get("panels", [])]
    return [panel for panel in found if panel["type"] != "row"]


@functools.cache
def rules(path: Path = RULES) -> list[Json]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def recordings() -> list[Json]:
    return rules(RECORDINGS)


def twins() -> list[Json]:
    return rules(TWINS)


def looked_up(template: str) -> list[str]:
    """The queries inside a template of Prometheus, with the host filled in."""
    host = 'job="x",instance="x",'
    return [query.replace("%s", host) for query in re.findall(r"printf `([^`]+)`", template)]


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression that is shipped, with the place it was found."""
    for rule in (*rules(), *rules(FLAG_RULES)):
        yield f"rule {rule['alert']}", rule["expr"]
        for query in looked_up(rule["annotations"]["description"]):
            yield f"description of {rule['alert']}", query
    for rule in recordings():
        yield f"rule {rule['record']}", rule["expr"]
    for twin in twins():
        for data in twin["data"]:
            if data["datasourceUid"] != "__expr__":
                yield f"Grafana rule {twin['title']} {data['refId']}", data["model"]["expr"]
    for dashboard in dashboards():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield f"{dashboard['uid']}: {panel['title']}", filled(target["expr"])
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                yield f"{dashboard['uid']}: annotation {annotation['name']}", filled(annotation["expr"])


def filled(expression: str) -> str:
    """The query as Grafana would send it."""
    for variable, value in _GRAFANA.items():
        expression = expression.replace(variable, value)
    return expression


def nodes(expression: str) -> Iterator[tuple[Any, str]]:
    """Every node of the syntax tree, with the name of the function it is an argument of."""
    yield from _walk(promql_parser.parse(expression), "")


def selectors(expression: str) -> list[Selector]:
    """Every selector in the expression."""
    found = []
    for node, function in nodes(expression):
        if isinstance(node, promql_parser.VectorSelector):
            name, ranged = function.removeprefix("range of "), function.startswith("range of ")
            matchers = {m.name: (str(m.op), m.value) for m in node.matchers.matchers}
            found.append(Selector(node.name, matchers, name, ranged))
    return found


def _walk(node: Any, function: str) -> Iterator[tuple[Any, str]]:
    yield node, function
    if isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _walk(argument, node.func.name)
    elif isinstance(node, promql_parser.MatrixSelector):
        yield from _walk(node.vector_selector, f"range of {function}")
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _walk(node.lhs, "")
        yield from _walk(node.rhs, "")
    elif isinstance(node, promql_parser.AggregateExpr | promql_parser.ParenExpr | promql_parser.UnaryExpr):
        yield from _walk(node.expr, "")
    elif isinstance(node, promql_parser.SubqueryExpr):
        yield from _walk(node.expr, function)
