"""What watching costs: the daemon beside node_exporter and Netdata, in one run on one machine.

    python tests/benchmarks/bench_cost.py [--seconds 60] [--warm-up 30]

Each is scraped once a second on a connection that stays open, as Prometheus does; the daemon samples once a
second (Netdata always does). Reported for each: CPU time of all its processes per wall second, resident
memory, and the CPU time of one scrape of the daemon. Sampling jitter is read from the daemon's own history.
Training is kept out: its cost is bounded by its schedule, and it has benchmarks of its own.
"""

import argparse
import contextlib
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import itertools

from processes import Daemon, Program, free_port

TICKS = os.sysconf("SC_CLK_TCK")
NETDATA = """
[global]
    update every = 1
[db]
    mode = ram
[ml]
    enabled = no
[health]
    enabled = no
[web]
    bind to = 127.0.0.1:{port}
"""


@dataclass
class Contender:
    name: str
    program: Program
    port: int
    path: str = "/metrics"

    def __post_init__(self) -> None:
        # Kept open, as Prometheus does.
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=5)

    def family(self) -> list[int]:
        """Its process and all below it."""
        found, queue = [], [self.program.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    queue += [int(child) for child in (task / "children").read_text().split()]
        return found

    def cpu_seconds(self) -> float:
        """Of its living processes and of the children they have waited for."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                total += sum(
                    map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15])
                )
        return total / TICKS

    def resident_mebibytes(self) -> float:
        """Of all its processes that are not merely waiting to be buried."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()
                total += int(words[0]) if words else 0
        return total / 1024

    def scrape(self) -> float:
        """Seconds until the answer is read."""
        started = time.perf_counter()
        try:
            self._connection.request("GET", self.path, headers={"Accept-Encoding": "gzip"})
            self._connection.getresponse().read()
        except (OSError, HTTPException):
            self._connection.close()  # the next one opens it again
        return time.perf_counter() - started


def start_daemon(folder: Path) -> Contender:
    daemon = Daemon(
        folder / "daemon" / "state", "--set", "sampling.interval=1s", "--set", "training.minimum=1d"
    )
    daemon.until_ready(seconds=120)
    return Contender("loadwatch", daemon, daemon.port)


def start_node_exporter(folder: Path) -> Contender | None:
    path = shutil.which("prometheus-node-exporter")
    if path is None:
        return None
    port = free_port()
    program = Program([path, f"--web.listen-address=127.0.0.1:{port}"], folder / "node_exporter.log")
    return Contender("node_exporter", program, port)


def start_netdata(folder: Path) -> Contender | None:
    path = shutil.which("netdata")
    if path is None:
        return None
    port = free_port()
    configuration = folder / "netdata.conf"
    configuration.write_text(NETDATA.format(port=port))
    program = Program([path, "-D", "-c", str(configuration)], folder / "netdata.log")
    return Contender("netdata", program, port, "/api/v1/allmetrics?format=prometheus")


@contextlib.contextmanager
def contenders(folder: Path) -> Iterator[list[Contender]]:
    started: list[Contender] = []
    try:
        for start in (start_daemon, start_node_exporter, start_netdata):
            if contender := start(folder):
                started.append(contender)  # noqa: PERF401 - what was started must be ended if the next fails
        yield started
    finally:
        for contender in started:
            contender.program.kill()


def cost_of_a_scrape(contender: Contender, count: int) -> float:
    """CPU milliseconds of one scrape: of several at full pace, less what it uses at rest in that time."""
    rest, wall = contender.cpu_seconds(), time.perf_counter()
    time.sleep(4.0)
    at_rest = (contender.cpu_seconds() - rest) / (time.perf_counter() - wall)
    before, wall = contender.cpu_seconds(), time.perf_counter()
    for _ in range(count):
        contender.scrape()
        # The page is kept for a quarter of a second; each of these is made anew.
        time.sleep(0.26)
    used = contender.cpu_seconds() - before - at_rest * (time.perf_counter() - wall)
    return 1000 * used / count


def jitter(state: Path, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of |interval - 1 s| of the newest samples, in milliseconds."""
    with sqlite3.connect(f"file:{state / 'history.db'}?mode=ro", uri=True) as history:
        rows = history.execute("SELECT timestamp FROM samples ORDER BY timestamp").fetchall()
    times = [row[0] for row in rows][-int(seconds) :]
    off = sorted(abs(b - a - 1.0) * 1000 for a, b in itertools.pairwise(times))
    return statistics.median(off), off[int(0.99 * (len(off) - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--warm-up", type=int, default=30)
    options = parser.parse_args()
    # Netdata runs as a user of its own and has to reach its configuration.
    with tempfile.TemporaryDirectory(prefix="bench-cost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with contenders(folder) as started:
            time.sleep(options.warm_up)
            before = [contender.cpu_seconds() for contender in started]
            wall, latencies = time.perf_counter(), [[] for _ in started]
            for second in range(1, options.seconds + 1):
                for contender, taken in zip(started, latencies, strict=True):
                    taken.append(contender.scrape())
                time.sleep(max(0.0, wall + second - time.perf_counter()))
            elapsed = time.perf_counter() - wall
            print(f"{'':<16}{'CPU % of a core':>16}{'RSS MiB':>9}{'processes':>10}{'scrape ms (median)':>26}")
            for contender, earlier, taken in zip(started, before, latencies, strict=True):
                share = 100 * (contender.cpu_seconds() - earlier) / elapsed
                print(
                    f"{contender.name:<16}{share:>16.2f}{contender.resident_mebibytes():>9.1f}"
                    f"{len(contender.family()):>10}{1000 * statistics.median(taken):>26.1f}"
                )
            middle, worst = jitter(folder / "daemon" / "state", options.seconds)
            print(f"sampling jitter: median {middle:.1f} ms, 99th percentile {worst:.1f} ms")
            print(f"CPU of one scrape of loadwatch: {cost_of_a_scrape(started[0], 50):.2f} ms")
            print(f"load average meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
