"""The installed daemon ill-treated: what may happen to a server happens here for real.

In each case it goes on running or ends with one clear line and the right status, the scrape tells the truth
all along, and nothing stored is lost. Faults of the history file alone are in ``tests/history``, those of
sources in ``tests/sampling``, those under systemd in ``test_systemd``.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import eventually
from processes import Daemon

pytestmark = pytest.mark.e2e

FAST = ("--set", "sampling.interval=100ms")
QUICK_RETRY = ("--set", "training.minimum=1m", "--set", "training.every=1m")


def stored(state: Path) -> int:
    """How many samples are in the file; the file must be whole."""
    uri = f"file:{state / 'history.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as history:
        assert history.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(history.execute("SELECT count(*) FROM samples").fetchone()[0])


def models(state: Path) -> list[Path]:
    return sorted((state / "models").glob("*.model"))


def probabilities(daemon: Daemon) -> list[float]:
    return [v for (name, _), v in daemon.metrics().items() if name == "loadwatch_high_load_probability"]


def samples_go_on(daemon: Daemon, more: int = 5) -> None:
    before = daemon.value("loadwatch_samples_total") or 0.0
    eventually(
        lambda: (daemon.value("loadwatch_samples_total") or 0.0) >= before + more,
        seconds=20,
        what="samples go on",
    )


def ends_with_all_stored(daemon: Daemon, state: Path) -> int:
    """What waited is stored and nothing was lost, and it ends when told to; answers the samples taken."""
    eventually(
        lambda: daemon.value("loadwatch_history_unsaved_samples") == 0, seconds=30, what="all is stored"
    )
    seen = int(daemon.value("loadwatch_samples_total") or 0)
    assert stored(state) >= seen
    assert not daemon.value("loadwatch_history_lost_samples_total")
    assert "Traceback" not in daemon.output()
    assert daemon.terminate() == 0
    return seen


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


# --------------------------------------------------------------------------------------- kill -9


def kill_at_random(folder: Path, times: int, seed: int) -> tuple[int, int]:
    """Kill one daemon after another on one history; answer the samples seen, and the kills while training."""
    chance = random.Random(seed)
    state, seen, training = folder / "state", 0, 0
    folder.mkdir()
    for _ in range(times):
        # The first model is removed now and then, so that a training is under way when the kill comes.
        if chance.random() < 0.5:
            shutil.rmtree(state / "models", ignore_errors=True)
        with Daemon(state, *FAST) as daemon:
            eventually(lambda: daemon.value("loadwatch_samples_total"), seconds=60, what="samples")
            time.sleep(chance.uniform(0.0, 0.6))
            seen += int(daemon.value("loadwatch_samples_total") or 0)
            training += bool(daemon.trainings())
            daemon.kill()
        assert "Traceback" not in daemon.output(), daemon.output()[-2000:]
        assert stored(state) >= seen
    return seen, training


@pytest.mark.slow
def test_a_hundred_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """While sampling and training: every sample that was served as taken is stored, the file is whole."""
    kills = int(os.environ.get("TEST_KILLS", "100"))
    with ThreadPoolExecutor(2) as lanes:
        ended = list(
            lanes.map(lambda lane: kill_at_random(tmp_path / f"lane{lane}", kills // 2, lane), range(2))
        )
    assert sum(seen for seen, _ in ended) > kills
    assert sum(training for _, training in ended) > kills // 20
    for lane in range(2):
        with Daemon(tmp_path / f"lane{lane}" / "state", *FAST).until_ready():
            assert not list((tmp_path / f"lane{lane}" / "state").glob("*damaged*"))


# --------------------------------------------------------------------------------------- training


def test_a_killed_training_is_counted_and_tried_again(tmp_path: Path) -> None:
    """SIGKILL of the child: one line that names the signal, a counter, and the next try comes by itself."""
    with Daemon(tmp_path / "state", *FAST, *QUICK_RETRY) as daemon:
        (child,) = eventually(daemon.trainings, seconds=20, what="the first training runs")  # type: ignore[misc]
        os.kill(child, signal.SIGKILL)
        eventually(
            lambda: daemon.value("loadwatch_training_failures_total") == 1, seconds=10, what="it is counted"
        )
        assert "ended by SIGKILL" in daemon.output()
        samples_go_on(daemon)
        assert daemon.value("loadwatch_ready") == 0
        assert probabilities(daemon) == []
        daemon.until_ready(seconds=90)
        eventually(
            lambda: daemon.value("loadwatch_training_runs_total") == 2, seconds=10, what="both are counted"
        )


# --------------------------------------------------------------------------------------- disk


def fill(path: Path) -> None:
    """Write until the disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.close(descriptor)


