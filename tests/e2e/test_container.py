"""The image: built from the Dockerfile, run without rights on a read-only root, scraped.

``container_session.py`` works with the built image; each test here looks at one part of what it found.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import documents
import pytest
from processes import free_port, parse

from loadwatch.assets import list_assets

from .programs import pip_elsewhere

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
Found = dict[str, Any]


def readme_commands() -> tuple[list[str], list[str]]:
    """The words of the documents' ``docker build`` and ``docker run``."""
    build, run = documents.shell("container").replace("\\\n", " ").split("&&")
    return shlex.split(build), shlex.split(run)


@pytest.fixture(scope="module")
def found(shared: Path) -> Found:
    """What the session saw."""
    if os.geteuid() != 0:
        pytest.skip("building the image here needs root")
    build, run = readme_commands()
    assert build[:3] == ["docker", "build", "-t"], "the tool below builds as this does"
    tag, folder = build[3:]
    answer = subprocess.run(
        [
            *(str(shared / "tools" / "image-build.sh"), "-t", f"localhost/{tag}:latest"),
            *(str(CHECKOUT / folder), "--", sys.executable, str(HERE / "container_session.py")),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**pip_elsewhere(), "LOADWATCH_TEST_PORT": str(free_port()), "SHOWN_RUN": shlex.join(run)},
    )
    if answer.returncode != 0:
        pytest.fail(f"ended with {answer.returncode}: {answer.stdout[-1000:]} {answer.stderr[-3000:]}")
    session: Found = json.loads(answer.stdout.splitlines()[-1])
    return session


def test_it_serves_a_verdict_on_the_host_it_watches(found: Found) -> None:
    """Read-only root, no capability, no new privileges; /proc of the host is mounted and nothing fails."""
    assert found["start"] == ""
    assert found["ready"], found["log"]
    series = parse(found["metrics"])
    failures = {key: value for key, value in series.items() if "failures" in key[0] and value}
    assert failures == {}
    signals = {dict(labels)["signal"] for name, labels in series if name == "loadwatch_signal"}
    assert {"cpu", "memory"} <= signals


def readme_options() -> list[tuple[str, str]]:
    """Each option of the documents' ``docker run`` with its value, empty for a mere switch."""
    words = readme_commands()[1][2:-1]
    options: list[tuple[str, str]] = []
    for word in words:
        if word.startswith("-"):
            options.append((word, ""))
        else:
            options[-1] = (options[-1][0], word)
    return options


def status_of(found: Found, name: str) -> str:
    (value,) = re.findall(rf"^{name}:\s+(\S+)$", found["status"], re.MULTILINE)
    return str(value)


def is_mounted(found: Found, volume: str) -> bool:
    """Whether it is where it should be, and read-only where it should be."""
    source, target, *flags = volume.split(":")
    (options,) = re.findall(rf"^\S+ \S+ \S+ \S+ {re.escape(target)} (\S+)", found["mounts"], re.MULTILINE)
    mounts = {each["Destination"]: each for each in found["inspected"]["Mounts"]}
    there = mounts[target]
    names = {there.get("Name"), there["Source"]}
    return source in names and options.split(",")[0] == (flags[0] if flags else "rw")


def is_shared(found: Found, kind: str, whose: str) -> bool:
    return whose == "host" and found["namespaces"][kind] == found["ours"][kind]


IN_FORCE: dict[str, Callable[[Found, str], bool]] = {
    "-d": lambda found, _: found["inspected"]["State"]["Running"],
    "--name": lambda found, name: found["inspected"]["Name"] == name,
    "--restart": lambda found, when: found["inspected"]["HostConfig"]["RestartPolicy"]["Name"] == when,
    "--read-only": lambda found, _: found["inspected"]["HostConfig"]["ReadonlyRootfs"],
    "--cap-drop": lambda found, which: which == "all" and int(status_of(found, "CapBnd"), 16) == 0,
    "--security-opt": lambda found, what: (
        what == "no-new-privileges" and status_of(found, "NoNewPrivs") == "1"
    ),
    "--network": lambda found, whose: is_shared(found, "net", whose),
    "--pid": lambda found, whose: is_shared(found, "pid", whose),
    "-v": is_mounted,
    "-e": lambda found, setting: setting in found["environment"],
}
"""For each option that the documents show, whether it is in force in the container that it started."""


@pytest.mark.parametrize(("option", "value"), readme_options())
def test_each_option_of_the_readme_does_what_it_says(found: Found, option: str, value: str) -> None:
    """Who copies the command has the container it describes; a new option needs a look of its own here."""
    assert IN_FORCE[option](found["in_force"], value), found["in_force"]


def test_it_says_that_it_sees_the_host(found: Found) -> None:
    """The limits of its control group are named, and that they are not what is measured."""
    assert "those of the whole host" in found["log"]
    assert "Traceback" not in found["log"]


def test_it_is_nobody_and_writes_nothing_but_its_state(found: Found) -> None:
    """An ordinary user on a read-only root file system."""
    assert found["user"] == "10074"
    assert "Read-only file system" in found["writes"]


def test_every_asset_is_in_the_image(found: Found) -> None:
    """None was taken for a test of a library, which the image goes without."""
    assert found["exported"] == [f"/var/lib/loadwatch/assets/{asset.name}" for asset in list_assets()]


def test_the_health_check_passes_when_there_is_a_verdict(found: Found) -> None:
    """The image's own HEALTHCHECK, run by podman."""
    assert found["health"] == 0


def test_it_stops_cleanly_and_goes_on_with_its_state(found: Found) -> None:
    """``docker stop`` within two seconds; the next container on the volume needs no new first model."""
    assert (found["stop"], found["exit"]) == (0, "0")
    assert found["stop_seconds"] < 5.0
    assert found["ready_again"], found["log_again"]
    assert "training published" not in found["log_again"]


def test_a_wrong_setting_ends_with_78_and_says_why(found: Found) -> None:
    """As on a host."""
    status, words = found["wrong"]
    assert status == 78
    assert "did you mean sampling.interval?" in words


def test_the_image_is_small(found: Found) -> None:
    """Nothing of the build is left in it: over its base it is numpy with its algebra and little else."""
    assert 0 < found["size"] < 100e6
