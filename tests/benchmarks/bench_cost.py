"""What watching costs: the daemon beside node_exporter and Netdata, in one run on one machine.

    python tests/benchmarks/bench_cost.py [--seconds 60] [--rounds 3] [--days 30]
    python tests/benchmarks/bench_cost.py --interval 5s     a sample and a scrape each five seconds
    python tests/benchmarks/bench_cost.py --reconnect       a new connection for each scrape

Each is scraped once a second on a connection that stays open, as Prometheus does, each in turn the first;
the daemon samples as often (Netdata always once a second). It is a daemon in the middle of its life: its
history holds a month of samples, and its model, anomaly score included, was trained on them. Reported for
each: CPU time of all its processes and of the children they waited for per wall second, lowest and highest of
the rounds; wake-ups a second, which are the voluntary switches of all threads, of the round with the fewest;
resident memory, which counts shared pages once a process; and the CPU time of a scrape of the daemon.
Sampling jitter is read from the daemon's own history. Training itself is kept out: its cost is bounded by its
schedule, and it has benchmarks of its own.

Netdata runs as Debian ships it, without machine learning, but with its health checks off, for those may send
mail; its anonymous statistics are switched off, and it listens on the loopback interface only.
"""

import argparse
import contextlib
import getpass
import itertools
import math
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loadwatch.clock import SystemClock
from loadwatch.daemon.retraining import DUE
from loadwatch.history import History
from loadwatch.labels.rule import DEFAULT_RULE, Rule
from loadwatch.records import Recording
from loadwatch.sampling.sampler import Sampler
from loadwatch.signals import BY_NAME, NAMES
from loadwatch.times import parse_duration

sys.path.insert(0, str(Path(__file__).parents[1]))
from processes import Daemon, Program, free_port

TICKS = os.sysconf("SC_CLK_TCK")
NETDATA = """
[global]
    update every = 1
    run as user = {user}
[directories]
    config = {folder}/config
    cache = {folder}/cache
    lib = {folder}/lib
    log = {folder}/log
[ml]
    enabled = no
[health]
    enabled = no
[registry]
    enabled = no
[statsd]
    bind to = udp:127.0.0.1:{statsd} tcp:127.0.0.1:{statsd}
[web]
    bind to = 127.0.0.1:{port}
"""
SILENT = {"DO_NOT_TRACK": "1", "DISABLE_TELEMETRY": "1"}
ROW_SECONDS = 5.0
REST_SECONDS = (
    30.0  # CPU time is counted in hundredths of a second, and of these only a few are used a second
)


