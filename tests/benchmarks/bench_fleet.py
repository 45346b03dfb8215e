"""A fleet of simulated hosts in one Prometheus: what a host costs, how long rules and dashboards take.

    python tests/benchmarks/bench_fleet.py [--hosts 1000] [--hours 3] [--storm]
    python tests/benchmarks/bench_fleet.py --scale 1000 2000 5000 10000

Needs Prometheus (Debian's package). The pages come from the real exporter. First the hours before now are
written to Prometheus by remote write, as if it had scraped all the time; then it scrapes the hosts from a
server in memory, evaluates the shipped rules, and is asked every query of the fleet's dashboard over all the
hours at once, with as many steps as Grafana asks for on a wide screen, one after another. Every figure is
the best of several, which a busy machine disturbs least.

A sixteenth of the hosts is under high load and another sixteenth unlike itself; in a storm all are both.

With ``--scale``, for each size a Prometheus without a past scrapes that many hosts once a minute, with the
shipped rules; told are its memory, its CPU time and the rules. It ends with the first size that it cannot
hold: hosts that were not scraped within two minutes, or too little memory left to try.
"""

import argparse
import json
import os
import random
import struct
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from e2e.programs import GRAFANA, Database, free_port, get, running, wait_for
from e2e.simulated import Host

from loadwatch.assets import FILES, export

SCRAPE_SECONDS = 15
VARIANTS = 16
STEPS = 1_000
RULE_SECONDS = 90
SCALE_SCRAPE_SECONDS = 60
# What one host costs the head of Prometheus, with a large margin; measured is about a fifth of a megabyte.
HOST_BYTES = 500_000
# Prometheus takes samples up to an hour older than its newest; half of that is safe.
WINDOW_SECONDS = 1_800

_SERIES = 'count({__name__!=""})'

Labels = tuple[tuple[str, str], ...]


class Variant:
    """One of a few characters that the simulated hosts have."""

    def __init__(self, number: int, *, storm: bool = False) -> None:
        worst = storm or number == 0
        host = Host(
            f"variant-{number}",
            probability=0.9 if worst else 0.02,
            outlook=0.5 if worst else 0.1,
            anomaly=storm or number == 1,
        )
        self.page = host.page().decode()
        self._random = random.Random(number)
        self._series: dict[Labels, float] = dict(_parsed(self.page)) | {(("__name__", "up"),): 1.0}

    def values(self, count: int) -> Iterator[tuple[Labels, list[float]]]:
        """For each series ``count`` values in time order; gauges wander, what is constant stays."""
        for labels, value in self._series.items():
            name = labels[0][1]
            if name.endswith(("_probability", "_score", "_signal", "_contribution")):
                yield labels, [min(1.0, max(0.0, value + self._random.gauss(0, 0.02))) for _ in range(count)]
            else:
                yield labels, [value] * count

    def page_now(self) -> bytes:
        """The page with a last sample of this moment."""
        head, name, tail = self.page.partition("\nloadwatch_last_sample_timestamp_seconds ")
        return f"{head}{name}{time.time()}\n{tail.partition(chr(10))[2]}".encode()


def _parsed(page: str) -> Iterator[tuple[Labels, float]]:
    for line in page.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            name, _, labels = series.rstrip("}").partition("{")
            pairs = [pair.split("=") for pair in labels.split(",") if pair]
            yield (("__name__", name), *((key, text.strip('"')) for key, text in pairs)), float(value)


def backfill(url: str, variants: list[Variant], hosts: int, hours: float) -> int:
    """Write the hours before now for every host; returns the number of samples."""
    end = int(time.time()) - SCRAPE_SECONDS
    written = 0
    for start in range(end - int(hours * 3600), end, WINDOW_SECONDS):
        times = list(range(start, min(start + WINDOW_SECONDS, end), SCRAPE_SECONDS))
        blocks = [
            [(labels, _samples(times, values)) for labels, values in variant.values(len(times))]
            for variant in variants
        ]
        for first in range(0, hosts, 50):
            message = b"".join(
                _field(1, _labels(labels, _instance(host)) + samples)
                for host in range(first, min(first + 50, hosts))
                for labels, samples in blocks[host % VARIANTS]
            )
            _send(f"{url}/api/v1/write", message)
            written += sum(len(blocks[h % VARIANTS]) for h in range(first, min(first + 50, hosts))) * len(
                times
            )
    return written


def _instance(host: int) -> str:
    return f"host-{host:04d}:10074"


def _labels(labels: Labels, instance: str) -> bytes:
    whole = sorted((*labels, ("instance", instance), ("job", "loadwatch")))
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in whole)


