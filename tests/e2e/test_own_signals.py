"""Signals of an operator's own in a running daemon: real exporters, and hostile ones."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import eventually
from processes import Daemon
from sampling.exporters import dripping, endless, exporting, hang, page
from sampling.host import FakeHost

from loadwatch.history import History
from loadwatch.interchange.csv import write_csv
from loadwatch.records import Recording

from .webserver import webserver

pytestmark = pytest.mark.e2e


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "loadwatch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


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


def past_like(measured: Recording, days: float) -> Recording:
    """Days of a host that behaved as it was measured to: the measured rows, drawn again in short pieces."""
    rng = np.random.default_rng(1)
    count, piece = int(days * 86_400 / 10), 6
    starts = rng.integers(0, len(measured) - piece, size=count // piece + 1)
    rows = (starts[:, None] + np.arange(piece)).ravel()[:count]
    times = measured.timestamps[0] - 60.0 - 10.0 * np.arange(count)[::-1]
    return Recording(times, measured.signals, measured.values[rows])


def learn_from(state: Path, config: Path, folder: Path) -> None:
    """Import two and a half days like the minute that was measured, and learn from them."""
    with contextlib.closing(History.read(state / "history.db")) as history:
        measured = history.recording()
    with (folder / "past.csv").open("w") as stream:
        write_csv(past_like(measured.rows(5, -1), 2.5), stream)
    run(
        "history",
        "import",
        str(folder / "past.csv"),
        "--config",
        str(config),
        "--state-directory",
        str(state),
    )


def until_anomaly(daemon: Daemon) -> tuple[dict[str, Any], list[str]]:
    """The verdict once an anomaly is flagged, and the signals behind it, the strongest first."""

    def flagged() -> dict[str, Any] | None:
        verdict = json.loads(daemon.get("/api/v1/status"))["verdict"]
        return verdict if verdict["anomaly"]["flag"] else None

    verdict = eventually(flagged, seconds=400, what="an anomaly is flagged")
    assert isinstance(verdict, dict)
    return verdict, [part["signal"] for part in verdict["contributions"]["anomaly"]]


@pytest.mark.slow
def test_a_flood_of_requests_is_told_by_its_name(tmp_path: Path) -> None:
    """A real nginx and its exporter: learned from how they were, then flagged with requests as first reason.

    By the operator's rule at once, and as an anomaly a few minutes later. The rest of the host is one of
    files, because whatever else a test machine does would be told too.
    """
    path, state = tmp_path / "loadwatch.toml", tmp_path / "state"
    with webserver(tmp_path / "web") as (visitors, url):
        path.write_text(
            f'[sampling]\ninterval = "2s"\nprocfs = "{FakeHost(tmp_path / "host").procfs}"\n'
            '[high_load]\nwhen = "requests > 300"\n'
            + table("requests", url, "nginx_http_requests_total", kind="counter")
        )
        options = ("--config", str(path))
        with Daemon(state, *options).until_ready() as daemon:
            eventually(lambda: (daemon.value("loadwatch_samples_total") or 0) >= 40, seconds=180, what="rows")
        learn_from(state, path, tmp_path)
        with Daemon(state, *options).until_ready() as daemon:
            calm = json.loads(daemon.get("/api/v1/status"))["verdict"]
            visitors.at_once = 100
            verdict, anomalous = until_anomaly(daemon)
    assert not calm["anomaly"]["flag"]
    assert verdict["flagged_by"] == "rule"
    assert verdict["contributions"]["high_load"][0]["signal"] == "requests"
    assert anomalous[0] == "requests", verdict


# In place of systemd's, which needs a machine of its own (see systemd_machine.py): entries as it writes them.
JOURNALCTL = """\
#!/bin/sh
entry() {
  printf '{"__REALTIME_TIMESTAMP":"%s000000","PRIORITY":"%s","SYSLOG_FACILITY":"%s","MESSAGE":"%s"}\\n' \
    "$(date +%s)" "$1" "$2" "$3"
}
while true; do
  entry 6 3 "a usual line"
  for _ in $(seq "$(cat FLOOD)"); do entry 6 10 "Failed password for root from 192.0.2.1 port 22 ssh2"; done
  sleep 0.5
done
"""


@pytest.mark.slow
def test_a_flood_of_failed_logins_is_told_by_its_name(tmp_path: Path) -> None:
    """Where nobody failed to log in before, it is an anomaly with failed_logins as its first reason.

    On a host of files, as above.
    """
    path, state, flood = tmp_path / "loadwatch.toml", tmp_path / "state", tmp_path / "flood"
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(JOURNALCTL.replace("FLOOD", str(flood)))
    program.chmod(0o755)
    flood.write_text("0")
    path.write_text(
        f'[sampling]\ninterval = "2s"\njournal = true\nprocfs = "{FakeHost(tmp_path / "host").procfs}"\n'
        '[high_load]\nwhen = "log_errors > 100"\n'
    )
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    with Daemon(state, "--config", str(path), environment=environment).until_ready() as daemon:
        eventually(lambda: (daemon.value("loadwatch_samples_total") or 0) >= 40, seconds=180, what="rows")
        assert daemon.value("loadwatch_signal", signal="failed_logins", unit="per_second") == 0.0
    learn_from(state, path, tmp_path)
    with Daemon(state, "--config", str(path), environment=environment).until_ready() as daemon:
        flood.write_text("20")
        verdict, anomalous = until_anomaly(daemon)
    assert anomalous[0] == "failed_logins", verdict
