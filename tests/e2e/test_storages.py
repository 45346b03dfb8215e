"""History from storages as they really are: two kinds, and hosts that no name tells apart."""

import contextlib
import math
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from loadwatch.history import History
from loadwatch.interchange import write_openmetrics
from loadwatch.records import Recording

from .programs import free_port, running, wait_for

PROGRAMS = ("prometheus", "promtool", "victoria-metrics")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]

HOUR = 3600.0
NOW = (time.time() - 60) // 60 * 60  # VictoriaMetrics hides the newest half minute

Lines = dict[str, list[str]]


def scraped(lines: Lines, labels: str, times: Iterable[float], *, busy: float, boot: float = 1e9) -> None:
    """A host of node_exporter whose counters began at ``boot`` and have gone on since."""
    for moment in times:
        up = moment - boot
        for name, kind, more, value in (
            ("node_load1", "gauge", "", 1.0),
            ("node_cpu_seconds", "counter", ',cpu="0",mode="user"', busy * up),
            ("node_cpu_seconds", "counter", ',cpu="0",mode="idle"', (1 - busy) * up),
            ("node_memory_MemAvailable_bytes", "gauge", "", 2e9),
            ("node_memory_MemTotal_bytes", "gauge", "", 8e9),
            ("node_network_receive_bytes", "counter", ',device="eth7"', 1e6 * up),
            ("node_network_receive_bytes", "counter", ',device="lo"', 9e9 * up),
        ):
            series = f"{name}{'_total' if kind == 'counter' else ''}{{{labels}{more}}}"
            lines.setdefault(f"# TYPE {name} {kind}\n", []).append(f"{series} {value!r} {moment!r}\n")


def every(step: float, start: float, end: float) -> list[float]:
    return np.arange(NOW + start * HOUR, NOW + end * HOUR, step).tolist()


def recorded() -> Lines:
    lines: Lines = {}
    scraped(lines, 'job="node",instance="changed:9100"', every(120, -9, -4) + every(15, -4, 0), busy=0.3)
    for cluster, busy in (("east", 0.8), ("west", 0.1)):
        scraped(lines, f'cluster="{cluster}",job="node",instance="twice:9100"', every(15, -2, 0), busy=busy)
    # The second replica alone saw one hour; the first has most of the rest.
    first = every(30, -6, -3) + every(30, -2, 0)
    scraped(lines, 'job="node",instance="pair:9100",prometheus="a"', first, busy=0.4)
    second = [moment + 11.0 for moment in every(30, -4, -0.5)]
    scraped(lines, 'job="node",instance="pair:9100",prometheus="b"', second, busy=0.4)
    return lines


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as servers:
        yield started_prometheus(servers, folder, text_of(recorded()))


def text_of(lines: Lines) -> str:
    ordered = (kind + "".join(sorted(found, key=series_of)) for kind, found in lines.items())
    return "".join(ordered) + "# EOF\n"


def series_of(line: str) -> tuple[str, float]:
    series, _, moment = line.rsplit(" ", 2)
    return series, float(moment)


def started_prometheus(servers: ExitStack, folder: Path, text: str) -> str:
    """A Prometheus on blocks made of this OpenMetrics."""
    (folder / "history.om").write_text(text)
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history.om", folder / "data"],
        check=True, capture_output=True,
    )  # fmt: skip
    address = f"127.0.0.1:{free_port()}"
    servers.enter_context(
        running(
            "prometheus",
            "--config.file=/dev/null",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address={address}",
            ready_url=f"http://{address}/-/ready",
            log=folder / "prometheus.log",
        )
    )
    return f"http://{address}"


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("victoria")
    address = f"127.0.0.1:{free_port()}"
    with running(
        "victoria-metrics",
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr={address}",
        ready_url=f"http://{address}/health",
        log=folder / "victoria.log",
    ):
        rows = (line.rsplit(" ", 1) for found in recorded().values() for line in found)
        body = "".join(f"{series} {round(float(moment) * 1000)}\n" for series, moment in rows)
        urllib.request.urlopen(
            f"http://{address}/api/v1/import/prometheus", body.encode(), timeout=30
        ).close()
        urllib.request.urlopen(f"http://{address}/internal/force_flush", timeout=30).close()
        counted = f"http://{address}/api/v1/query?query=count(count_over_time(node_load1%5B12h%5D))"
        wait_for("all series", lambda: '"5"' in urllib.request.urlopen(counted, timeout=30).read().decode())
        yield f"http://{address}"