def _samples(times: Iterable[int], values: Iterable[float]) -> bytes:
    return b"".join(
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(moment * 1000))
        for moment, value in zip(times, values, strict=True)
    )


def _field(number: int, content: bytes) -> bytes:
    """A field of protocol buffers that holds bytes."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def _send(url: str, message: bytes) -> None:
    """Post with the framing of Snappy, as one literal: nothing is compressed."""
    body = _varint(len(message)) + bytes([63 << 2]) + struct.pack("<I", len(message) - 1) + message
    headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60):
        pass


def serve(servers: ExitStack, variants: list[Variant]) -> int:
    """Serve every host's page from memory; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = variants[int(self.path.strip("/")) % VARIANTS].page_now()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    ThreadingHTTPServer.request_queue_size = 256
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    servers.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def configure(folder: Path, static: list[dict[str, Any]], every: int = SCRAPE_SECONDS) -> Path:
    """Prometheus' configuration, with the shipped rules as they are.

    They come with the targets: what a rule writes is of now, and after it nothing older is taken.
    """
    config: dict[str, Any] = {"global": {"scrape_interval": f"{every}s", "evaluation_interval": f"{every}s"}}
    if static:
        config["rule_files"] = ["prometheus/loadwatch.rules.yml", "prometheus/loadwatch.recording.yml"]
        config["scrape_configs"] = [{"job_name": "loadwatch", "static_configs": static}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


class Prometheus(Database):
    """A database whose process can be asked what it costs."""

    def __init__(self, url: str, process: int) -> None:
        super().__init__(url)
        self._process = psutil.Process(process)

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        times = self._process.cpu_times()
        return times.user + times.system

    def memory(self) -> int:
        """Bytes resident now."""
        return int(self._process.memory_info().rss)


def start(servers: ExitStack, folder: Path) -> Prometheus:
    """Prometheus without targets yet, ready to be written to."""
    address = f"127.0.0.1:{free_port()}"
    process = servers.enter_context(
        running(
            "prometheus",
            f"--config.file={configure(folder, [])}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
            ready_url=f"http://{address}/-/ready",
            log=folder / "prometheus.log",
        )
    )
    return Prometheus(f"http://{address}", process)


def scrape(database: Database, folder: Path, hosts: int, port: int, every: int = SCRAPE_SECONDS) -> None:
    """Have Prometheus scrape every host, until all were scraped and the rules evaluated over them."""
    static = [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {"__metrics_path__": f"/{host}", "instance": _instance(host)},
        }
        for host in range(hosts)
    ]
    configure(folder, static, every)
    with urllib.request.urlopen(f"{database.url}/-/reload", data=b"", timeout=60):
        pass
    scraped = "count(scrape_samples_scraped > 0)"
    wait_for("every host to be scraped", lambda: _one(database, scraped) == hosts, seconds=60 + every)
    begin = time.time()
    wait_for("rules to be evaluated", lambda: _oldest_evaluation(database) > begin + 15, seconds=120)


def _one(database: Database, expression: str) -> float:
    return next(iter(database.query(expression).values()), 0.0)


def _groups(database: Database) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = json.loads(get(f"{database.url}/api/v1/rules"))["data"]["groups"]
    return groups


def _oldest_evaluation(database: Database) -> float:
    return min(datetime.fromisoformat(group["lastEvaluation"]).timestamp() for group in _groups(database))


def rule_seconds(database: Database) -> dict[str, float]:
    """How long each group of rules takes to evaluate; the best of several times."""
    took: dict[str, list[float]] = {}
    evaluated = set()
    deadline = time.monotonic() + RULE_SECONDS
    while time.monotonic() < deadline:
        for group in _groups(database):
            if (group["name"], group["lastEvaluation"]) not in evaluated:
                evaluated.add((group["name"], group["lastEvaluation"]))
                took.setdefault(group["name"], []).append(group["evaluationTime"])
        time.sleep(1)
    return {name: min(times) for name, times in took.items()}


