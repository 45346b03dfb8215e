"""Every shipped expression, on a real Prometheus and VictoriaMetrics, over pages of the real exporter.

Prometheus scrapes a small fleet, evaluates the shipped rules, alerts an Alertmanager, and writes everything
on to VictoriaMetrics, so that both hold the same samples and must give the same answers.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadwatch.assets import FILES, export
from loadwatch.assets.generate.alerts import ALERTS

from .programs import Database, free_port, get, running, wait_for
from .simulated import Host, served, targets

PROGRAMS = ("prometheus", "prometheus-alertmanager", "victoria-metrics")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]

GRAFANA = {"$__rate_interval": "20s", "$__interval": "5s", "$__range": "1m", "$job": ".+", "$instance": ".+"}


@dataclass
class Stack:
    """The running servers, the fleet, and what the webhook received."""

    prometheus: Database
    victoria: Database
    hosts: dict[str, Host]
    received: list[dict[str, Any]]

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert the webhook has been told of, the latest last."""
        return [alert for message in self.received for alert in message["alerts"]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    hosts = [
        Host("loaded", probability=0.97),
        Host("rising", probability=0.3),
        Host("strange", anomaly=True),
        Host("well", all_signals=True),
        Host("serviced", probability=0.99, maintenance=True),
        Host("faulty", faults=True),
        Host("dead", down=True),
    ]
    received: list[dict[str, Any]] = []
    with ExitStack() as servers:
        hook = servers.enter_context(_webhook(received))
        page_port = servers.enter_context(served(hosts))
        victoria = _start_victoria(servers, folder)
        alertmanager = _start_alertmanager(servers, folder, hook)
        prometheus = _start_prometheus(servers, folder, targets(hosts, page_port), victoria, alertmanager)
        stack = Stack(prometheus, victoria, {host.name: host for host in hosts}, received)
        wait_for("twenty scrapes", lambda: _samples(stack, "count_over_time(up[1m])") >= 20, seconds=60)
        yield stack


def _samples(stack: Stack, expression: str) -> float:
    return min(stack.prometheus.query(expression).values(), default=0.0)


class _webhook(HTTPServer):  # noqa: N801 - used like a function
    """Collects what Alertmanager posts; a context manager that gives its address."""

    def __init__(self, received: list[dict[str, Any]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server_port}/hook"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


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


def _start_alertmanager(servers: ExitStack, folder: Path, hook: str) -> str:
    """The shipped routes and inhibitions, with our webhook as the only receiver and no patience."""
    config = yaml.safe_load((FILES / "alertmanager/alertmanager.example.yml").read_text())
    config["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": hook, "send_resolved": True}]}
        for receiver in config["receivers"]
    ]
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
        route.pop("mute_time_intervals", None)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    servers.enter_context(
        running(
            "prometheus-alertmanager",
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            ready_url=f"http://{address}/-/ready",
            log=folder / "alertmanager.log",
        )
    )
    return address


def _start_prometheus(
    servers: ExitStack, folder: Path, static: list[dict[str, object]], victoria: Database, alertmanager: str
) -> Database:
    """The shipped rules, evaluated every second; waiting times are cut, the rest is as shipped."""
    export(folder, ["prometheus"])
    for name in ("loadwatch.rules.yml", "loadwatch.recording.yml"):
        path = folder / "prometheus" / name
        hurried = re.sub(r"interval: \d+\w", "interval: 1s", path.read_text())
        path.write_text(re.sub(r"for: \d+\w", "for: 3s", hurried))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["prometheus/loadwatch.rules.yml", "prometheus/loadwatch.recording.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "loadwatch", "static_configs": static}],
        "remote_write": [
            {"url": f"{victoria.url}/api/v1/write", "queue_config": {"batch_send_deadline": "200ms"}}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    servers.enter_context(
        running(
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            ready_url=f"http://{address}/-/ready",
            log=folder / "prometheus.log",
        )
    )
    return Database(f"http://{address}")


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


# A new model is news: it is marked when it happens, and here none does.
MAY_BE_EMPTY = {"New model"}


def test_every_panel_has_data(stack: Stack) -> None:
    """With a fleet in which everything happens, no query of any dashboard comes back empty."""
    now = time.time()
    empty = [
        f"{place}: {expression}"
        for place, expression in dashboard_queries()
        if not stack.prometheus.query_range(expression, now - 20, now, 5)
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
    ours, theirs = stack.prometheus.query(expression, at), stack.victoria.query(expression, at)
    if ours.keys() != theirs.keys():
        return f"{expression}: series {sorted(ours.keys() ^ theirs.keys())}"
    # Prometheus extrapolates a counter to the edges of the window, VictoriaMetrics does not.
    tolerance = 0.2 if re.search(r"\b(rate|increase)\(", expression) else 1e-6
    wrong = {
        labels: (ours[labels], theirs[labels])
        for labels in ours
        if ours[labels] != pytest.approx(theirs[labels], rel=tolerance, abs=tolerance * 10)
    }
    return f"{expression}: {wrong}" if wrong else ""


def test_alert_arrives_with_its_text_and_resolves(stack: Stack) -> None:
    """From the metrics page to the webhook: who, how sure, driven by what; and the end of it."""
    loaded = wait_for("the alert", lambda: _told(stack, "LoadwatchHighLoad", "loaded:10074", "firing"))
    assert loaded["labels"]["severity"] == "critical"
    assert loaded["annotations"]["description"] == (
        "loaded:10074 is under high load (probability 97%). Top signals: cpu_pressure +0.41, memory +0.22"
    )
    rising = wait_for(
        "the forecast", lambda: _told(stack, "LoadwatchHighLoadExpected", "rising:10074", "firing")
    )
    assert rising["annotations"]["description"].startswith(
        "rising:10074 is expected to be under high load within 15m 0s (probability 65%)"
    )
    assert wait_for("Down", lambda: _told(stack, "LoadwatchDown", "dead:10074", "firing"))
    stack.hosts["dead"].down = False
    assert wait_for("the end of Down", lambda: _told(stack, "LoadwatchDown", "dead:10074", "resolved"))


def _told(stack: Stack, alert: str, instance: str, status: str) -> dict[str, Any] | None:
    for told in reversed(stack.alerts()):
        if (told["labels"]["alertname"], told["labels"].get("instance")) == (alert, instance):
            return told if told["status"] == status else None
    return None


def test_maintenance_is_silent_and_critical_hides_warning(stack: Stack) -> None:
    """A host in maintenance raises nothing, and of the loaded one only the worst is told."""
    wait_for("faults", lambda: _told(stack, "LoadwatchBudgetOverspent", "faulty:10074", "firing"))
    names = {(told["labels"]["alertname"], told["labels"].get("instance")) for told in stack.alerts()}
    assert not [name for name, instance in names if instance == "serviced:10074"]
    assert {name for name, instance in names if instance == "loaded:10074"} == {"LoadwatchHighLoad"}
    firing = {dict(labels)["alertname"] for labels in stack.prometheus.query('ALERTS{alertstate="firing"}')}
    assert "LoadwatchSourceFailing" in firing
    assert "LoadwatchHistoryFailing" in firing


def test_prometheus_evaluates_every_rule_without_error(stack: Stack) -> None:
    """No rule is unhealthy, and the group takes a moment."""
    rules = json.loads(get(f"{stack.prometheus.url}/api/v1/rules"))["data"]["groups"]
    unhealthy = [rule for group in rules for rule in group["rules"] if rule["health"] != "ok"]
    assert unhealthy == []
    assert sum(len(group["rules"]) for group in rules) >= len(ALERTS)
