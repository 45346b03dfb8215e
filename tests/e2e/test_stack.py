"""The files of the stack to try, under Debian's Prometheus and Alertmanager, over a running daemon."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import Daemon

from loadwatch.assets import export

from .programs import Database, free_port, get, running, wait_for

PROGRAMS = ("prometheus", "prometheus-alertmanager")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]


def inside(folder: Path, root: Path, service: dict[str, Any], addresses: dict[str, str]) -> list[str]:
    """Lay a service's files out below ``root`` as its container sees them; its arguments, with those paths.

    addresses: what listens there in the stack, and where it listens here.
    """
    places = {}
    for volume in service["volumes"]:
        source, target = volume.split(":")[:2]
        place = root / target.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.startswith("."):
            place.write_text(_moved((folder / source).read_text(), addresses))
        places[target] = str(place)
    arguments = []
    for argument in service["command"]:
        option, _, value = argument.partition("=")
        arguments.append(f"{option}={places.get(value, _moved(value, addresses))}")
    return arguments


def _moved(text: str, addresses: dict[str, str]) -> str:
    for there, here in addresses.items():
        text = text.replace(there, here)
    # So that a test need not wait for a scrape, or for a group of rules to have its turn.
    return re.sub(r"interval: \d+\w", "interval: 1s", text)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("stack")
    export(folder, ["stack"])
    services = yaml.safe_load((folder / "stack/compose.yaml").read_text())["services"]
    with ExitStack() as servers:
        daemon = servers.enter_context(Daemon(folder / "daemon/state", "--set", "sampling.interval=1s"))
        addresses = {f"127.0.0.1:{port}": f"127.0.0.1:{free_port()}" for port in (9090, 9093)}
        addresses["127.0.0.1:10074"] = f"127.0.0.1:{daemon.until_ready().port}"
        for name, program in (("alertmanager", PROGRAMS[1]), ("prometheus", PROGRAMS[0])):
            arguments = inside(folder / "stack", folder / name, services[name], addresses)
            (address,) = [a.partition("=")[2] for a in arguments if a.startswith("--web.listen-address=")]
            servers.enter_context(
                running(
                    program, *arguments, ready_url=f"http://{address}/-/ready", log=folder / f"{name}.log"
                )
            )
        yield Database(f"http://{addresses['127.0.0.1:9090']}")


def test_prometheus_finds_the_daemon_rules_and_alertmanager(stack: Database) -> None:
    """Within moments there is data for the dashboards, every rule is well, and alerts have where to go."""
    wait_for("a verdict", lambda: stack.query("loadwatch_high_load_probability"))
    assert list(stack.query('up{job="loadwatch"}').values()) == [1.0]
    groups = wait_for("an evaluation", lambda: _evaluated(stack))
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    found = json.loads(get(f"{stack.url}/api/v1/alertmanagers"))["data"]
    assert len(found["activeAlertmanagers"]) == 1


def _evaluated(stack: Database) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = json.loads(get(f"{stack.url}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return groups if rules and all(rule["health"] != "unknown" for rule in rules) else []
