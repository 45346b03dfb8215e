"""Starts other people's servers on free ports of the loopback interface, and ends them whatever happens."""

import ast
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeVar

import yaml

from loadwatch.assets import DEFAULT_PROJECT_URL, FILES, export

# Without the folder of what makes documents: benchmarks use this too.
ROOT = Path(__file__).resolve().parents[2]

GRAFANA = {"$__rate_interval": "20s", "$__interval": "5s", "$__range": "1m", "$job": ".+", "$instance": ".+"}
"""What a Grafana puts in place of the variables of a panel."""

Answer = TypeVar("Answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pip_elsewhere() -> dict[str, str]:
    """This environment for a pip inside another root: all its settings, but no constraints.

    Indexes and certificates are shown inside by those who make that root; a file of constraints is not.
    """
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    for line in settings.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2].upper().replace("-", "_")
        if key != "CONSTRAINT":
            environment[f"PIP_{key}"] = str(ast.literal_eval(value))
    return environment | {"PIP_CONFIG_FILE": os.devnull}


def copy_of_the_checkout(folder: Path, committed: int | None = None) -> Path:
    """What git tracks here as it is now; as the one commit, of this time, of a repository of its own."""
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if committed is not None:
        people = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        dated = os.environ | {"GIT_COMMITTER_DATE": f"{committed} +0000"}
        for words in (("init", "-q"), ("add", "."), (*people, "commit", "-qm", "all")):
            subprocess.run(["git", "-C", folder, *words], check=True, env=dated)
    return folder


def wait_for(what: str, ask: Callable[[], Answer | None], seconds: float = 30.0) -> Answer:
    """The first answer that is not None or false, asked for until the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


def get(url: str, **parameters: str) -> bytes:
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    with urllib.request.urlopen(url + query, timeout=30) as response:
        return bytes(response.read())


def answers(url: str) -> bool:
    try:
        get(url)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


@contextmanager
def running(*command: str | Path, ready_url: str, log: Path) -> Iterator[int]:
    """Run a server until the block ends, then kill it and its children; gives its process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(f"{command[0]} (see {log})", lambda: process.poll() is not None or answers(ready_url))
        assert process.poll() is None, log.read_text()[-2000:]
        yield process.pid
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Database:
    """Anything that answers Prometheus' query API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str, at: float | None = None) -> dict[tuple[tuple[str, str], ...], float]:
        """Value by sorted labels; an error of the server names the expression."""
        parameters = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
        data = self._ask("query", parameters)
        if data["resultType"] == "scalar":
            return {(): float(data["result"][1])}
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in data["result"]}

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        parameters = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": str(step)}
        rows: list[dict[str, Any]] = self._ask("query_range", parameters)["result"]
        return rows

    def _ask(self, endpoint: str, parameters: dict[str, str]) -> Any:
        try:
            answer = json.loads(get(f"{self.url}/api/v1/{endpoint}", **parameters))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters['query']}: {error.read().decode()}") from error
        assert answer["status"] == "success", (parameters["query"], answer)
        return answer["data"]


class Webhook:
    """Collects what Alertmanager posts while the block runs."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> "Webhook":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert it has been told of, the latest last; each with the receiver it was routed to."""
        return [
            alert | {"receiver": message["receiver"]}
            for message in tuple(self.received)
            for alert in message["alerts"]
        ]

    def names(self, instance: str) -> set[str]:
        """The alerts of one host it has ever been told of."""
        return {
            told["labels"]["alertname"]
            for told in self.alerts()
            if told["labels"].get("instance") == instance
        }

    def told(self, alert: str, instance: str, status: str) -> dict[str, Any] | None:
        """The last word on an alert of a host, if it has this status."""
        for told in reversed(self.alerts()):
            if (told["labels"]["alertname"], told["labels"].get("instance")) == (alert, instance):
                return told if told["status"] == status else None
        return None


def start_alertmanager(servers: ExitStack, folder: Path, hook: str) -> str:
    """The shipped routes and inhibitions, with a webhook for every receiver and no patience; its address."""
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


def start_prometheus(
    servers: ExitStack,
    folder: Path,
    static: list[dict[str, object]],
    alertmanager: str,
    hurry: Mapping[str, str],
    project_url: str = DEFAULT_PROJECT_URL,
    **more: object,
) -> Database:
    """Scrapes every second under the exported rules; ``more`` goes into its configuration.

    hurry: patterns and what stands in their place, so that a test need not wait as long as an operator wants
    to; the rules must hold each of them. The rest is as shipped.
    """
    export(folder, ["prometheus"], project_url=project_url)
    names = ("loadwatch.rules.yml", "loadwatch.recording.yml", "loadwatch.flags.yml")
    unused = set(hurry)
    for path in (folder / "prometheus" / name for name in names):
        rules = path.read_text()
        for pattern, replacement in hurry.items():
            rules, count = re.subn(pattern, replacement, rules)
            unused -= {pattern} if count else set()
        path.write_text(rules)
    assert unused == set(), f"no rule has {unused}"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"prometheus/{name}" for name in names],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "loadwatch", "static_configs": static}],
        **more,
    }
    return running_prometheus(servers, folder, config)


def running_prometheus(servers: ExitStack, folder: Path, config: Mapping[str, object]) -> Database:
    """A Prometheus of this configuration, until ``servers`` end."""
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
