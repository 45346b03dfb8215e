"""A siege of the server, in a process of its own, by hostile connections.

500 connections that send a byte a second, 200 that never read an answer, for a minute; meanwhile scrapes.
Run: ``PYTHONPATH=tests python tests/benchmarks/bench_http.py [--seconds 60]``.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from web.clients import get
from web.hostile import besiege, resident_bytes

from loadwatch.web import WebServer

LIMITS = {"p99 of a scrape under siege (s)": 0.1, "growth of memory (MiB)": 20.0}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main(seconds: float) -> int:
    command = [sys.executable, "-m", "web.fake_daemon"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        # Only the URLs are needed of what may also be a server in another process.
        server = cast("WebServer", SimpleNamespace(urls=[daemon.stdout.readline().strip()]))
        for _ in range(50):
            get(server)
        before, start = cpu_seconds(daemon.pid), time.monotonic()
        siege = besiege(server, slow=500, deaf=200, seconds=seconds, pid=daemon.pid)
        share = (cpu_seconds(daemon.pid) - before) / (time.monotonic() - start)
        figures = {
            "scrapes": len(siege.latencies),
            "median of a scrape under siege (s)": siege.percentile(0.5),
            "p99 of a scrape under siege (s)": siege.percentile(0.99),
            "growth of memory (MiB)": siege.growth_bytes / 2**20,
            "resident afterwards (MiB)": resident_bytes(daemon.pid) / 2**20,
            "hostile connections dropped": len(siege.lifetimes),
            "longest life of a dropped one (s)": max(siege.lifetimes, default=float("nan")),
            "CPU of the daemon (share of one core)": share,
        }
        assert daemon.stdin is not None
        daemon.stdin.close()
    for name, figure in figures.items():
        print(f"{name:40} {figure:10.4f}")
    return int(any(figures[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    sys.exit(main(parser.parse_args().seconds))