def test_a_full_disk_and_back(small_disk: Path) -> None:
    """Verdicts go on, what cannot be stored waits in memory and says so, and is stored when there is room."""
    state = small_disk / "state"
    with Daemon(state, *FAST).until_ready() as daemon:
        filler = small_disk / "filler"
        fill(filler)
        eventually(
            lambda: (daemon.value("loadwatch_history_unsaved_samples") or 0) > 0,
            seconds=30,
            what="waiting samples are shown",
        )
        samples_go_on(daemon, 20)
        assert len(probabilities(daemon)) == 4
        assert daemon.output().count("samples cannot be stored") == 1
        filler.unlink()
        ends_with_all_stored(daemon, state)


@pytest.mark.parametrize("past", [False, True], ids=["first start", "with a past"])
def test_a_full_disk_does_not_stop_the_start(small_disk: Path, *, past: bool) -> None:
    """Verdicts are served, samples wait in memory, the page says so; once there is room all is stored."""
    state, filler = small_disk / "state", small_disk / "filler"
    if past:
        with Daemon(state, *FAST).until_ready() as daemon:
            samples_go_on(daemon, 20)
            assert daemon.terminate() == 0
    fill(filler)
    with Daemon(state, *FAST).until_ready(seconds=60) as daemon:
        samples_go_on(daemon, 20)
        assert len(probabilities(daemon)) == 4
        assert (daemon.value("loadwatch_history_unsaved_samples") or 0) > 0
        eventually(
            lambda: "wait in memory" in json.loads(daemon.get("/api/v1/status"))["detail"],
            seconds=30,
            what="the page says that samples wait",
        )
        filler.unlink()
        eventually(
            lambda: daemon.value("loadwatch_history_unsaved_samples") == 0 and models(state),
            seconds=40,
            what="samples and model are stored",
        )
        assert stored(state) >= int(daemon.value("loadwatch_samples_total") or 0) - 5
        assert "Traceback" not in daemon.output()
        assert daemon.terminate() == 0


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with ext4, of the kind that the kernel makes read-only when it fails."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    if not (Path("/dev/loop-control").exists() and shutil.which("mkfs.ext4")):
        pytest.skip("a disk that can fail needs loop devices and mkfs.ext4")
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=False).returncode != 0:
        pytest.skip("no loop device can be had here")
    yield disk
    while os.path.ismount(disk):
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_turns_read_only_while_running(failing_disk: Path) -> None:
    """Verdicts go on, metrics and one line say that nothing is stored; a new disk in its place gets it all.

    No mount can be made read-only by hand while a file on it is open for writing. It is the kernel that does
    so, after a storage error; here it is asked to behave as after one.
    """
    state = failing_disk  # the log lies elsewhere
    with Daemon(state, *FAST).until_ready() as daemon:
        samples_go_on(daemon, 20)
        before = stored(state)
        subprocess.run(["mount", "-o", "remount,abort", str(failing_disk)], check=True)
        with pytest.raises(OSError, match="Read-only file system"):
            (failing_disk / "probe").touch()
        eventually(
            lambda: (daemon.value("loadwatch_history_unsaved_samples") or 0) > 10,
            seconds=30,
            what="waiting samples are shown",
        )
        samples_go_on(daemon, 20)
        assert len(probabilities(daemon)) == 4
        assert daemon.value("loadwatch_ready") == 1
        assert daemon.output().count("samples cannot be stored") == 1
        assert stored(state) >= before, "what was stored can be read"
        # Such a disk never comes back by itself: another one is mounted over it.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(failing_disk)], check=True)
        seen = ends_with_all_stored(daemon, state)
    with Daemon(state, *FAST).until_ready():
        assert stored(state) >= seen


def test_a_removed_state_directory_is_made_again(tmp_path: Path) -> None:
    """The history is written anew with all it held, and a new first model can be stored."""
    state = tmp_path / "state"
    with Daemon(state, *FAST).until_ready() as daemon:
        samples_go_on(daemon, 10)
        shutil.rmtree(state)
        eventually((state / "history.db").exists, seconds=20, what="the history is there again")
        samples_go_on(daemon, 10)
        seen = int(daemon.value("loadwatch_samples_total") or 0)
        assert stored(state) >= seen
        assert len(probabilities(daemon)) == 4
        assert "history file was removed" in daemon.output()
        assert "Traceback" not in daemon.output()
        assert daemon.terminate() == 0
    with Daemon(state, *FAST).until_ready():
        assert stored(state) >= seen


# --------------------------------------------------------------------------------------- model


def cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def another_hosts(content: bytes) -> bytes:
    """The same model with another host on its card, and a right checksum."""
    from dataclasses import replace  # noqa: PLC0415 - only here

    from loadwatch.model.bundle import Model  # noqa: PLC0415 - only here

    model = Model.from_bytes(content)
    return replace(model, card=replace(model.card, host="0" * 16)).to_bytes()


