"""What an import costs: days of one host, node_exporter's series each 15 seconds, from two real storages.

Run: ``PYTHONPATH=tests python tests/benchmarks/bench_import.py [--days 30]`` (needs promtool,
prometheus and victoria-metrics, and some minutes and gigabytes to fill them).
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from e2e.programs import free_port, running

from loadwatch.interchange import node_exporter

INTERVAL = 15.0
BLOCK_SECONDS = 7200.0
CPUS = 4
LIMIT_SECONDS = 60.0
HOST = 'job="node",instance="web-1:9100"'

GAUGES = {
    "node_load1": 1.0,
    "node_memory_MemAvailable_bytes": 2e9,
    "node_memory_MemTotal_bytes": 8e9,
    "node_memory_SwapFree_bytes": 1e9,
    "node_memory_SwapTotal_bytes": 2e9,
    "node_netstat_Tcp_CurrEstab": 50.0,
    "node_sockstat_TCP_inuse": 60.0,
    "node_sockstat_TCP_tw": 20.0,
}


def counters() -> Iterator[tuple[str, str, float]]:
    """Name, labels of its own and mean rate of each counter, names together."""
    for cpu in range(CPUS):
        for mode in ("user", "system", "idle", "iowait", "irq", "softirq", "steal", "nice"):
            yield "node_cpu_seconds", f',cpu="{cpu}",mode="{mode}"', 0.125
    for direction in ("receive", "transmit"):
        for device in ("eth0", "lo", "docker0"):
            yield f"node_network_{direction}_bytes", f',device="{device}"', 1e6
    for what, rate in (("read_bytes", 1e6), ("written_bytes", 1e6), ("io_time_seconds", 0.2),
                       ("read_time_seconds", 0.1), ("write_time_seconds", 0.1),
                       ("reads_completed", 30.0), ("writes_completed", 30.0)):  # fmt: skip
        for device in ("sda", "sdb"):
            yield f"node_disk_{what}", f',device="{device}"', rate
    for resource_name in ("cpu", "memory", "io"):
        yield f"node_pressure_{resource_name}_waiting_seconds", "", 0.1
    for fields in node_exporter.COUNTERS.values():
        for field in fields:
            yield f"node_netstat_{field}", "", 100.0


def blocks(begin: float, days: float) -> Iterator[str]:
    """OpenMetrics of two hours each, in the order of time."""
    rng = np.random.default_rng(1)
    known = list(counters())
    totals = np.zeros(len(known))
    for start in np.arange(begin, begin + days * 86_400, BLOCK_SECONDS):
        times = [f"{moment:.3f}" for moment in np.arange(start, start + BLOCK_SECONDS, INTERVAL)]
        lines = []
        for name, level in GAUGES.items():
            values = level * (1.0 if "Total" in name else rng.uniform(0.8, 1.2, len(times)))
            lines.append(f"# TYPE {name} gauge\n")
            lines += [
                f"{name}{{{HOST}}} {value:.6g} {moment}\n"
                for value, moment in zip(np.broadcast_to(values, len(times)), times, strict=True)
            ]
        last = ""
        for place, (name, labels, rate) in enumerate(known):
            values = totals[place] + np.cumsum(rng.uniform(0, 2 * rate * INTERVAL, len(times)))
            totals[place] = values[-1]
            kind, suffix = ("unknown", "") if "netstat" in name else ("counter", "_total")
            if name != last:
                lines.append(f"# TYPE {name} {kind}\n")
            last = name
            lines += [
                f"{name}{suffix}{{{HOST}{labels}}} {value:.6f} {moment}\n"
                for value, moment in zip(values, times, strict=True)
            ]
        yield "".join(lines)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(name: str, pid: int, url: str, days: float) -> float:
    with tempfile.TemporaryDirectory() as state:
        server = [f"--prometheus={url}", "--instance=web-1", f"--since={days + 1}d", "--no-train"]
        command = [sys.executable, "-m", "loadwatch", "history", "import", f"--state-directory={state}"]
        before, own, begun = cpu_seconds(pid), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        rows = subprocess.run(
            [*command, *server], check=True, capture_output=True, text=True
        ).stdout.partition("\n")[0]
        seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    theirs = cpu_seconds(pid) - before
    print(f"{name}: {rows} in {seconds:.1f} s; CPU: loadwatch {ours:.1f} s, server {theirs:.1f} s")
    return seconds


def main(days: float) -> int:
    begin = (time.time() - days * 86_400) // BLOCK_SECONDS * BLOCK_SECONDS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        victoria, prometheus = (f"127.0.0.1:{free_port()}" for _ in range(2))
        pids = {
            victoria: stack.enter_context(
                running(
                    "victoria-metrics",
                    f"-storageDataPath={folder / 'victoria'}",
                    "-retentionPeriod=10y",
                    f"-httpListenAddr={victoria}",
                    ready_url=f"http://{victoria}/health",
                    log=folder / "victoria.log",
                )
            )
        }
        for text in blocks(begin, days):
            rows = (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
            body = "".join(f"{series} {round(float(moment) * 1000)}\n" for series, moment in rows)
            urllib.request.urlopen(f"http://{victoria}/api/v1/import/prometheus", body.encode()).close()
            (folder / "block.om").write_text(f"{text}# EOF\n")
            make = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "block.om", "prometheus"]
            subprocess.run(make, cwd=folder, check=True, capture_output=True)
        pids[prometheus] = stack.enter_context(
            running(
                "prometheus",
                "--config.file=/dev/null",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                "--storage.tsdb.retention.time=10y",
                f"--web.listen-address={prometheus}",
                ready_url=f"http://{prometheus}/-/ready",
                log=folder / "prometheus.log",
            )
        )
        slowest = max(
            measured(name, pids[address], f"http://{address}", days)
            for name, address in (("Prometheus", prometheus), ("VictoriaMetrics", victoria))
        )
    return int(slowest > LIMIT_SECONDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    sys.exit(main(parser.parse_args().days))
