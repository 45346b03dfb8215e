"""What is built from a checkout says from which commit; what ``pipx`` installs goes without a trace."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import documents
import pytest
from processes import Daemon

from .programs import copy_of_the_checkout, pip_elsewhere

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WHEN = 1_772_366_400


def record(source: Path, folder: Path) -> dict[str, Any] | None:
    """What the wheel of this source says of its commit."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        if "loadwatch/build.json" not in packed.namelist():
            return None
        written: dict[str, Any] = json.loads(packed.read("loadwatch/build.json"))
        return written


def test_a_wheel_names_the_commit_it_was_built_from(tmp_path: Path) -> None:
    """And the build writes nothing into the checkout, or the next wheel would be one "with changes"."""
    source = copy_of_the_checkout(tmp_path / "source", committed=WHEN)
    git = ["git", "-C", source]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    written = record(source, tmp_path / "wheels")
    assert written is not None
    assert (written["commit"], written["changed"]) == (head.strip(), False)
    left = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert left.stdout == ""


def test_a_wheel_of_a_bare_copy_claims_no_commit(tmp_path: Path) -> None:
    """As in the Dockerfile, which copies no ``.git``: built all the same, commit unknown."""
    assert record(copy_of_the_checkout(tmp_path / "source"), tmp_path / "wheels") is None


def everything_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.skipif(shutil.which("pipx") is None, reason="needs pipx of Debian's package")
def test_pipx_puts_the_command_on_the_path_and_takes_it_away(tmp_path: Path) -> None:
    """The documents' two commands, in a home of their own: it runs, and nothing of it is left behind."""
    text = documents.text()
    install, uninstall = (re.sub(r"\s+", " ", line) for line in re.findall(r"`(pipx\s[^`]+)`", text))
    source = copy_of_the_checkout(tmp_path / "source", committed=WHEN)
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **{name: value for name, value in pip_elsewhere().items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "PIPX_HOME": str(home / "pipx"),
        "PIPX_BIN_DIR": str(home / "bin"),
        "PIPX_MAN_DIR": str(home / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "PIP_NO_CACHE_DIR": "1",
        "USER": "somebody",
    }

    def run(*command: str | Path) -> str:
        end = subprocess.run(
            command, cwd=source, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert end.returncode == 0, end.stdout + end.stderr
        return end.stdout

    run("pipx", "list")  # what pipx keeps for itself is not ours to remove
    before = everything_under(home)
    run(*install.split())
    program = home / "bin" / "loadwatch"
    assert re.match(r"loadwatch \S+ \(commit [0-9a-f]{12} of [-0-9]+; Python 3", run(program, "--version"))
    options = ("--set", "sampling.interval=500ms")
    with Daemon(tmp_path / "state", *options, environment=environment, program=(str(program),)) as daemon:
        daemon.until_ready()
        document = json.loads(run(program, "status", "--json", "--url", daemon.url))
        assert document["build"]["changed"] is False
    run(*uninstall.split())
    left = everything_under(home) - before
    assert {name for name in left if "loadwatch" in name or name.startswith(("bin/", "man/"))} == set()