@pytest.mark.parametrize("damage", [cut, flip, another_hosts, lambda _: b""])
def test_an_unusable_model_is_set_aside_for_the_one_before(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    """The older version judges, one line says what was wrong with the newer, a metric counts it."""
    state = tmp_path / "state"
    with Daemon(state, *FAST).until_ready() as daemon:
        daemon.terminate()
    (good,) = models(state)
    newer = good.with_name("20990101T000000Z.model")
    newer.write_bytes(damage(good.read_bytes()))
    (state / "models" / "current").write_text(json.dumps({"version": "20990101T000000Z"}))
    with Daemon(state, *FAST).until_ready(seconds=20) as daemon:
        eventually(
            lambda: daemon.value("loadwatch_models_set_aside_total") == 1, seconds=20, what="it is counted"
        )
        versions = {
            dict(labels)["version"] for name, labels in daemon.metrics() if name.endswith("model_info")
        }
        assert versions == {good.stem}
        assert daemon.output().count("model set aside") == 1
        assert "Traceback" not in daemon.output()
    assert [path.name for path in (state / "models").glob("*.damaged")] == ["20990101T000000Z.damaged"]


# --------------------------------------------------------------------------------------- time


@pytest.fixture
def turned_clock(tmp_path: Path) -> dict[str, str]:
    """An environment in which the file ``wall`` sets the wall clock and nothing else."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("faketime is not installed")
    (tmp_path / "wall").write_text("+0\n")
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "wall"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.parametrize("jump", ["+1d", "-1d", "-1h"])
def test_the_wall_clock_jumps(tmp_path: Path, turned_clock: dict[str, str], jump: str) -> None:
    """Samples and verdicts go on at their pace, the log has one line, and every sample is stored."""
    state = tmp_path / "state"
    with Daemon(state, *FAST, environment=turned_clock).until_ready() as daemon:
        samples_go_on(daemon)
        before = daemon.value("loadwatch_last_sample_timestamp_seconds") or 0.0
        (tmp_path / "wall").write_text(f"{jump}\n")
        eventually(lambda: "wall clock was set" in daemon.output(), seconds=10, what="it is noticed")
        samples_go_on(daemon, 20)
        after = daemon.value("loadwatch_last_sample_timestamp_seconds") or 0.0
        assert abs(after - before) > 3000, "the clock of the daemon was not turned"
        assert len(probabilities(daemon)) == 4
        assert daemon.output().count("wall clock was set") == 1
        seen = int(daemon.value("loadwatch_samples_total") or 0)
        assert stored(state) >= seen
        assert daemon.terminate() == 0


# --------------------------------------------------------------------------------------- resources


def set_descriptor_limit(pid: int, limit: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))


def test_exhausted_descriptors_and_back(tmp_path: Path) -> None:
    """Sampling goes on with the files it holds open; with descriptors back everything is served again."""
    with Daemon(tmp_path / "state", *FAST).until_ready() as daemon:
        pid = daemon.process.pid
        before, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        seen = daemon.value("loadwatch_samples_total") or 0.0
        highest = max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
        set_descriptor_limit(pid, highest + 1)
        time.sleep(2.0)  # twenty samples without a free descriptor
        assert daemon.process.poll() is None
        set_descriptor_limit(pid, before)
        eventually(lambda: daemon.value("loadwatch_samples_total"), seconds=10, what="it is served again")
        assert (daemon.value("loadwatch_samples_total") or 0.0) >= seen + 10, "it sampled all along"
        daemon.until_ready(seconds=10)
        assert stored(tmp_path / "state") >= seen + 10


# --------------------------------------------------------------------------------------- hanging


class ServiceManager:
    """The other end of ``NOTIFY_SOCKET``."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "60000000"}

    def heard(self) -> list[str]:
        """Every message that came since the last call."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages


def test_a_hung_sampler_shows_no_verdict_and_starves_the_watchdog(tmp_path: Path) -> None:
    """The process lives but is blind: after three intervals it says nothing, then lets itself be ended."""
    manager = ServiceManager(tmp_path / "notify")
    proc = tmp_path / "proc"
    (proc / "pressure").mkdir(parents=True)
    for name in ("stat", "loadavg", "meminfo", "vmstat"):
        shutil.copyfile(Path("/proc", name), proc / name)
    options = (*FAST, "--set", f'sampling.procfs="{proc}"')
    with Daemon(tmp_path / "state", *options, environment=manager.environment).until_ready() as daemon:
        assert any("READY=1" in message for message in manager.heard())
        # Opening a named pipe that nobody writes to waits for ever.
        os.mkfifo(proc / "pressure" / "cpu")
        eventually(lambda: not probabilities(daemon), seconds=20, what="the verdict disappears")
        assert daemon.value("loadwatch_ready") == 0
        assert daemon.value("loadwatch_last_sample_timestamp_seconds") is not None
        eventually(lambda: "the sampler hangs" in daemon.output(), seconds=30, what="one line says so")
        manager.heard()
        time.sleep(2.5)
        assert [message for message in manager.heard() if "WATCHDOG=1" in message] == []
        daemon.process.send_signal(signal.SIGABRT)  # as the watchdog does
        assert daemon.process.wait(timeout=10) == -signal.SIGABRT
        assert "sampler.py" in daemon.output(), "the log shows where it hung"
