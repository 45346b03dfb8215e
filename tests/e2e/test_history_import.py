"""History from a real Prometheus over a real node_exporter is what our own sampler measured meanwhile."""

import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from loadwatch.clock import SystemClock
from loadwatch.interchange.prometheus import LocalDevices, PrometheusHistory
from loadwatch.interchange.query_api import QueryApi
from loadwatch.records import Recording, Span
from loadwatch.sampling import Sampler
from loadwatch.signals import BY_NAME

from .programs import free_port, running, running_prometheus, wait_for

PROGRAMS = ("prometheus", "prometheus-node-exporter")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.alone,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]

SECONDS = 30


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Recording]]:
    """The address of a Prometheus, and what the sampler saw while it scraped, with some load half way."""
    folder = tmp_path_factory.mktemp("import")
    with ExitStack() as servers:
        node = f"127.0.0.1:{free_port()}"
        servers.enter_context(
            running(
                "prometheus-node-exporter",
                f"--web.listen-address={node}",
                "--collector.processes",
                ready_url=f"http://{node}/",
                log=folder / "node.log",
            )
        )
        static = [{"targets": [node], "labels": {"instance": "this-host:9100"}}]
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "node", "static_configs": static}],
        }
        database = running_prometheus(servers, folder, config)
        wait_for("the first scrapes", lambda: database.query("rate(node_load1[5s])"))
        recording = _sample()
        wait_for(
            "the last scrape", lambda: max(database.query("timestamp(node_load1)").values()) > time.time() - 1
        )
        yield database.url, recording


def _sample() -> Recording:
    """Sample every second, the second half of the time with every CPU busy."""
    sampler = Sampler(SystemClock())
    begin, taken, burners = time.time(), [], []
    try:
        while time.time() < begin + SECONDS:
            if not burners and time.time() > begin + SECONDS / 2:
                program = [sys.executable, "-c", "while True: pass"]
                burners = [subprocess.Popen(program) for _ in range(os.cpu_count() or 1)]
            taken.append(sampler.sample())
            time.sleep(max(0.0, begin + len(taken) - time.time()))
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    samples = [sample for sample in taken if sample is not None]
    names = tuple(sorted({name for sample in samples for name in sample.values}))
    values = np.array([[sample.values.get(name, math.nan) for name in names] for sample in samples])
    return Recording(np.array([sample.timestamp for sample in samples]), names, values)


def test_import_gives_what_the_sampler_measured(measured: tuple[str, Recording]) -> None:
    """Side by side on one machine: every signal, in both halves of the time, quiet and loaded."""
    url, ours = measured
    history = PrometheusHistory(QueryApi(url), "this-host", local=LocalDevices())
    begin, end = ours.timestamps[0], ours.timestamps[-1]
    parts = list(history.recordings([Span(begin, end)]))
    names = tuple(dict.fromkeys(name for part in parts for name in part.signals))
    theirs = Recording(
        np.concatenate([part.timestamps for part in parts]),
        names,
        np.vstack([part.with_signals(names).values for part in parts]),
    )
    assert len(theirs) >= SECONDS * 0.8
    assert (np.diff(theirs.timestamps) > 0).all()
    # The kernel has the pressures of the machine, not of this moment's container: both read the same.
    assert set(theirs.signals) == set(ours.signals)
    wrong = []
    for name in ours.signals:
        for first, last in ((0.1, 0.45), (0.65, 0.95)):
            stretch = begin + first * (end - begin), begin + last * (end - begin)
            expected = np.nanmean(ours.between(*stretch).column(name))
            actual = np.nanmean(theirs.between(*stretch).column(name))
            if not _close(name, float(actual), float(expected)):
                wrong.append(
                    f"{name}: imported {actual:.4g}, sampled {expected:.4g} in {first:.0%} to {last:.0%}"
                )
    assert wrong == []


def _close(name: str, actual: float, expected: float) -> bool:
    """Means over ten seconds, read at other moments of each second by two programs that load the host."""
    if BY_NAME[name].unit == "ratio":
        # avg10 remembers what happened before the stretch, our approximation of it for a little longer.
        return actual == pytest.approx(expected, abs=0.15 if name.endswith("_pressure") else 0.08)
    slack = {"bytes_per_second": 2e6, "1": 0.3, "seconds": 0.01}.get(BY_NAME[name].unit, 30.0)
    return actual == pytest.approx(expected, rel=0.35, abs=slack)


def test_the_command_stores_what_is_missing(measured: tuple[str, Recording], tmp_path: Path) -> None:
    """A machine without history gets it in one command; a second time there is nothing left to fetch."""
    url, _ = measured
    command = [sys.executable, "-m", "loadwatch", "history", "import", f"--prometheus={url}", "--since=144m"]
    command += ["--instance=this-host", f"--state-directory={tmp_path}"]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first
    rows, fetched = map(int, re.findall(r"(\d+) of (\d+) rows added", first.stdout)[0])
    assert rows == fetched >= SECONDS * 0.8
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout == f"{url} has nothing of this-host that is missing here\n"


def test_unknown_host_is_told_which_there_are(measured: tuple[str, Recording]) -> None:
    """A wrong name costs one look at the message."""
    url, ours = measured
    history = PrometheusHistory(QueryApi(url), "that-host")
    with pytest.raises(Exception, match=r"for 'that-host'; it knows 1 hosts, among them this-host:9100"):
        list(history.recordings([Span(ours.timestamps[0], ours.timestamps[-1])]))
