"""The installed daemon, started as a user starts it."""

import json
import math
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import eventually
from processes import Daemon, free_port

pytestmark = pytest.mark.e2e


def run(*arguments: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loadwatch", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_an_empty_machine_has_a_verdict_within_ten_seconds(tmp_path: Path) -> None:
    """One command, and a probability for this very machine is served, from a first model marked as such."""
    with Daemon(tmp_path / "state", "--set", "sampling.interval=1s").until_ready(seconds=20) as daemon:
        series = daemon.metrics()
        horizons = {
            dict(labels)["horizon"] for name, labels in series if name == "loadwatch_high_load_probability"
        }
        origins = {dict(labels)["origin"] for name, labels in series if name == "loadwatch_model_info"}
        probabilities = [v for (name, _), v in series.items() if name == "loadwatch_high_load_probability"]
    assert horizons == {"0", "60", "300", "900"}
    assert origins == {"bootstrap"}
    assert all(0.0 <= value <= 1.0 for value in probabilities)


def test_the_status_follows_the_first_model_at_once(tmp_path: Path) -> None:
    """The host is named from the first answer on; a training that has ended is not called running."""
    with Daemon(tmp_path / "state", "--set", "sampling.interval=1s") as daemon:
        eventually(lambda: daemon.get("/-/healthy"), seconds=20, what="it answers")
        first = json.loads(daemon.get("/api/v1/status"))
        daemon.until_ready()

        def told() -> bool:
            status = json.loads(daemon.get("/api/v1/status"))
            return status["model"]["rows"] is not None and status["training"]["state"] == "idle"

        eventually(told, seconds=20, what="the status tells of the model, and of no training any more")
    assert first["host"] == socket.gethostname()
    assert first["training"]["state"] == "running"


def test_a_running_daemon_has_at_most_a_hundred_series(tmp_path: Path) -> None:
    """A source of each kind read, two models made, process_* counted: no host costs Prometheus more."""
    past, state = tmp_path / "past.csv", tmp_path / "state"
    rows = (f"{time.time() - 5 * age},{0.3 + 0.1 * math.sin(age / 9)},0.4" for age in range(720, 0, -1))
    past.write_text("\n".join(["timestamp,cpu,memory", *rows]) + "\n")
    imported = run("history", "import", str(past), "--no-train", "--state-directory", str(state))
    assert imported.returncode == 0, imported.stderr
    # A rule that never holds: on a busy machine the training would rightly wait for a calm moment.
    settings = ("--set", "sampling.interval=200ms", "--set", "high_load.when=cpu > 2")
    with Daemon(state, *settings).until_ready(seconds=20) as daemon:
        eventually(
            lambda: len(re.findall(r"training (?:published|kept the old model)", daemon.output())) >= 2,
            seconds=120,
            what="the training on its own history has ended",
        )
        eventually(
            lambda: daemon.value("loadwatch_training_runs_total") == 2, seconds=20, what="it is reported"
        )
        series = daemon.metrics()
        sampled = {signal["name"] for signal in json.loads(daemon.get("/api/v1/status"))["signals"]}
    names = {name for name, _ in series}
    assert 45 < len(series) <= 100
    exported = {dict(labels)["signal"] for name, labels in series if name == "loadwatch_signal"}
    assert exported <= sampled
    # On a machine in trouble some signals give way to what says so, for want of room.
    assert exported == sampled or len(series) > 90
    assert names >= {
        "loadwatch_history_salvages_total",
        "loadwatch_models_set_aside_total",
        "loadwatch_history_lost_samples_total",
        "loadwatch_inference_failures_total",
        "loadwatch_service_manager_failures_total",
    }
    assert {name for name in names if not name.startswith("loadwatch_")} == {
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    }
    assert not any(name.endswith("_created") for name in names)


def test_kill_9_loses_no_sample_and_no_model(tmp_path: Path) -> None:
    """Killed at any moment it comes back with its history whole and the same model."""
    state = tmp_path / "state"
    options = ("--set", "sampling.interval=200ms")
    with Daemon(state, *options).until_ready() as daemon:
        eventually(
            lambda: (daemon.value("loadwatch_samples_total") or 0) >= 10, seconds=30, what="ten samples"
        )
        seen = daemon.value("loadwatch_samples_total")
        daemon.kill()
    assert seen is not None
    with sqlite3.connect(f"file:{state / 'history.db'}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (rows,) = database.execute("SELECT count(*) FROM samples").fetchone()
    assert rows >= seen
    versions = sorted(path.name for path in (state / "models").glob("*.model"))
    with Daemon(state, *options).until_ready(seconds=10):
        assert sorted(path.name for path in (state / "models").glob("*.model")) == versions


def test_sigterm_stops_within_two_seconds(tmp_path: Path) -> None:
    """A service manager never has to wait, and the exit is clean."""
    with Daemon(tmp_path / "state", "--set", "sampling.interval=1s").until_ready() as daemon:
        assert daemon.terminate(seconds=2.0) == 0


def test_sighup_reloads_and_refuses_a_bad_file(tmp_path: Path) -> None:
    """A good file takes effect without a restart; a bad one is refused in the log and the old one stays."""
    path = tmp_path / "loadwatch.toml"
    path.write_text('[sampling]\ninterval = "1s"\n')
    with Daemon(tmp_path / "state", "--config", str(path)).until_ready() as daemon:
        path.write_text('[sampling]\ninterval = "soon"\n')
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "sampling.interval" in daemon.output(), seconds=10, what="the refusal is logged")
        path.write_text('[sampling]\ninterval = "200ms"\n')
        daemon.process.send_signal(signal.SIGHUP)
        before = daemon.value("loadwatch_samples_total") or 0
        eventually(
            lambda: (daemon.value("loadwatch_samples_total") or 0) >= before + 10,
            seconds=6,
            what="ten samples at the new pace",
        )


def test_sighup_survives_whatever_lies_at_the_place_of_the_file(tmp_path: Path) -> None:
    """A pipe, a folder, a file that is gone, nonsense of any kind: said in the log, and watching goes on."""
    path = tmp_path / "loadwatch.toml"
    path.write_text("")
    deep = "x = " + "[" * 5000
    huge = "alerts.budget_per_week = " + "9" * 5000
    zone = '[maintenance]\nwindows = [{ cron = "0 3 * * *", for = "1h", timezone = 2 }]\n'
    with Daemon(tmp_path / "state", "--config", str(path)).until_ready() as daemon:
        wrongs: list[Callable[[Path], object]] = [
            *(partial(Path.write_text, data=text) for text in (deep, huge, zone)),
            os.mkfifo,
            Path.mkdir,
            lambda _: None,
        ]
        for count, make in enumerate(wrongs, start=1):
            path.unlink()
            make(path)
            daemon.process.send_signal(signal.SIGHUP)
            eventually(
                lambda count=count: daemon.output().count("configuration refused") == count,
                seconds=10,
                what=f"refusal {count} is logged",
            )
            if path.is_dir():
                path.rmdir()
            path.touch()
        daemon.process.send_signal(signal.SIGHUP)
        eventually(
            lambda: "configuration reloaded" in daemon.output(), seconds=10, what="a good file is taken"
        )
        assert "Traceback" not in daemon.output()
        eventually(
            lambda: daemon.value("loadwatch_reload_failures_total") == len(wrongs),
            seconds=10,
            what="all refusals are counted",
        )


def test_thirty_two_descriptors_are_enough(tmp_path: Path) -> None:
    """Under ``ulimit -n 32`` it samples, trains and answers."""
    few = ("bash", "-c", 'ulimit -n 32 && exec "$0" -m loadwatch "$@"', sys.executable)
    with Daemon(tmp_path / "state", "--set", "sampling.interval=200ms", program=few).until_ready() as daemon:
        before = daemon.value("loadwatch_samples_total") or 0
        eventually(
            lambda: (daemon.value("loadwatch_samples_total") or 0) > before + 5,
            seconds=20,
            what="samples go on",
        )
        assert daemon.value("loadwatch_training_failures_total") == 0
        assert "Too many open files" not in daemon.output()


def test_bad_configuration_exits_78_with_one_clear_message(tmp_path: Path) -> None:
    """Systemd does not restart in a loop, and a person knows what to mend."""
    answer = run("run", "--state-directory", str(tmp_path / "s"), "--set", "sampling.intervall=1s")
    assert answer.returncode == 78
    assert "did you mean sampling.interval" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_taken_port_exits_1_and_names_the_address(tmp_path: Path) -> None:
    """The message says which address is taken and where to choose another."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        answer = run(
            "run", "--state-directory", str(tmp_path / "s"), "--set", f"web.listen_address={address}"
        )
    assert answer.returncode == 1
    assert address in answer.stderr
    assert "web.listen_address" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_unwritable_state_directory_exits_1_and_names_it(tmp_path: Path) -> None:
    """Without a place to keep history the daemon does not pretend."""
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    answer = run("run", "--state-directory", str(blocker / "state"))
    assert answer.returncode == 1
    assert str(blocker / "state") in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_second_daemon_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    """Two daemons never write one history."""
    state = tmp_path / "state"
    with Daemon(state, "--set", "sampling.interval=1s").until_ready() as first:
        answer = run(
            "run", "--state-directory", str(state), "--set", f"web.listen_address=127.0.0.1:{free_port()}"
        )
        assert answer.returncode == 1
        assert str(first.process.pid) in answer.stderr


def test_the_training_child_dies_with_the_daemon(tmp_path: Path) -> None:
    """Kill -9 of the daemon leaves no training process behind."""
    with Daemon(tmp_path / "state", "--set", "sampling.interval=1s") as daemon:

        def children() -> list[int]:
            path = Path(f"/proc/{daemon.process.pid}/task")
            return [int(pid) for task in path.iterdir() for pid in (task / "children").read_text().split()]

        found = eventually(children, seconds=20, what="the first training runs")
        assert isinstance(found, list)
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
        eventually(
            lambda: (
                not any(
                    Path(f"/proc/{pid}/cmdline").exists()
                    and b"loadwatch" in Path(f"/proc/{pid}/cmdline").read_bytes()
                    for pid in found
                )
            ),
            seconds=10,
            what="the child is gone",
        )


def test_metrics_also_go_to_a_textfile(tmp_path: Path) -> None:
    """Where another open port is not welcome, node_exporter's textfile collector finds the same page.

    At a clean stop it is taken away: nobody keeps it true any more.
    """
    folder = tmp_path / "textfile"
    folder.mkdir()
    options = ("--set", "sampling.interval=1s", "--write-textfile", str(folder))
    with Daemon(tmp_path / "state", *options).until_ready() as daemon:
        path = folder / "loadwatch.prom"
        eventually(
            lambda: path.exists() and "loadwatch_high_load_probability{" in path.read_text(),
            seconds=20,
            what="the page is in the folder",
        )
        assert [left.name for left in folder.iterdir()] == ["loadwatch.prom"]
        assert daemon.terminate() == 0
    assert list(folder.iterdir()) == [], "of a daemon that was stopped, nothing is told"


def test_exporter_flags_are_those_of_every_exporter(tmp_path: Path) -> None:
    """--web.listen-address may be given several times, as users of Prometheus know it."""
    first, second = free_port(), free_port()
    options = [f"--web.listen-address=127.0.0.1:{port}" for port in (first, second)]
    with Daemon(tmp_path / "state", "--set", "sampling.interval=1s", *options, port=first) as daemon:
        daemon.until_ready()
        daemon.url = f"http://127.0.0.1:{second}"
        assert "loadwatch is alive" in daemon.get("/-/healthy")


SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "loadwatch", *sys.argv[2:]])
"""


def test_a_scrape_that_comes_before_the_daemon_is_answered(tmp_path: Path) -> None:
    """With a socket from systemd nobody is turned away while it starts: the connection waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-c", SYSTEMD, str(descriptor), "run", "--web.systemd-socket"]
        early = socket.create_connection(("127.0.0.1", port), timeout=30)
        early.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with subprocess.Popen(
            [*command, "--state-directory", str(tmp_path / "state")], pass_fds=[descriptor]
        ) as daemon:
            try:
                assert early.recv(15) == b"HTTP/1.1 200 OK"
            finally:
                early.close()
                daemon.terminate()
            assert daemon.wait(timeout=30) == 0
