"""The shipped unit on a real systemd: installed from a checkout as the documentation says, then ill-treated.

One throw-away machine is booted twice for all of it. ``systemd_machine.py`` does the checks inside; each test
here reports the one of its name.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import documents
import pytest

from .machine import Outcomes, boot, check
from .programs import copy_of_the_checkout

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PYTHON_INSIDE = "3.11"


def download(folder: Path) -> None:
    """Everything that our wheel and its build need, for the machine inside, which has no network."""
    project = tomllib.loads((documents.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = (*project["build-system"]["requires"], *project["project"]["dependencies"])
    wanted += (*extras["notify"], *extras["secure"])
    inside = ["--only-binary=:all:", "--python-version", PYTHON_INSIDE]
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", "download", *inside, "-d", folder, *wanted], check=True
    )


@pytest.fixture(scope="module")
def outcomes(shared: Path) -> Iterator[Outcomes]:
    """What each check found, by the name of its test."""
    if os.geteuid() != 0:
        pytest.skip("booting a machine needs root")
    # Not pytest's own folder: it is named after the user and may be read by nobody else.
    with tempfile.TemporaryDirectory(prefix="loadwatch-systemd-") as name:
        wheels, now = Path(name, "wheels"), int(time.time())
        wheels.mkdir()
        download(wheels)
        for block in ("service", "example", "upgrade", "take-away"):
            (wheels / f"{block}.sh").write_text(documents.shell(block), encoding="utf-8")
        git = shutil.which("git")
        assert git is not None
        binds = {git: "/usr/bin/git", str(wheels): "/wheels"}
        for place, when in (("old", now - 86400), ("new", now)):
            binds[str(copy_of_the_checkout(Path(name, place), committed=when))] = f"/{place}"
        options = [word for path, inside in binds.items() for word in ("-b", f"{path}:{inside}")]
        yield boot(shared, "systemd_machine.py", Path(name, "out"), *options)


def test_two_commands_install_it(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """The documents' own words: served once they have returned; systemd has nothing to say about the unit."""
    check(outcomes, request)


def test_a_taken_port_never_counts_as_started(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """The journal names the address; once it is free the daemon comes up by itself."""
    check(outcomes, request)


def test_stopping_during_training_leaves_no_child(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Nothing of it runs any more, and systemd had to kill nothing."""
    check(outcomes, request)


def test_it_is_started_when_metrics_are_served(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """The first scrape after ``systemctl start`` is answered."""
    check(outcomes, request)


def test_everything_works_under_the_hardening(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Every source is read, the training child trains, a verdict is served; nothing is counted as failed."""
    check(outcomes, request)


def test_it_is_nobody_special(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """A dynamic user without any capability, whose state others cannot read."""
    check(outcomes, request)


def test_exposure_is_at_most_one_point_six(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """By systemd's own count."""
    check(outcomes, request)


def test_it_names_the_unit_and_the_program_that_use_most(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """A program of another user, though the service has no right but to look."""
    check(outcomes, request)


def test_sighup_reloads_and_refuses_a_bad_file(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """``systemctl reload`` works, and a mistake does not stop the daemon."""
    check(outcomes, request)


def test_a_reload_works_with_a_credential(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """A web file that only the service may read bars no reload."""
    check(outcomes, request)


def test_messages_leave_the_sandbox(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """With the documented credential the unit, as it is, tells a server of an alert; a reload still works."""
    check(outcomes, request)


def test_root_speaks_as_the_service(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """What an operator types as root is done with the rights of the service, and its files stay its own."""
    check(outcomes, request)


def test_failed_logins_are_counted_with_the_group_that_may_read_them(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """Of the real journal; unknown with the reason before, and the hardening stays as it is."""
    check(outcomes, request)


def test_the_documented_upgrade_is_one(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """From a newer checkout: it is installed, and runs on the history and models that are there."""
    check(outcomes, request)


def test_kill_9_comes_back_with_its_history_whole(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Nothing that was sampled is lost, and the model is the same."""
    check(outcomes, request)


def test_a_frozen_process_is_restarted_by_the_watchdog(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """A process that is stopped (SIGSTOP) does not feed it."""
    check(outcomes, request)


def test_a_hung_sampler_is_restarted_by_the_watchdog(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """The process lives but no sample arrives: no verdict is served, and the journal shows where it hung."""
    check(outcomes, request)


def test_wrong_configuration_fails_once_and_says_why(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """No restart loop, and the nearest valid name in the journal."""
    check(outcomes, request)


def test_sigterm_stops_within_two_seconds(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """And the unit counts as stopped, not as failed."""
    check(outcomes, request)


def test_a_reboot_keeps_history_and_model(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Enabled once, it is there after every boot and goes on where it was."""
    check(outcomes, request)


def test_the_example_is_taken_and_nothing_is_left_behind(
    outcomes: Outcomes, request: pytest.FixtureRequest
) -> None:
    """The documents' commands to take the example, and to take everything away, run word for word."""
    check(outcomes, request)
