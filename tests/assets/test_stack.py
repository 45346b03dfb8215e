"""The stack to try is a valid compose file, pinned, shut to others, and mounts what was exported with it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import shell

from loadwatch.assets import FILES, export, list_assets

Json = dict[str, Any]

COMPOSE = FILES / "stack/compose.yaml"
SERVICES: Json = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = "loadwatch"

every_service = pytest.mark.parametrize("name", SERVICES)


def mounts(name: str) -> list[tuple[str, str]]:
    """Source and target of each volume of a service."""
    return [tuple(volume.split(":")[:2]) for volume in SERVICES[name]["volumes"]]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_compose_understands_the_file(tmp_path: Path) -> None:
    """docker-compose checks it by the schema of the compose specification, and reads what we mean."""
    export(tmp_path, ["stack"])
    command = ["docker-compose", "-f", "compose.yaml", "config"]
    result = subprocess.run(
        command, cwd=tmp_path / "stack", capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    understood = yaml.safe_load(result.stdout)["services"]
    assert {name: service["image"] for name, service in understood.items()} == {
        name: service["image"] for name, service in SERVICES.items()
    }


def test_all_that_is_mounted_is_exported(tmp_path: Path) -> None:
    """``export DIR stack`` is enough: every file and folder of the host that it names is there."""
    written = export(tmp_path, ["stack"])
    mounted = {
        (tmp_path / "stack" / source).resolve()
        for name in SERVICES
        for source, _ in mounts(name)
        if source.startswith(".")
    }
    assert mounted
    assert all(path.exists() for path in mounted)
    unused = [path for path in written if not {path.resolve(), *path.resolve().parents} & mounted]
    assert [path.name for path in unused] == ["compose.yaml"]


@every_service
def test_images_are_pinned(name: str) -> None:
    """A registry and a whole version; ours is built by the reader and never pulled."""
    image = SERVICES[name]["image"]
    if name == OURS:
        assert SERVICES[name]["pull_policy"] == "never"
        assert image.partition(":")[0] in re.findall(r"docker build -t (\S+)", shell("container"))
    else:
        assert re.fullmatch(r"docker\.io/\w+/\w+:v?\d+\.\d+\.\d+", image)


@every_service
def test_nothing_listens_to_other_hosts(name: str) -> None:
    """A stack to try is no open door; ours listens on this host by default."""
    service = SERVICES[name]
    addresses = [a for a in service.get("command", []) if "listen-address=" in a and not a.endswith("=")]
    addresses += [v for k, v in service.get("environment", {}).items() if k == "GF_SERVER_HTTP_ADDR"]
    assert name == OURS or addresses
    assert all("127.0.0.1" in address for address in addresses)


def test_our_container_is_run_as_the_documents_say() -> None:
    """The same rights and the same sight of the host as the command that is tried in a container."""
    service, command = SERVICES[OURS], shell("container")
    assert ("--read-only" in command, "--cap-drop all" in command) == (True, True)
    assert (service["read_only"], service["cap_drop"]) == (True, ["all"])
    assert f"--security-opt {service['security_opt'][0]}" in command
    assert f"--network {service['network_mode']} --pid {service['pid']}" in command
    assert all(f"-v {volume}" in command for volume in service["volumes"])
    assert all(f"-e {key}={value}" in command for key, value in service["environment"].items())


def test_one_set_of_rules_is_evaluated() -> None:
    """Prometheus has ours; Grafana gets dashboards and data source, and no second set of alerts."""
    targets = [target for name in SERVICES for _, target in mounts(name)]
    assert "/etc/prometheus/loadwatch.rules.yml" in targets
    assert not any(target.startswith("/etc/grafana/provisioning/alerting") for target in targets)
    folder = yaml.safe_load((FILES / "grafana/provisioning/dashboards/loadwatch.yaml").read_text())
    assert folder["providers"][0]["options"]["path"] in targets


def test_every_file_of_the_stack_is_listed() -> None:
    """``loadwatch assets list`` names them."""
    assert {a.name for a in list_assets() if a.name.startswith("stack/")} == {
        f"stack/{path.name}" for path in (FILES / "stack").iterdir()
    }
