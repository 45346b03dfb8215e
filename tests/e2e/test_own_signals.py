"""Signals of an operator's own in a running daemon: real exporters, and hostile ones."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import eventually
from processes import Daemon
from sampling.exporters import dripping, endless, exporting, hang, page

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "loadwatch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def table(name: str, url: str, metric: str, **more: str) -> str:
    lines = {"name": name, "url": url, "metric": metric, **more}
    return "[[signals]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


def test_a_daemon_takes_up_exporters_and_no_hostile_one_delays_it(tmp_path: Path) -> None:
    """A value as soon as there is one; beside it one that hangs, one without an end, one a byte at a time."""
    path = tmp_path / "loadwatch.toml"
    path.write_text('[sampling]\ninterval = "200ms"\n')
    rule = '[high_load]\nwhen = "cpu > 2 or queue > 500"\n'
    with (
        exporting(page('queue{n="a"} 3\nqueue{n="b"} 4\n')) as good,
        exporting(hang) as hanging,
        exporting(endless) as without_end,
        exporting(dripping) as slow,
        Daemon(tmp_path / "state", "--config", str(path)).until_ready() as daemon,
    ):
        path.write_text(
            '[sampling]\ninterval = "200ms"\n'
            + rule
            + table("queue", good.url, "queue", unit="connections")
            + "".join(
                table(f"bad{n}", bad.url, "requests_total", kind="counter")
                for n, bad in enumerate((hanging, without_end, slow))
            )
        )
        daemon.process.send_signal(signal.SIGHUP)

        def shown() -> float | None:
            return daemon.value("loadwatch_signal", signal="queue", unit="connections")

        def failed() -> float:
            return daemon.value("loadwatch_sample_failures_total", source="exporters") or 0.0

        eventually(lambda: shown() == 7.0, seconds=10, what="its sum is exported")
        eventually(lambda: failed() >= 9, seconds=10, what="the faults are counted")

        begun, before = time.monotonic(), daemon.value("loadwatch_samples_total") or 0
        eventually(
            lambda: (daemon.value("loadwatch_samples_total") or 0) >= before + 25,
            seconds=15,
            what="25 samples",
        )
        assert time.monotonic() - begun < 10.0
        verdict = json.loads(daemon.get("/api/v1/status"))["verdict"]
        assert {each["source"] for each in verdict["failing"]} == {
            hanging.url,
            without_end.url,
            slow.url,
        }
        assert verdict["unknown"] == []
        assert "queue" in run("signals", "try", good.url)
        assert 'name = "queue"' in run("signals", "try", good.url, "queue")
        good.talk = page("queue 501\n")
        eventually(
            lambda: json.loads(daemon.get("/api/v1/status"))["verdict"]["rule"]["deciding"] == ["queue"],
            seconds=10,
            what="the rule follows it",
        )
        assert json.loads(daemon.get("/api/v1/status"))["verdict"]["rule"]["level"] > 1.0

        path.write_text('[sampling]\ninterval = "200ms"\n')
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: shown() is None, seconds=10, what="it is gone after a reload")
        assert "Traceback" not in daemon.output()
        assert daemon.output().count("source fails") <= 6
