"""A web server with an exporter and a board that show a plausible host, for benchmarks, browsers and hands.

``python -m web.fake_daemon [--address 127.0.0.1:0] [--scenario busy] [--config-file F] [--route-prefix P]``
prints its URL, then obeys lines on standard input: a scenario's name changes the scenario, the end ends it.
"""

import argparse
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from loadwatch.build import Build
from loadwatch.clock import SystemClock
from loadwatch.exporter import Exporter
from loadwatch.judge.statistics import AlertStatistics
from loadwatch.model.bundle import Card
from loadwatch.records import (
    Alert,
    Contribution,
    Culprit,
    Culprits,
    Floats,
    Label,
    Maintenance,
    ModelInfo,
    Recording,
    Sample,
    Snapshot,
    Span,
)
from loadwatch.signals import NAMES, SIGNALS
from loadwatch.web import Board, Facts, RecipientStatus, TrainingStatus, WebServer

INTERVAL = 1.0
START = 1_775_000_000.0
CARD = Card(
    "20260412T031500-12",
    "trained",
    0.0,
    "a1b2",
    "cpu > 0.9",
    (0, 60, 300, 900),
    tuple(signal.name for signal in SIGNALS),
    60.0,
    START,
    START + 14 * 86_400,
    241_920,
    38.4,
    {"train": 0.0412, "validation": 0.0467},
    {"high_load": 0.62, "anomaly": 0.88},
    {"brier": {"candidate": {"0": 0.0131}}, "winner": "candidate"},
)
SCENARIOS = ("calm", "busy", "expected", "anomaly", "maintenance", "stale", "starting", "young")
LOADS = {"calm": 0.25, "busy": 0.95, "expected": 0.7, "anomaly": 0.4, "maintenance": 0.5}
RESTING = {
    *(
        "steal",
        "swap",
        "oom_kills",
        "tcp_resets",
        "tcp_in_errors",
        "tcp_retransmit_timeouts",
        "listen_overflows",
    ),
    *("filesystem_inodes", "file_handles", "threads", "conntrack"),
}
"""Signals at which nothing happens, as at most of an ordinary host."""
SCALES = {
    "bytes_per_second": 4e7,
    "per_second": 900.0,
    "connections": 240.0,
    "seconds": 0.02,
    "1": 1.4,
    "ratio": 1.0,
}


def rows_at(timestamps: Floats, loads: Floats, rng: np.random.Generator) -> Floats:
    """(N, J) each signal with its own daily phase, scale and noise, at times (N,) with loads (N,)."""
    times, place = timestamps[:, None], np.arange(len(SIGNALS))
    day = 0.5 + 0.5 * np.sin(times / 86_400 * 2 * math.pi + place)
    bump = np.exp(-(((times % 3_600) - 2_400 - 30 * place) ** 2) / 160_000)
    share = np.array([0.3 if "pressure" in signal.name else 1.0 for signal in SIGNALS])
    level = loads[:, None] * (0.35 + 0.4 * day + 0.35 * bump) * share
    rows = np.maximum(0.0, level + 0.03 * rng.standard_normal(level.shape))
    ratio = np.array([signal.unit == "ratio" for signal in SIGNALS])
    resting = np.array([signal.name in RESTING for signal in SIGNALS])
    rows[:, resting] = np.where(ratio, 0.004, 0.0)[resting]
    return np.where(ratio, np.minimum(1.0, rows), rows * [SCALES[signal.unit] for signal in SIGNALS])