def panel_seconds(database: Prometheus, board: str, hours: float) -> dict[str, tuple[float, float]]:
    """Seconds, and CPU seconds, of all queries of each panel of a dashboard; the best of five times."""
    end = time.time()
    begin = end - hours * 3600
    variables = GRAFANA | {"$__rate_interval": "1m", "$__range": f"{hours * 60:.0f}m"}
    content = json.loads((FILES / f"grafana/dashboards/{board}.json").read_text())
    took = {}
    for panel in content["panels"]:
        times = []
        step = max(SCRAPE_SECONDS, hours * 3600 / (panel.get("maxDataPoints") or STEPS))
        for _ in range(5):
            started, used = time.perf_counter(), database.cpu_seconds()
            for target in panel.get("targets", []):
                expression = target["expr"]
                for variable, value in variables.items():
                    expression = expression.replace(variable, value)
                if target["instant"]:
                    database.query(expression, end)
                else:
                    database.query_range(expression, begin, end, step)
            times.append((time.perf_counter() - started, database.cpu_seconds() - used))
        if panel.get("targets"):
            took[panel["title"]] = min(wall for wall, _ in times), min(cpu for _, cpu in times)
    return took


def scale(sizes: list[int], variants: list[Variant]) -> None:
    """Let one Prometheus after another hold a larger fleet, as far as this machine goes."""
    print(f"{os.cpu_count()} CPUs, {psutil.virtual_memory().total >> 20:,} MiB; a scrape a minute")
    for hosts in sizes:
        if psutil.virtual_memory().available < hosts * HOST_BYTES:
            print(f"{hosts:>6} hosts: not tried, too little memory")
            return
        with tempfile.TemporaryDirectory() as place, ExitStack() as servers:
            folder = Path(place)
            export(folder, ["prometheus"])
            database = start(servers, folder)
            try:
                scrape(database, folder, hosts, serve(servers, variants), SCALE_SCRAPE_SECONDS)
            except AssertionError as error:
                print(f"{hosts:>6} hosts: more than it holds, {error}")
                return
            used, since = database.cpu_seconds(), time.monotonic()
            rules = rule_seconds(database)
            cores = (database.cpu_seconds() - used) / (time.monotonic() - since)
            down = _one(database, "count(up == 0)")
            took = panel_seconds(database, "loadwatch-fleet", 0.05)
            slowest = max(took, key=lambda title: took[title][0])
            times = ", ".join(
                f"{name.removeprefix('loadwatch-')} {best:.2f} s" for name, best in rules.items()
            )
            print(
                f"{hosts:>6} hosts: {_one(database, _SERIES):,.0f} series, {database.memory() >> 20:,} MiB, "
                f"{cores:.2f} cores, {down:.0f} down; rules: {times}; "
                f"slowest panel of now: {slowest} {took[slowest][0]:.2f} s",
                flush=True,
            )


def main() -> None:
    """Build the fleet and print what it costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--storm", action="store_true", help="every host fires every alert about itself")
    parser.add_argument("--scale", type=int, nargs="+", metavar="HOSTS", help="how many hosts it can hold")
    options = parser.parse_args()
    if options.scale:
        scale(options.scale, [Variant(number, storm=options.storm) for number in range(VARIANTS)])
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        export(folder, ["prometheus"])
        variants = [Variant(number, storm=options.storm) for number in range(VARIANTS)]
        database = start(servers, folder)
        began = time.perf_counter()
        samples = backfill(database.url, variants, options.hosts, options.hours)
        print(f"{samples:,} samples written in {time.perf_counter() - began:.0f} s")
        scrape(database, folder, options.hosts, serve(servers, variants))
        report(database, options.hosts, options.hours)


def report(database: Prometheus, hosts: int, hours: float) -> None:
    """Print the table, and say whether it is as promised."""
    scraped = _one(database, "max(scrape_samples_post_metric_relabeling)")
    ours = _one(database, 'max(count by (instance) ({__name__=~"loadwatch_.*"}))')
    print(f"\n{hosts} hosts, {hours:g} hours, {SCRAPE_SECONDS} s between scrapes")
    print(f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}")
    print(f"  {'loadwatch_* series a host (promised: under 60)':<66}{ours:>8.0f}")
    print(f"  {'series a host in all, with process_*':<66}{scraped:>8.0f}")
    print(f"  {'series in Prometheus':<66}{_one(database, _SERIES):>8.0f}")
    for name, seconds in rule_seconds(database).items():
        print(f"  {'rules of ' + name + ' (under 1 s)':<66}{seconds:>6.3f} s")
    took = panel_seconds(database, "loadwatch-fleet", hours)
    for title, (wall, cpu) in sorted(took.items(), key=lambda item: -item[1][1]):
        print(f"  {'panel ' + title + ' (under 1 s)':<66}{wall:>6.3f} s {cpu:>6.2f} s of CPU")
    wall, cpu = (sum(times) for times in zip(*took.values(), strict=True))
    print(f"  {'the whole fleet dashboard, one query after another':<66}{wall:>6.3f} s {cpu:>6.2f} s of CPU")


if __name__ == "__main__":
    main()