@dataclass
class Contender:
    name: str
    program: Program
    port: int
    path: str = "/metrics"
    reconnect: bool = False

    def __post_init__(self) -> None:
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

    def wake_ups(self) -> int:
        """Voluntary switches of all threads of its living processes."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                for status in Path(f"/proc/{pid}/task").glob("*/status"):
                    total += int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return total

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
            if self.reconnect:
                self._connection.close()  # the next one opens it again
        except (OSError, HTTPException):
            self._connection.close()
        return time.perf_counter() - started


class Spent(NamedTuple):
    """In one round: per cent of a core, wake-ups a second, and the seconds that each scrape took."""

    share: float
    wake_ups: float
    scrapes: list[float]


def observed(count: int) -> np.ndarray:
    """(count, J) samples of this host, a second apart; NaN where a signal is not known here."""
    sampler, samples = Sampler(SystemClock()), []
    while len(samples) < count:
        if sample := sampler.sample():
            samples.append([sample.values.get(name, math.nan) for name in NAMES])
        time.sleep(1.0)
    return np.array(samples)


def lived(state: Path, days: float) -> None:
    """As a daemon leaves it that has run for so long: history up to now, and a model trained on it.

    The past is made of what the host shows now, with a daily course: of another one, all that is sampled in
    the benchmark would be odd, and while something is flagged the daemon looks closer at the processes. For
    the same reason nothing of it is high by the rule.
    """
    state.mkdir(parents=True)
    shown, ratios = observed(20), [BY_NAME[name].unit == "ratio" for name in NAMES]
    rule = Rule.parse(DEFAULT_RULE)
    highest = np.nanmax(rule.levels(Recording(np.arange(float(len(shown))), NAMES, shown)))
    shown[:, [name in rule.signals for name in NAMES]] *= min(0.76 / highest, 1.0)
    now, random = time.time(), np.random.default_rng(1)
    with contextlib.closing(History.open(state / "history.db", clock=SystemClock())) as history:
        for day in np.arange(-days, 0.0):
            times = now + 86400.0 * day + np.arange(0.0, 86400.0, ROW_SECONDS)
            wave = 1.0 + 0.3 * np.sin(times * 2 * math.pi / 86400.0)[:, None]
            values = wave * shown[random.integers(len(shown), size=len(times))]
            values[:, ratios] = np.minimum(values[:, ratios], 1.0)
            history.merge(Recording(times, NAMES, values))
    train = [sys.executable, "-m", "loadwatch", "train", "--state-directory", str(state)]
    subprocess.run([*train, "--set", "training.history=2d"], check=True, stdout=subprocess.DEVNULL)
    with contextlib.closing(History.open(state / "history.db", clock=SystemClock())) as history:
        # As if it had been the daemon's own: without a plan the next would come at any moment of this run.
        history.set_state(DUE, time.time() + 6 * 3600.0)


def start_daemon(folder: Path, interval: float) -> Contender:
    daemon = Daemon(folder / "daemon" / "state", "--set", f"sampling.interval={interval:g}s")
    daemon.until_ready(seconds=120)
    assert daemon.value("loadwatch_anomaly_score") is not None, "the model has no anomaly score"
    return Contender("loadwatch", daemon, daemon.port)


def start_node_exporter(folder: Path, _interval: float) -> Contender | None:
    path = shutil.which("prometheus-node-exporter")
    if path is None:
        return None
    port = free_port()
    program = Program([path, f"--web.listen-address=127.0.0.1:{port}"], folder / "node_exporter.log")
    return Contender("node_exporter", program, port)


def start_netdata(folder: Path, _interval: float) -> Contender | None:
    path = shutil.which("netdata")
    if path is None:
        return None
    port, home = free_port(), folder / "netdata"
    user = "netdata" if os.geteuid() == 0 else getpass.getuser()
    for name in ("config", "cache", "lib", "log"):
        (home / name).mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(home / name, user)
    (home / "config" / ".opt-out-from-anonymous-statistics").touch()
    configuration = home / "netdata.conf"
    configuration.write_text(NETDATA.format(user=user, port=port, folder=home, statsd=free_port()))
    command = [path, "-D", "-c", str(configuration), "-P", str(home / "lib" / "netdata.pid")]
    program = Program(command, folder / "netdata.log", environment=SILENT)
    return Contender("netdata", program, port, "/api/v1/allmetrics?format=prometheus")


@contextlib.contextmanager
def contenders(folder: Path, interval: float) -> Iterator[list[Contender]]:
    started: list[Contender] = []
    try:
        for start in (start_daemon, start_node_exporter, start_netdata):
            if contender := start(folder, interval):
                started.append(contender)  # noqa: PERF401 - what was started must be ended if the next fails
        yield started
    finally:
        for contender in started:
            contender.program.kill()


def one_round(started: list[Contender], seconds: float, interval: float) -> list[Spent]:
    """What each contender spent."""
    before = [(contender.cpu_seconds(), contender.wake_ups()) for contender in started]
    wall, taken = time.perf_counter(), [[] for _ in started]
    for turn in range(1, round(seconds / interval) + 1):
        for number in range(len(started)):
            place = (turn + number) % len(started)
            taken[place].append(started[place].scrape())
        time.sleep(max(0.0, wall + turn * interval - time.perf_counter()))
    elapsed = time.perf_counter() - wall
    return [
        Spent(
            100 * (contender.cpu_seconds() - cpu) / elapsed, (contender.wake_ups() - woken) / elapsed, scrapes
        )
        for contender, (cpu, woken), scrapes in zip(started, before, taken, strict=True)
    ]


def cost_of_a_scrape(contender: Contender, count: int) -> float:
    """CPU milliseconds of one scrape: of several at full pace, less what it uses at rest in that time."""
    rest, wall = contender.cpu_seconds(), time.perf_counter()
    time.sleep(REST_SECONDS)
    at_rest = (contender.cpu_seconds() - rest) / (time.perf_counter() - wall)
    before, wall = contender.cpu_seconds(), time.perf_counter()
    for _ in range(count):
        contender.scrape()
        # The page is kept for a quarter of a second; each of these is made anew.
        time.sleep(0.26)
    used = contender.cpu_seconds() - before - at_rest * (time.perf_counter() - wall)
    return 1000 * used / count


def jitter(state: Path, seconds: float, interval: float) -> tuple[float, float]:
    """Median and 99th percentile of how far the newest samples are off the interval, in milliseconds."""
    with sqlite3.connect(f"file:{state / 'history.db'}?mode=ro", uri=True) as history:
        rows = history.execute("SELECT timestamp FROM samples ORDER BY timestamp").fetchall()
    times = [row[0] for row in rows][-int(seconds / interval) :]
    off = sorted(abs(b - a - interval) * 1000 for a, b in itertools.pairwise(times))
    return statistics.median(off), off[int(0.99 * (len(off) - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=30)
    parser.add_argument("--days", type=float, default=30.0, help="age of the daemon's history")
    parser.add_argument("--interval", type=parse_duration, default=1.0, help="between samples, and scrapes")
    parser.add_argument("--reconnect", action="store_true", help="a new connection for each scrape")
    options = parser.parse_args()
    # Netdata runs as a user of its own and has to reach its configuration.
    with tempfile.TemporaryDirectory(prefix="bench-cost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        lived(folder / "daemon" / "state", options.days)
        with contenders(folder, options.interval) as started:
            for contender in started:
                contender.reconnect = options.reconnect
            time.sleep(options.warm_up)
            rounds = [one_round(started, options.seconds, options.interval) for _ in range(options.rounds)]
            head = f"{'':<16}{'CPU % of a core':>20}{'wake-ups/s':>12}{'RSS MiB':>9}{'processes':>10}"
            print(f"{head}{'scrape ms (median)':>20}")
            for place, contender in enumerate(started):
                mine = [spent[place] for spent in rounds]
                shares = sorted(spent.share for spent in mine)
                median = 1000 * statistics.median(taken for spent in mine for taken in spent.scrapes)
                print(
                    f"{contender.name:<16}{f'{shares[0]:.2f} to {shares[-1]:.2f}':>20}"
                    f"{min(spent.wake_ups for spent in mine):>12.1f}"
                    f"{contender.resident_mebibytes():>9.1f}{len(contender.family()):>10}{median:>20.1f}"
                )
            middle, worst = jitter(
                folder / "daemon" / "state", options.seconds * options.rounds, options.interval
            )
            print(f"sampling jitter: median {middle:.1f} ms, 99th percentile {worst:.1f} ms")
            print(f"CPU of one scrape of loadwatch: {cost_of_a_scrape(started[0], 50):.2f} ms")
            daemon = started[0].program
            assert isinstance(daemon, Daemon)
            high, odd = daemon.value("loadwatch_high_load", horizon="0"), daemon.value("loadwatch_anomaly")
            print(f"flagged at the end: high load {high}, anomaly {odd}")
            print(f"load average meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
