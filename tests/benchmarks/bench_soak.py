"""A long life in short: the daemon's own parts on a clock that is turned, with real SQLite and real training.

    PYTHONPATH=tests python tests/benchmarks/bench_soak.py

A week at a sample a minute takes some four minutes, and as much longer as samples are more. What is done each
hour, day or training is the same at every pace.

Everything runs as in the daemon: sample, judge, publish, store; refresh every minute, retention every hour,
training (in its child process) every six hours, a scrape every quarter of an hour. Only the host is made up.
Prints one JSON line a simulated hour: memory, descriptors, threads, rows and megabytes of history.
"""

import argparse
import json
import logging
import math
import os
import random
import tempfile
import threading
from pathlib import Path
from typing import Any

from manual_clock import ManualClock

from loadwatch import config
from loadwatch.daemon.service import Daemon
from loadwatch.history import DeferredHistory
from loadwatch.sampling.sampler import Sampler
from loadwatch.signals import BY_NAME

HOUR = 3600.0
KEEP = {"history.keep": "12h", "training.history": "12h", "training.minimum": "1h", "training.patience": "0s"}


class MadeUpHost:
    """Every signal of the schema: a daily wave with noise, and a storm of some minutes every few hours."""

    name = "made_up"
    signals = tuple(BY_NAME)
    note = ""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._random = random.Random(1)

    def read(self, now: float) -> dict[str, float]:
        hours = self._clock.wall() / HOUR
        level = 0.35 + 0.25 * math.sin(hours * math.tau / 24)
        if hours % 5.3 < 0.1:
            level = 0.97
        values = {}
        for name in self.signals:
            noisy = max(0.0, level + self._random.gauss(0.0, 0.03))
            values[name] = min(noisy, 1.0) if BY_NAME[name].unit == "ratio" else 1e5 * noisy
        return values

    def forget(self) -> None:
        """Nothing is kept between readings."""


def resident_kibibytes() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


def state_of(daemon: Daemon, directory: Path, hour: int) -> dict[str, Any]:
    learning = daemon._models.learning.state
    return {
        "hour": hour,
        "rss_mebibytes": round(resident_kibibytes() / 1024, 2),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - as the kernel names them
        "threads": threading.active_count(),
        "rows": daemon._history.row_count(),
        "megabytes": round((directory / "history.db").stat().st_size / 1e6, 2),
        "unsaved": daemon._history.unsaved,
        "trainings": learning.runs,
        "training_failures": learning.failures,
        "alerts": len(daemon._verdicts.alerts),
        "verdict": daemon._exporter.is_ready(),
    }


def live(directory: Path, days: float, interval: float) -> None:
    clock = ManualClock()
    overrides = [
        f"sampling.interval={interval:g}s",
        "web.listen_address=127.0.0.1:0",
        *(f"{k}={v}" for k, v in KEEP.items()),
    ]
    settings = config.load(None, environment={}, overrides=overrides)
    daemon = Daemon(settings, directory, reload=lambda: settings, clock=clock)
    daemon._history = DeferredHistory.open(directory / "history.db", clock=clock)
    daemon._open()
    daemon._watch._sampler = Sampler(clock, sources=[MadeUpHost(clock)])
    daemon._models.learning.bootstrap()
    ticks = {name: round(seconds / interval) for name, seconds in (("minute", 60.0), ("hour", HOUR))}
    try:
        for tick in range(1, round(days * 24 * HOUR / interval) + 1):
            clock.advance(interval)
            daemon._watch.tick()
            if tick % ticks["minute"] == 0:
                daemon._refresh()
                daemon._models.report(daemon._exporter)
            if tick % (ticks["hour"] // 4) == 0:
                daemon._exporter.scrape("")
            if tick % ticks["hour"] == 0:
                daemon._retain()
                # A training that is postponed because the host suffers comes an hour later.
                if tick // ticks["hour"] >= 6 * daemon._models.learning.state.runs:
                    daemon._models.learning.train()
                print(json.dumps(state_of(daemon, directory, tick // ticks["hour"])), flush=True)
    finally:
        daemon._models.stop()
        daemon._history.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--interval", type=float, default=30.0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as name:
        live(Path(name), options.days, options.interval)


if __name__ == "__main__":
    main()