@pytest.fixture(params=["prometheus", "victoria"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def imported(url: str, instance: str, state: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    source = (f"--prometheus={url}", f"--instance={instance}", "--since=12h", "--no-train")
    command = [sys.executable, "-m", "loadwatch", "history", "import", *source, f"--state-directory={state}"]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=120)


def stored(state: Path) -> Recording:
    with contextlib.closing(History.read(state / "history.db")) as history:
        return history.recording()


def test_a_scrape_interval_that_changes_costs_no_signal(url: str, tmp_path: Path) -> None:
    """Every two minutes, then every 15 seconds: rates in all rows, of interfaces gone since."""
    end = imported(url, "changed", tmp_path)
    assert (end.returncode, "1110 of 1110 rows added" in end.stdout) == (0, True), end
    rows = stored(tmp_path)
    for signal, value in (("cpu", 0.3), ("memory", 0.75), ("network_receive", 1e6)):
        column = rows.column(signal)
        assert np.isnan(column).sum() <= 2
        np.testing.assert_allclose(column[np.isfinite(column)], value, rtol=1e-3)


def test_hosts_of_one_name_are_refused_and_can_be_told_apart(url: str, tmp_path: Path) -> None:
    """Not their mean: one of them, by a label."""
    end = imported(url, "twice", tmp_path)
    assert end.returncode == 2
    assert 'any of 2: cluster="east"; cluster="west"; name one: --label cluster=' in end.stderr
    end = imported(url, "twice", tmp_path, "--label", "cluster=west")
    assert "480 of 480 rows added" in end.stdout, end
    assert np.nanmax(stored(tmp_path).column("cpu")) == pytest.approx(0.1, rel=1e-3)


def test_replicas_are_one_host_whose_gaps_fill_each_other(url: str, tmp_path: Path) -> None:
    """Its rows once, as the replica with the most samples has them; and the hour that only the other saw."""
    end = imported(url, "pair", tmp_path)
    assert end.returncode == 0, end
    times = stored(tmp_path).timestamps
    begin = np.array([NOW - 3 * HOUR, NOW - 2 * HOUR])
    hour = times[(times >= begin[0]) & (times < begin[1])]
    assert len(times) - len(hour) == 600
    assert 110 <= len(hour) <= 120
    assert (np.diff(times) > 15).all()
    assert np.isnan(stored(tmp_path).column("cpu")).sum() <= 4


def test_what_was_exported_is_found_again_in_a_prometheus(prometheus: str, tmp_path: Path) -> None:
    """By loadwatch's own series alone, under the name it was given: the same rows to the last digit."""
    here, there, text = tmp_path / "here", tmp_path / "there", tmp_path / "own.om"
    assert imported(prometheus, "pair", here).returncode == 0
    run = [sys.executable, "-m", "loadwatch", "history"]
    options = ["--format=openmetrics", f"-o{text}", "--instance=web-7:10074", f"--state-directory={here}"]
    subprocess.run([*run, "export", *options], check=True)
    with ExitStack() as servers:
        url = started_prometheus(servers, tmp_path, text.read_text())
        end = imported(url, "web-7", there)
    assert end.returncode == 0, end
    assert re.search(r"known in at least 99% of the rows: .*\bcpu\b", end.stdout), end
    expected, actual = stored(here), stored(there)
    np.testing.assert_array_equal(actual.timestamps, expected.timestamps)
    np.testing.assert_array_equal(actual.with_signals(expected.signals).values, expected.values)


def test_prometheus_takes_what_is_written(tmp_path: Path) -> None:
    """Promtool makes blocks of it that hold every known value."""
    recording = Recording(
        np.array([1_700_000_000.0, 1_700_000_005.5]),
        ("cpu", "load_1"),
        np.array([[0.25, 3.0], [math.nan, 4.5]]),
    )
    source = tmp_path / "history.om"
    with source.open("w") as stream:
        write_openmetrics(recording, stream, {"instance": "localhost:10074", "job": "loadwatch"})
    blocks = tmp_path / "blocks"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", source, blocks],
        check=True,
        capture_output=True,
    )
    (blocks / "wal").mkdir()  # promtool 2.42 looks for one
    dump = subprocess.run(
        ["promtool", "tsdb", "dump", blocks], check=True, capture_output=True, text=True
    ).stdout

    assert sorted(line.split("} ")[1] for line in dump.splitlines()) == [
        "0.25 1700000000000",
        "1.7000000055e+09 1700000005500",
        "1.7e+09 1700000000000",
        "3 1700000000000",
        "4.5 1700000005500",
    ]
