"""The installed daemon where something is missing: a writable disk, a sound database, pressure, a network.

What happens while all is there stands in ``test_faults``.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import eventually
from processes import Daemon, Program, parse

from .test_faults import FAST, probabilities, samples_go_on, small_disk, stored

__all__ = ["small_disk"]  # a fixture

pytestmark = pytest.mark.e2e


def lived(state: Path) -> int:
    """A state directory in which a daemon has stored something; answers how many samples."""
    with Daemon(state, *FAST).until_ready() as daemon:
        samples_go_on(daemon, 20)
        assert daemon.terminate() == 0
    return stored(state)


def test_a_read_only_state_is_refused_in_one_line(small_disk: Path) -> None:
    """After a storage error the kernel mounts disks so: status 1, and nothing pretends to be kept."""
    state = small_disk / "state"
    before = lived(state)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    log = subprocess.run(
        [sys.executable, "-m", "loadwatch", "run", "--state-directory", str(state)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert log.returncode == 1
    assert str(state) in log.stderr.splitlines()[-1]
    assert "Traceback" not in log.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with Daemon(state, *FAST).until_ready(seconds=20):
        assert stored(state) >= before


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """One clear line, status 1, and not a byte of the file is touched."""
    state = tmp_path / "state"
    lived(state)
    with contextlib.closing(sqlite3.connect(state / "history.db")) as history:
        history.execute("PRAGMA user_version = 99")
    before = (state / "history.db").read_bytes()
    with Daemon(state, *FAST) as daemon:
        assert daemon.process.wait(timeout=20) == 1
        last = daemon.output().splitlines()[-1]
    assert "version 99" in last
    assert "upgrade" in last
    with contextlib.closing(sqlite3.connect(state / "history.db")) as history:
        assert history.execute("PRAGMA user_version").fetchone() == (99,)
    assert (state / "history.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["noise", "cut"])
def test_a_damaged_database_is_set_aside_and_salvaged(tmp_path: Path, damage: str) -> None:
    """It starts, tells by a metric and one line, keeps the damaged file, and has what was readable of it."""
    state = tmp_path / "state"
    before = lived(state)
    path = state / "history.db"
    content = bytearray(path.read_bytes())
    if damage == "noise":
        content[:4096] = os.urandom(4096)
    else:
        del content[len(content) * 3 // 4 // 4096 * 4096 :]
    path.write_bytes(content)
    with Daemon(state, *FAST).until_ready(seconds=20) as daemon:
        eventually(
            lambda: daemon.value("loadwatch_history_salvages_total") == 1, seconds=20, what="it is counted"
        )
        (aside,) = state.glob("history-damaged-*.db")
        assert aside.read_bytes() == bytes(content)
        assert daemon.output().count(aside.name) == 1
        assert "Traceback" not in daemon.output()
        samples_go_on(daemon)
        assert len(probabilities(daemon)) == 4
    assert stored(state) > (before if damage == "noise" else before // 4)


def test_pressure_that_cannot_be_read_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    """One source fails, its own series says so; the verdict comes from the others."""
    proc = tmp_path / "proc"
    # Reading a directory is an error for root as well.
    for name in ("cpu", "memory", "io"):
        (proc / "pressure" / name).mkdir(parents=True)
    for name in ("stat", "loadavg", "meminfo", "vmstat"):
        shutil.copyfile(Path("/proc", name), proc / name)
    with Daemon(tmp_path / "state", *FAST, "--set", f'sampling.procfs="{proc}"').until_ready() as daemon:
        samples_go_on(daemon)
        failures = daemon.value("loadwatch_sample_failures_total", source="pressure")
        assert failures is not None
        assert failures > 5
        signals = {
            dict(labels).get("signal") for name, labels in daemon.metrics() if name.endswith("_signal")
        }
        assert "memory" in signals
        assert len(probabilities(daemon)) == 4
        assert daemon.output().count("source fails source=pressure") == 1


def test_a_host_without_any_network_interface(tmp_path: Path) -> None:
    """In a network namespace of its own, where not even the loopback is up, it judges from what there is."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace of its own needs root")
    textfiles = tmp_path / "textfiles"
    textfiles.mkdir()
    command = [
        *("unshare", "--net", sys.executable, "-m", "loadwatch", "run"),
        *("--state-directory", str(tmp_path / "state"), *FAST),
        *("--set", "web.listen_address=0.0.0.0:10074", "--write-textfile", str(textfiles)),
    ]
    page = textfiles / "loadwatch.prom"

    def judged() -> str | None:
        text = page.read_text()
        return text if "\nloadwatch_high_load_probability{" in text else None

    with Program(command, tmp_path / "log") as daemon:
        series = parse(str(eventually(judged, seconds=40, what="a verdict")))
        assert daemon.terminate() == 0
    signals = {dict(labels)["signal"] for name, labels in series if name == "loadwatch_signal"}
    assert {"cpu", "memory"} <= signals
    assert not signals & {"network", "network_receive", "network_transmit"}
    failures = {value for (name, _), value in series.items() if name == "loadwatch_sample_failures_total"}
    assert failures == {0.0}
    assert "Traceback" not in daemon.output()


def test_a_read_that_never_returns_holds_neither_the_gauges_nor_the_end(tmp_path: Path) -> None:
    """The maintenance gauge falls with its window though no sample comes, and SIGTERM ends the daemon."""
    proc, state = tmp_path / "proc", tmp_path / "state"
    proc.mkdir()
    for name in ("stat", "meminfo", "vmstat"):
        shutil.copyfile(Path("/proc", name), proc / name)
    os.mkfifo(proc / "loadavg")  # opening it waits for a writer that never comes
    with Daemon(state, *FAST, "--set", f'sampling.procfs="{proc}"') as daemon:
        eventually(lambda: bool(daemon.metrics()), seconds=20, what="it answers")
        command = [sys.executable, "-m", "loadwatch", "--state-directory", str(state), "maintenance", "start"]
        subprocess.run([*command, "--for", "15s"], check=True, timeout=30, capture_output=True)
        for expected in (1.0, 0.0):
            eventually(
                lambda expected=expected: daemon.value("loadwatch_maintenance") == expected,
                seconds=40,
                what=f"the gauge is {expected}",
            )
        assert daemon.value("loadwatch_last_sample_timestamp_seconds") is None
        assert daemon.terminate() == 0
        assert "the last sample did not end" in daemon.output()


def test_the_first_verdict_comes_within_two_seconds(tmp_path: Path) -> None:
    """At the default interval, where a model is there: who starts it does not wait for two intervals."""
    state = tmp_path / "state"
    lived(state)
    with Daemon(state) as daemon:
        eventually(lambda: bool(daemon.metrics()), seconds=20, what="it answers")
        answered = time.monotonic()
        daemon.until_ready(seconds=20)
        assert time.monotonic() - answered < 4.0  # two, and a busy machine
