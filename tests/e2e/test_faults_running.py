"""The installed daemon while things under it change: its file, its mount, its devices.

What it needs to start stands in ``test_faults_outside``, what kills it in ``test_faults``.
"""

import contextlib
import math
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import eventually
from processes import Daemon

from .test_faults import FAST, probabilities, samples_go_on, stored

pytestmark = pytest.mark.e2e


def unsaved(daemon: Daemon) -> float:
    return daemon.value("loadwatch_history_unsaved_samples") or 0.0


def test_a_state_directory_mounted_read_only_over_itself_and_back(tmp_path: Path) -> None:
    """What is open goes on, what must be opened fails, is counted and told once; back, all is as before."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    state = tmp_path / "state"
    with Daemon(state, *FAST).until_ready() as daemon:
        samples_go_on(daemon)
        subprocess.run(["mount", "--bind", str(state), str(state)], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(state)], check=True)
            with pytest.raises(OSError, match="Read-only file system"):
                (state / "probe").touch()
            eventually(
                lambda: daemon.value("loadwatch_scheduler_missed_total", job="refresh"),
                seconds=60,
                what="the failure of the housekeeping is counted",
            )
            samples_go_on(daemon, 20)
            assert len(probabilities(daemon)) == 4
            assert daemon.output().count("job refresh failed") == 1
        finally:
            subprocess.run(["umount", "--lazy", str(state)], check=True)
        eventually(lambda: unsaved(daemon) == 0, seconds=10, what="nothing waits")
        seen = int(daemon.value("loadwatch_samples_total") or 0)
        assert stored(state) >= seen
        assert daemon.value("loadwatch_history_lost_samples_total") == 0.0
        assert "Traceback" not in daemon.output()
        assert daemon.terminate() == 0


def test_a_database_locked_by_another_process_and_released(tmp_path: Path) -> None:
    """Somebody's forgotten transaction costs no verdict and no sample: they wait in memory, and say so."""
    state = tmp_path / "state"
    with Daemon(state, *FAST).until_ready() as daemon:
        samples_go_on(daemon)
        with contextlib.closing(sqlite3.connect(state / "history.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            eventually(lambda: unsaved(daemon) > 3, seconds=20, what="waiting samples are shown")
            samples_go_on(daemon)
            assert len(probabilities(daemon)) == 4
            other.execute("ROLLBACK")
        eventually(lambda: unsaved(daemon) == 0, seconds=10, what="all is stored")
        seen = int(daemon.value("loadwatch_samples_total") or 0)
        assert stored(state) >= seen
        assert daemon.output().count("another process keeps it locked") == 1


def noise(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def empty(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


@pytest.mark.parametrize("damage", [noise, empty])
def test_a_database_damaged_under_the_running_daemon(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """It is mended on the spot: counted, told, the damaged file set aside; verdicts and storing go on."""
    state = tmp_path / "state"
    with Daemon(state, *FAST).until_ready() as daemon:
        path = state / "history.db"
        eventually(lambda: path.stat().st_size > 20_000, seconds=60, what="the log went into the file")
        samples_go_on(daemon, 5)
        damage(path)
        eventually(lambda: daemon.value("loadwatch_history_salvages_total"), seconds=30, what="it is mended")
        samples_go_on(daemon, 20)
        eventually(lambda: unsaved(daemon) == 0, seconds=10, what="nothing waits")
        assert len(probabilities(daemon)) == 4
        assert list(state.glob("history-damaged-*.db"))
        assert "Traceback" not in daemon.output()
        assert daemon.terminate() == 0
    assert stored(state) >= 20


_ROOM = 512
"""Bytes of each table: one that shrinks would be cut and then filled, and might be read in between."""


class Devices:
    """A /proc of two interfaces and two disks, of which the second of each may be away."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        (proc / "net").mkdir(parents=True)
        for name in ("stat", "loadavg", "meminfo", "vmstat"):
            shutil.copyfile(Path("/proc", name), proc / name)
        (proc.parent / "sys").mkdir()
        for group, name in (("net", "eth0"), ("net", "eth1"), ("block", "sda"), ("block", "sdb")):
            (proc.parent / "sys" / "class" / group / name / "device").mkdir(parents=True)
            (proc.parent / "sys" / group / name / "device").mkdir(parents=True)

    def show(self, *, second: bool, counted: int) -> None:
        """Let every counter that is there stand at ``counted``."""
        names = [("eth0", "sda"), ("eth1", "sdb")][: 1 + second]
        head = "Inter-|   Receive |  Transmit\n face |bytes packets |bytes packets\n"
        lines = [f"{interface}: {counted} 1 0 0 0 0 0 0 {counted} 1 0 0 0 0 0 0\n" for interface, _ in names]
        self._write("net/dev", head + "".join(lines))
        sectors = counted // 512
        disks = [
            f"   8 {16 * place} {disk} 1 0 {sectors} 1 1 0 {sectors} 1 0 1 1 0 0 0 0 0 0\n"
            for place, (_, disk) in enumerate(names)
        ]
        self._write("diskstats", "".join(disks))

    def _write(self, name: str, text: str) -> None:
        # In place and in one piece, as the kernel does: the daemon keeps the file open.
        with (self._proc / name).open("r+b" if (self._proc / name).exists() else "wb", buffering=0) as file:
            file.write(text.encode().ljust(_ROOM, b"\n"))


def test_devices_that_vanish_and_return_and_counters_that_wrap(tmp_path: Path) -> None:
    """No spike, no negative rate, no failure: what cannot be known is unknown for a moment."""
    host = tmp_path / "host"
    host.mkdir()
    devices = Devices(host / "proc")
    devices.show(second=True, counted=4_000_000_000)
    state = tmp_path / "state"
    options = (*FAST, "--set", f'sampling.procfs="{host / "proc"}"')
    with Daemon(state, *options).until_ready() as daemon:
        for second, counted in [
            (True, 4_000_000_512),
            (False, 4_000_000_512),
            (True, 5_120),  # the second is back with a new count, and the first has wrapped around
            (True, 5_632),
        ]:
            devices.show(second=second, counted=counted)
            samples_go_on(daemon, 5)
            assert len(probabilities(daemon)) == 4
        assert daemon.value("loadwatch_sample_failures_total", source="network") == 0.0
        assert daemon.value("loadwatch_sample_failures_total", source="disk") == 0.0
        assert daemon.terminate() == 0
    with contextlib.closing(sqlite3.connect(state / "history.db")) as history:
        for signal in ("network_receive", "network_transmit", "disk_read", "disk_write"):
            rates = [row[0] for row in history.execute(f"SELECT {signal} FROM samples")]
            known = [rate for rate in rates if rate is not None]
            # 512 bytes of each of two devices in a tenth of a second, sampled a little early perhaps.
            assert max(known) < 2 * 512 / 0.05
            assert min(known) == 0.0
            assert sum(rate > 0.0 for rate in known) in (2, 4)
            assert len(known) < len(rates)
            assert not any(map(math.isinf, known))
