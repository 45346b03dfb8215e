"""Every shipped expression, on a real Prometheus and VictoriaMetrics, over pages of the real exporter.

Prometheus scrapes a small fleet, evaluates the shipped rules, alerts an Alertmanager, and writes everything
on to VictoriaMetrics, so that both hold the same samples and must give the same answers.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from generate.alerts import ALERTS

from loadwatch.assets import FILES

from .programs import (
    GRAFANA,
    Database,
    Webhook,
    free_port,
    get,
    running,
    start_alertmanager,
    start_prometheus,
    wait_for,
)
from .simulated import Host, served, targets

PROGRAMS = ("prometheus", "prometheus-alertmanager", "victoria-metrics")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]

# Evaluated every second, and waiting times are cut.
HURRY = {r"interval: \d+\w": "interval: 1s", r"for: \d+\w": "for: 3s", r"\[2m\]": "[5s]"}


@dataclass
class Stack:
    """The running servers, the fleet, and the webhook."""

    prometheus: Database
    victoria: Database
    hosts: dict[str, Host]
    hook: Webhook


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    hosts = [
        Host("loaded", probability=0.97),
        Host("rising", probability=0.3),
        Host("coming", probability=0.3),
        Host("limited", probability=0.00006, outlook=0.01, limits={"memory": 0.985}),
        Host("strange", anomaly=True),
        Host("well"),
        Host("serviced", probability=0.99, maintenance=True),
        Host("faulty", faults=True),
        Host("dead", down=True),
    ]
    with ExitStack() as servers:
        hook = servers.enter_context(Webhook())
        page_port = servers.enter_context(served(hosts))
        victoria = _start_victoria(servers, folder)
        alertmanager = start_alertmanager(servers, folder, hook.url)
        write = {"url": f"{victoria.url}/api/v1/write", "queue_config": {"batch_send_deadline": "200ms"}}
        prometheus = start_prometheus(
            servers, folder, targets(hosts, page_port), alertmanager, HURRY, remote_write=[write]
        )
        stack = Stack(prometheus, victoria, {host.name: host for host in hosts}, hook)
        wait_for("twenty scrapes", lambda: _samples(stack, "count_over_time(up[1m])") >= 20, seconds=60)
        yield stack


def _samples(stack: Stack, expression: str) -> float:
    return min(stack.prometheus.query(expression).values(), default=0.0)


def _start_victoria(servers: ExitStack, folder: Path) -> Database:
    url = f"http://127.0.0.1:{free_port()}"
    # Asked at a past moment it must not wait for samples that may still come.
    servers.enter_context(
        running(
            "victoria-metrics",
            f"-storageDataPath={folder / 'victoria'}",
            f"-httpListenAddr={url.removeprefix('http://')}",
            "-search.latencyOffset=0s",
            "-search.disableCache",
            ready_url=f"{url}/health",
            log=folder / "victoria.log",
        )
    )
    return Database(url)


def dashboard_queries() -> list[tuple[str, str]]:
    """Every query of every panel and annotation, with the panel."""
    found = []
    for path in sorted((FILES / "grafana/dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        panels = [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", []))]
        found += [
            (f"{board['uid']}: {panel['title']}", target["expr"])
            for panel in panels
            for target in panel.get("targets", [])
        ]
        found += [
            (f"{board['uid']}: annotation {note['name']}", note["expr"])
            for note in board["annotations"]["list"]
            if "expr" in note
        ]
    return [(place, _filled(expression)) for place, expression in found]


def _filled(expression: str) -> str:
    for variable, value in GRAFANA.items():
        expression = expression.replace(variable, value)
    return expression


# A new model is news: it is marked when it happens, and here none does. Nor has a host signals or horizons of
# its own, or stands in a state for a minute.
MAY_BE_EMPTY = {
    "New model",
    "Signals of your own",
    "Journal entries a second",
    "Full in",
    "loadwatch-host: For",
}


def test_every_panel_has_data(stack: Stack) -> None:
    """With a fleet in which everything happens, no query of any dashboard comes back empty.

    What a panel draws a quarter of an hour late is asked for as of now: the servers are not that old.
    """
    now = time.time()
    empty = [
        f"{place}: {expression}"
        for place, expression in dashboard_queries()
        if "horizon!~" not in expression
        and not stack.prometheus.query_range(expression.replace("offset 15m", ""), now - 20, now, 5)
        and not any(place.endswith(name) for name in MAY_BE_EMPTY)
    ]
    assert empty == []


def test_victoria_metrics_gives_the_same_answers(stack: Stack) -> None:
    """Same queries, same series, same values: dashboards, rules and Grafana's queries work on either."""
    expressions = {expression for _, expression in dashboard_queries()}
    expressions |= {alert.condition for alert in ALERTS} | {alert.comparable for alert in ALERTS}
    for rule in yaml.safe_load((FILES / "prometheus/loadwatch.recording.yml").read_text())["groups"][0][
        "rules"
    ]:
        expressions.add(rule["expr"])
    for group in yaml.safe_load((FILES / "grafana/provisioning/alerting/loadwatch-rules.yaml").read_text())[
        "groups"
    ]:
        for rule in group["rules"]:
            expressions |= {data["model"]["expr"] for data in rule["data"] if "expr" in data["model"]}
    at = time.time()
    wait_for(
        "remote write to catch up",
        lambda: (
            stack.victoria.query("timestamp(up)") and min(stack.victoria.query("timestamp(up)").values()) > at
        ),
    )
    different = [text for expression in sorted(expressions) if (text := _difference(stack, expression, at))]
    assert different == []


