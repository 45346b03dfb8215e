"""Hosts that exist only as a metrics page, made by the real exporter and served from memory."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from loadwatch.clock import SystemClock
from loadwatch.exporter import Exporter
from loadwatch.records import Contribution, Culprit, Culprits, ModelInfo, Sample, Snapshot
from loadwatch.signals import NAMES

HORIZONS = (0, 60, 300, 900)


@dataclass
class Host:
    """What a simulated host says of itself; change it and the next scrape sees it.

    ``outlook`` is how much of the way to certainty the probability goes until the last horizon.
    """

    name: str
    probability: float = 0.02
    outlook: float = 0.5
    anomaly: bool = False
    maintenance: bool = False
    down: bool = False
    faults: bool = False
    limits: dict[str, float] = field(default_factory=dict)
    exporter: Exporter = field(init=False)

    def __post_init__(self) -> None:
        self._clock = SystemClock()
        # As if the last sample could be a minute old: a busy test machine must not make verdicts stale.
        self.exporter = exporter = Exporter(self._clock, interval=20.0)
        exporter.is_maintenance = lambda _timestamp: self.maintenance
        self._trained = self._clock.wall() - 3600
        exporter.model_brier.set(0.03)
        exporter.training_duration.set(12.5)
        exporter.training_loss.set(0.12, "train")
        exporter.training_loss.set(0.18, "validation")
        exporter.training_samples.set(100_000)
        exporter.last_training_success.set(self._trained)
        exporter.forecast_hits.set(0.75)
        exporter.forecast_lead.set(240)
        exporter.alert_budget.set(2)
        for verdict in ("high_load", "anomaly"):
            exporter.false_alarms.set(0.5, verdict)

    def page(self) -> bytes:
        """One more sample, and the page after it."""
        self.exporter.samples.inc()
        self.exporter.training_runs.inc()
        self.exporter.sample_duration.observe(0.004)
        self.exporter.inference_duration.observe(0.0005)
        if self.faults:
            self._fail()
        self._open_alerts()
        self.exporter.publish(self._snapshot())
        return self.exporter.scrape()[0]

    def _fail(self) -> None:
        self.exporter.sample_failures.inc("pressure")
        self.exporter.inference_failures.inc()
        self.exporter.models_set_aside.inc()
        self.exporter.scheduler_missed.inc("train")
        self.exporter.history_unsaved.set(7)
        self.exporter.history_lost.inc()
        self.exporter.history_salvaged.inc()
        self.exporter.reload_failures.inc()
        self.exporter.service_manager_failures.inc()
        self.exporter.notification_failures.inc()
        self.exporter.web_faults.inc("timeout")
        self.exporter.training_failures.inc()
        self.exporter.threshold_raise.set(0.05)

    def _open_alerts(self) -> None:
        """As the judge does that finds each flag worth an alert."""
        flags = {} if self.maintenance else self._flags()
        now = flags.get(0, False) or bool(self.limits)
        self.exporter.alert.set(now, "high_load", "present")
        self.exporter.alert.set(any(flags.values()) and not now, "high_load", "expected")
        self.exporter.alert.set(self.anomaly, "anomaly", "present")

    def _probabilities(self) -> dict[int, float]:
        rest = (1.0 - self.probability) * self.outlook
        return {h: self.probability + rest * h / HORIZONS[-1] for h in HORIZONS}

    def _flags(self) -> dict[int, bool]:
        return {h: p > 0.5 or bool(self.limits) for h, p in self._probabilities().items()}

    def _snapshot(self) -> Snapshot:
        now = self._clock.wall()
        drivers = (
            Contribution("cpu_pressure", 0.41),
            Contribution("memory", 0.22),
            Contribution("network", -0.05),
        )
        flags = self._flags()
        is_high = self.probability > 0.5 and not self.maintenance
        users = Culprits("cpu", now, 15.0, 4.0, (Culprit("unit", "mysql.service", 0.78),))
        return Snapshot(
            sample=Sample(now, self._clock.monotonic(), dict.fromkeys(NAMES, 0.3)),
            probabilities=self._probabilities(),
            high_load=flags,
            anomaly_score=0.9 if self.anomaly else 0.1,
            anomaly=self.anomaly,
            contributions={"high_load": drivers, "anomaly": drivers},
            model=ModelInfo("20231114T221320-7", "trained", self._trained),
            maintenance=self.maintenance,
            flagged_by=("limit" if self.limits else "model") if flags[0] else None,
            load_level=1.1 if flags[0] else 0.4,
            level_forecast={HORIZONS[-1]: (1.1, 1.3) if flags[0] else (0.5, 0.8)},
            limits=self.limits,
            alerts={"high_load": "present"} if is_high else {},
            culprits={"high_load": users} if is_high else {},
        )


class Served(Protocol):
    """What has a page."""

    name: str
    down: bool

    def page(self) -> bytes:
        """The page of now."""


@contextmanager
def served(hosts: Sequence[Served]) -> Iterator[int]:
    """Serve every host's page under ``/NAME/metrics``; gives the port."""
    by_path = {f"/{host.name}/metrics": host for host in hosts}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host = by_path.get(self.path)
            body = host.page() if host and not host.down else b""
            self.send_response(200 if body else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def targets(hosts: Sequence[Served], port: int) -> list[dict[str, object]]:
    """The entries of a ``static_configs``: each host under a name of its own."""
    return [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {"__metrics_path__": f"/{host.name}/metrics", "instance": f"{host.name}:10074"},
        }
        for host in hosts
    ]