def snapshot_at(clock: SystemClock, scenario: str, rng: np.random.Generator) -> Snapshot:
    load, young = LOADS.get(scenario, 0.3), scenario == "young"
    now = clock.wall()
    (row,) = rows_at(np.array([now]), np.array([load]), rng).tolist()
    values = dict(zip(NAMES, row, strict=True))
    high = min(0.99, max(0.01, load**3 + 0.02 * rng.standard_normal()))
    probabilities = {h: min(0.99, high + (1 - high) * load * h / 2_500) for h in (0, 60, 300, 900)}
    flags = {h: scenario == "busy" or (scenario == "expected" and h >= 300) for h in probabilities}
    parts = {
        "cpu_pressure": 0.41,
        "cpu": 0.33,
        "memory": 0.22,
        "network_receive": 0.08,
        "disk": 0.03,
        "io_pressure": -0.02,
        "swap": -0.05,
        "steal": -0.11,
    }
    sign = 1.0 if load > 0.5 else -0.15
    contributions = tuple(Contribution(name, round(value * sign, 3)) for name, value in parts.items())
    odd = tuple(
        Contribution(name, value * (1 if scenario == "anomaly" else 0.1))
        for name, value in {"tcp_retransmits": 0.46, "udp_errors": 0.19, "disk": 0.08, "cpu": 0.02}.items()
    )
    return Snapshot(
        sample=Sample(now, clock.monotonic(), values),
        probabilities=probabilities,
        high_load=flags,
        anomaly_score=None if young else 0.93 if scenario == "anomaly" else 0.18,
        anomaly=scenario == "anomaly",
        contributions={"high_load": contributions} | ({} if young else {"anomaly": odd}),
        model=ModelInfo("20260412T031500-12", "bootstrap" if young else "trained", now - 5 * 3_600),
        maintenance=scenario == "maintenance",
        flagged_by="limit" if scenario == "busy" else None,
        load_level=load / 0.9,
        deciding=("cpu",),
        level_forecast={}
        if young
        else {h: (load / 0.9, min(1.5, load * (1.15 + h / 2_000))) for h in (60, 300, 900)},
        culprits={"high_load": culprits_at(now)} if scenario == "busy" else {},
        failing={"journal": "journalctl ended with status 1"} if scenario == "anomaly" else {},
    )


def culprits_at(now: float) -> Culprits:
    database = Culprit("process", "mysqld", 0.775, processes=1, unit="mysql.service")
    units = (
        Culprit("unit", "mysql.service", 0.78, pressure=0.4),
        Culprit("unit", "backup.service", 0.15, pressure=0.9),
    )
    return Culprits("cpu", now - 5.0, 60.0, 4.0, (*units, database))


def facts_at(now: float, scenario: str) -> Facts:
    drivers = (Contribution("cpu_pressure", 0.41), Contribution("memory", 0.22))
    earlier = (
        Alert(
            41,
            "high_load",
            now - 1_900,
            now - 1_300,
            300,
            peak=0.91,
            lead_seconds=260.0,
            confirmed_by="rule",
            signals=drivers,
        ),
        Alert(40, "anomaly", now - 9 * 3_600, now - 8.6 * 3_600, peak=0.97, signals=drivers[1:]),
        Alert(
            39,
            "high_load",
            now - 5 * 86_400,
            now - 5 * 86_400 + 2_400,
            peak=0.99,
            confirmed_by="rule",
            signals=drivers,
        ),
    )
    running = Alert(42, "high_load", now - 95, peak=0.97, signals=drivers, culprits=culprits_at(now))
    return Facts(
        host="web-03.example.net",
        build=Build("0123456789abcdef0123456789abcdef01234567", 1_772_366_400, changed=False),
        started_timestamp=now - 9 * 86_400,
        card=CARD,
        training=TrainingStatus(
            "idle", now + 3_600, now - 5 * 3_600, 38.4, 36, 1, 4, "published: better by 3 %"
        ),
        budget_per_week=2.0,
        alerts_this_week={"high_load": 2, "anomaly": 1},
        worth={
            "high_load": AlertStatistics(4.0, 8, 0, 2.0, 0.0, 6, 0.83, 240.0),
            "anomaly": AlertStatistics(4.0, 3, 2, 0.75, 0.5, 0, None, None),
        },
        threshold_raise={"high_load": 0.0, "anomaly": 0.0},
        alerts=(running, *earlier) if scenario == "busy" else earlier,
        maintenance=(Maintenance(Span(now - 6 * 3_600, now - 5.2 * 3_600), "kernel update", 3),),
        labels=(Label(Span(now - 3 * 3_600, now - 2.5 * 3_600), "normal", "nightly copy", 7),),
        trainings=(
            Span(now - 29 * 3_600, now - 29 * 3_600 + 40),
            Span(now - 5 * 3_600, now - 5 * 3_600 + 38),
            Span(now - 1_200, now - 1_160),
        ),
        notifications=(
            RecipientStatus("1 mailto", 0, now - 2 * 86_400),
            RecipientStatus("2 ntfys", 1, now - 9 * 86_400, now - 40, "Connection refused"),
        )
        if scenario == "busy"
        else (),
        history_rows=482_113,
        history_span=Span(now - 28 * 86_400, now),
    )