def _difference(stack: Stack, expression: str, at: float) -> str:
    # Over which functions a metric keeps its name is not the same in both.
    ours, theirs = (
        {tuple(label for label in labels if label[0] != "__name__"): value for labels, value in found.items()}
        for found in (stack.prometheus.query(expression, at), stack.victoria.query(expression, at))
    )
    if ours.keys() != theirs.keys():
        return f"{expression}: series {sorted(ours.keys() ^ theirs.keys())}"
    # Prometheus extrapolates a counter to the edges of the window, VictoriaMetrics does not.
    # And counts the first sight of a value as a change.
    tolerance = 0.2 if re.search(r"\b(rate|increase|changes)\(", expression) else 1e-6
    wrong = {
        labels: (ours[labels], theirs[labels])
        for labels in ours
        if ours[labels] != pytest.approx(theirs[labels], rel=tolerance, abs=tolerance * 10)
    }
    return f"{expression}: {wrong}" if wrong else ""


def test_alert_arrives_with_its_text_and_resolves(stack: Stack) -> None:
    """From the metrics page to the webhook: who, how sure, driven by what; and the end of it."""
    loaded = wait_for("the alert", lambda: stack.hook.told("LoadwatchHighLoad", "loaded:10074", "firing"))
    assert loaded["labels"]["severity"] == "critical"
    assert loaded["annotations"]["description"] == (
        "loaded:10074 is under high load (probability 97%); most is used by mysql.service (78%). "
        "Top signals: cpu_pressure +0.41, memory +0.22"
    )
    rising = wait_for(
        "the forecast", lambda: stack.hook.told("LoadwatchHighLoadExpected", "rising:10074", "firing")
    )
    assert rising["annotations"]["description"].startswith(
        "rising:10074 is expected to be under high load within 15m 0s (probability 65%)"
    )
    limited = wait_for("the limit", lambda: stack.hook.told("LoadwatchHighLoad", "limited:10074", "firing"))
    assert limited["annotations"]["description"] == (
        "limited:10074 is under high load, past the plain limit on memory (98.5%). "
        "Top signals: cpu_pressure +0.41, memory +0.22"
    )
    assert wait_for("Down", lambda: stack.hook.told("LoadwatchDown", "dead:10074", "firing"))
    stack.hosts["dead"].down = False
    assert wait_for("the end of Down", lambda: stack.hook.told("LoadwatchDown", "dead:10074", "resolved"))


def _heard(stack: Stack, instance: str) -> list[tuple[str, str]]:
    """What people were told of a host, first to last, each once; the flags go to nobody."""
    words = [
        (alert["labels"]["alertname"], alert["status"])
        for alert in stack.hook.alerts()
        if alert["labels"].get("instance") == instance and alert["receiver"] != "nobody"
    ]
    return list(dict.fromkeys(words))


def test_one_trouble_is_one_message_and_one_end(stack: Stack) -> None:
    """High load that was foretold: the forecast, the load, its end; and nobody hears "resolved" before."""
    host, instance = stack.hosts["coming"], "coming:10074"

    ahead, there = "LoadwatchHighLoadExpected", "LoadwatchHighLoad"
    wait_for("the forecast", lambda: stack.hook.told(ahead, instance, "firing"))
    host.probability = 0.97
    wait_for("the load", lambda: stack.hook.told(there, instance, "firing"))
    # Alertmanager looks through its groups every second here; the forecast's end has passed many a look.
    wait_for(
        "ten seconds of high load",
        lambda: (
            _samples(
                stack,
                f'count_over_time((loadwatch_alert{{instance="{instance}",verdict="high_load",'
                f'stage="present"}} == 1)[1m:1s])',
            )
            >= 10
        ),
    )
    host.probability, host.outlook = 0.02, 0.0
    wait_for("the end", lambda: stack.hook.told(there, instance, "resolved"))
    assert _heard(stack, instance) == [(ahead, "firing"), (there, "firing"), (there, "resolved")]


def test_maintenance_is_silent_and_critical_hides_warning(stack: Stack) -> None:
    """A host in maintenance raises nothing, and of the loaded one only the worst is told."""
    wait_for("faults", lambda: stack.hook.told("LoadwatchBudgetOverspent", "faulty:10074", "firing"))
    assert stack.hook.names("serviced:10074") == set()
    assert _heard(stack, "loaded:10074") == [("LoadwatchHighLoad", "firing")]
    firing = {dict(labels)["alertname"] for labels in stack.prometheus.query('ALERTS{alertstate="firing"}')}
    assert "LoadwatchSourceFailing" in firing
    assert "LoadwatchHistoryFailing" in firing


def test_prometheus_evaluates_every_rule_without_error(stack: Stack) -> None:
    """No rule is unhealthy, and the group takes a moment."""
    rules = json.loads(get(f"{stack.prometheus.url}/api/v1/rules"))["data"]["groups"]
    unhealthy = [rule for group in rules for rule in group["rules"] if rule["health"] != "ok"]
    assert unhealthy == []
    assert sum(len(group["rules"]) for group in rules) >= len(ALERTS)
