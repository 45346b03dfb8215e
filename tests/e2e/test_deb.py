"""The Debian package on a real systemd: built, installed, upgraded, removed, purged; and by Ansible.

``deb_machine.py`` does the checks inside; each test here reports the one of its name. The machine is Debian
12, or what the environment calls ``DEBIAN_SUITE``.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import documents
import pytest

from loadwatch.assets import export
from loadwatch.build import Build, version_of

from .machine import Outcomes, boot, check

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SUITE = os.environ.get("DEBIAN_SUITE", "bookworm")
PYTHON_INSIDE = {"bookworm": "3.11", "trixie": "3.13"}
EARLIER = Build("0123456789abcdef0123456789abcdef01234567", 1_772_366_400, changed=False)


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def earlier(package: Path, folder: Path, work: Path) -> None:
    """The same package as one of an earlier commit."""
    run("dpkg-deb", "--raw-extract", package, work)
    control = work / "DEBIAN" / "control"
    control.write_text(
        re.sub("^Version: .*", f"Version: {version_of(EARLIER)}", control.read_text(), flags=re.M)
    )
    sums = work / "DEBIAN" / "md5sums"
    sums.write_text("".join(line for line in sums.open() if not line.endswith("/loadwatch/build.json\n")))
    for record in work.glob("opt/loadwatch/lib/*/site-packages/loadwatch/build.json"):
        record.write_text(json.dumps(EARLIER._asdict()))
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", work, folder)


@pytest.fixture(scope="module")
def outcomes(shared: Path) -> Iterator[Outcomes]:
    """What each check found, by the name of its test."""
    if os.geteuid() != 0:
        pytest.skip("booting a machine needs root")
    # Not pytest's own folder: it is named after the user and may be read by nobody else.
    with tempfile.TemporaryDirectory(prefix="loadwatch-deb-") as name:
        debs, ansible = Path(name, "debs"), Path(name, "ansible")
        for which in ("old", "new"):
            (debs / which / "dist").mkdir(parents=True)
        python, script, target = documents.shell("build-deb").split()
        assert (python, target) == ("python3", "dist")
        package = Path(run(sys.executable, documents.ROOT / script, debs / "new" / target).strip())
        earlier(package, debs / "old" / "dist", Path(name, "work"))
        (debs / "deb.sh").write_text(documents.shell("deb"), encoding="utf-8")
        export(debs / "playbook", ["ansible"])
        inside = ["--python-version", PYTHON_INSIDE[SUITE], "--only-binary=:all:", "--target", ansible]
        run(sys.executable, "-m", "pip", "-q", "install", *inside, "ansible-core>=2.14")
        binds = ("-b", f"{debs}:/debs", "-b", f"{ansible}:/ansible", "-s", SUITE)
        yield boot(shared, "deb_machine.py", Path(name, "out"), *binds)


def test_an_installation_by_pip_is_not_overwritten(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """The package refuses, and says how to take the other away."""
    check(outcomes, request)


def test_one_command_installs_and_starts_it(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """It serves a verdict, will after every boot, is on the path, and dpkg finds each file as shipped."""
    check(outcomes, request)


def test_shells_and_man_know_it(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Page and completions lie where man, bash, zsh and fish look."""
    check(outcomes, request)


def test_an_upgrade_restarts_it_and_keeps_history_and_settings(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """The new version runs on the history and the models that were there; a changed file stays changed."""
    check(outcomes, request)


def test_another_python_of_debian_restarts_it(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """After an upgrade of Debian it runs on what is there now."""
    check(outcomes, request)


def test_one_that_was_switched_off_stays_off(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """An upgrade starts nothing that its operator disabled."""
    check(outcomes, request)


def test_removed_it_leaves_history_and_settings(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """No process, no program; what was learned is there for another installation."""
    check(outcomes, request)


def test_purged_it_leaves_nothing(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Neither history nor settings nor a link of systemd's."""
    check(outcomes, request)


def test_the_playbook_installs_it_and_opens_nothing(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """The port is that of the loopback interface, and no host is named to Prometheus that it cannot reach."""
    check(outcomes, request)


def test_the_playbook_opens_what_it_is_told_to_and_lists_it_for_prometheus(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """With the inventory's settings; hosts that a run is not for stay in the scrape file."""
    check(outcomes, request)


def test_the_playbook_changes_nothing_the_second_time(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """And restarts nothing."""
    check(outcomes, request)