class FakeDaemon:
    """Publishes a snapshot a second, as the scenario says."""

    def __init__(self, address: str = "127.0.0.1:0", scenario: str = "calm", **options: object) -> None:
        self.scenario = scenario
        self._clock = SystemClock()
        self._began = self._clock.wall()
        self._rng = np.random.default_rng(7)
        self.exporter = Exporter(self._clock, INTERVAL)
        self.board = Board(self._clock, INTERVAL)
        providers = self.board.providers(self.exporter.scrape, self.exporter.is_ready)
        self.server = WebServer([address], providers, **options)  # type: ignore[arg-type]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._refill()
        self.server.start()
        self._publish()
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.server.close()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            self._publish()

    def _publish(self) -> None:
        self.board.facts = facts_at(self._began, self.scenario)
        if self.scenario == "starting":
            self.board.publish(None)
            self.exporter.publish(None)
        elif self.scenario != "stale":
            snapshot = snapshot_at(self._clock, self.scenario, self._rng)
            self.exporter.samples.inc()
            self.exporter.publish(snapshot)
            self.board.publish(snapshot)

    def _refill(self) -> None:
        """A day of signals from the history, and an hour of verdicts as if lived through."""
        if self.scenario in ("starting", "young"):
            return
        now = self._clock.wall()
        timestamps = np.arange(now - 86_400, now - 3_600, 60.0)
        rows = rows_at(timestamps, np.full(len(timestamps), 0.45), self._rng)
        self.board.timeline.load(Recording(timestamps, NAMES, rows))
        timestamps = np.arange(now - 3_600, now, 5.0)
        bumps = np.exp(-(((timestamps - (now - 1_600)) / 420) ** 2))
        rows = rows_at(timestamps, 0.3 + 0.55 * bumps, self._rng)
        lived = snapshot_at(self._clock, "calm", self._rng)
        for t, bump, row in zip(timestamps.tolist(), bumps.tolist(), rows.tolist(), strict=True):
            load = 0.3 + 0.55 * bump
            self.board.timeline.add(
                replace(
                    lived,
                    sample=Sample(t, 0.0, dict(zip(NAMES, row, strict=True))),
                    probabilities={h: min(0.99, load**2 * (1 + h / 4_000)) for h in lived.probabilities},
                    anomaly_score=0.15 + 0.2 * bump + 0.02 * self._rng.standard_normal(),
                    load_level=load,
                    level_forecast={900: (load, 1.3 * load)},
                )
            )


Starter = Callable[..., FakeDaemon]


@contextmanager
def fake_daemons() -> Iterator[Starter]:
    """What starts one of a scenario and with any options of a `WebServer`; all are closed at the end."""
    with ExitStack() as started:

        def begin(scenario: str = "calm", **options: object) -> FakeDaemon:
            daemon = FakeDaemon(scenario=scenario, **options)
            daemon.start()
            started.callback(daemon.close)
            return daemon

        yield begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:0")
    parser.add_argument("--scenario", choices=SCENARIOS, default="calm")
    parser.add_argument("--config-file", type=Path)
    parser.add_argument("--route-prefix", default="/")
    options = parser.parse_args()
    daemon = FakeDaemon(
        options.address, options.scenario, config_file=options.config_file, route_prefix=options.route_prefix
    )
    daemon.start()
    print(daemon.server.urls[0], flush=True)
    for line in sys.stdin:
        if line.strip() in SCENARIOS:
            daemon.scenario = line.strip()
    daemon.close()


if __name__ == "__main__":
    main()
