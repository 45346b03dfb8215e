"""One trouble, one message, one resolve: a daemon's parts, Prometheus, Alertmanager, and who is told.

The daemon's own judge lives through hours in a minute: each scrape finds it two minutes older.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from daemon.test_simulated_day import Bench

from .programs import Webhook, start_alertmanager, start_prometheus, wait_for
from .simulated import served, targets

PROGRAMS = ("prometheus", "prometheus-alertmanager")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]

HURRY = {r"interval: \d+s": "interval: 1s", r"\[2m\]": "[5s]"}
MINUTES_A_SCRAPE = 2
VERDICTS = {"LoadwatchHighLoad", "LoadwatchHighLoadExpected", "LoadwatchAnomaly"}
# Calm, then twice high load with ten minutes between, then calm: minutes, and what is added to the CPU.
COURSE = ((20, 0.0), (24, 0.9), (10, 0.0), (24, 0.9), (60, 0.0))


class Living:
    """A host that gets older with each scrape, in a thread of its own: no scrape waits for it."""

    name = "web-1"
    down = False

    def __init__(self, bench: Bench) -> None:
        self.bench, self.minutes = bench, 0
        self._page = bench.exporter.render()
        self._asked, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def page(self) -> bytes:
        """What it says now; two minutes later there is more to say."""
        self._asked.set()
        return self._page

    def end(self) -> None:
        """Get no older."""
        self._over.set()
        self._asked.set()
        self._thread.join()

    def _live(self) -> None:
        while self._asked.wait() and not self._over.is_set():
            self._asked.clear()
            for _ in range(MINUTES_A_SCRAPE):
                self.bench.host.extra_cpu = extra_cpu(self.minutes)
                for _ in self.bench.pass_seconds(60):
                    pass
                self.minutes += 1
            self._page = self.bench.exporter.render()


def extra_cpu(minute: int) -> float:
    """What the course says of this minute."""
    for minutes, extra in COURSE:
        if minute < minutes:
            return extra
        minute -= minutes
    return 0.0


def messages(hook: Webhook) -> list[tuple[str, str]]:
    """Name and status of each alert in each message on a verdict that somebody is routed."""
    return [
        (alert["labels"]["alertname"], alert["status"])
        for alert in hook.alerts()
        if alert["labels"]["alertname"] in VERDICTS
    ]


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    bench = Bench(tmp_path)
    bench.clock.set_wall(time.time())
    bench.models.learning.bootstrap()
    living = Living(bench)
    yield living
    living.end()
    bench.models.stop()
    bench.history.close()


def test_one_trouble_is_one_message_and_one_resolve(living: Living, tmp_path: Path) -> None:
    """High load that pauses for ten minutes and comes back is told of once, and once when it is over.

    `loadwatch alerts` lists the one alert, and what was flagged before it became one told nobody anything.
    """
    with ExitStack() as servers:
        hook = servers.enter_context(Webhook())
        alertmanager = start_alertmanager(servers, tmp_path, hook.url)
        port = servers.enter_context(served([living]))
        start_prometheus(servers, tmp_path, targets([living], port), alertmanager, HURRY)
        wait_for("the course is over", lambda: living.minutes > sum(m for m, _ in COURSE), seconds=240)
        wait_for("the resolve", lambda: len(messages(hook)) >= 2, seconds=30)
        time_to_say_more = living.minutes + 10 * MINUTES_A_SCRAPE
        wait_for("ten more scrapes", lambda: living.minutes > time_to_say_more, seconds=60)
    assert messages(hook) == [("LoadwatchHighLoad", "firing"), ("LoadwatchHighLoad", "resolved")]
    (alert,) = living.bench.history.alerts()
    assert (alert.verdict, alert.end is None) == ("high_load", False)
