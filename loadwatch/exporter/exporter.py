"""Everything ``/metrics`` shows, built afresh for each scrape from what was last published.

A scrape samples nothing, infers nothing and reads no file of ours: it formats numbers that are in memory.
"""

import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.registry import Collector

from loadwatch.build import build, version_of
from loadwatch.clock import Clock, age_of
from loadwatch.exporter import table
from loadwatch.exporter.instruments import Counter, Gauge, Histogram, Labels, gauge_family
from loadwatch.exporter.own_process import OwnProcess
from loadwatch.exporter.pages import Content, PageCache
from loadwatch.exporter.selection import (
    ALERT_STAGES,
    USUAL_HORIZONS,
    StrongestContributions,
    culprit_shares,
    most_telling,
    room_beside,
)
from loadwatch.model.level import QUANTILES
from loadwatch.records import STALE_AFTER_INTERVALS, VERDICTS, Snapshot
from loadwatch.signals import BY_NAME, Signal

_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True, slots=True)
class _Published:
    """A snapshot with what was worked out once when it came, and the boot time of that moment."""

    snapshot: Snapshot
    contributions: dict[Labels, float]
    boottime: float


class Exporter(Collector):
    """Collects what the daemon publishes and counts, and renders it for Prometheus.

    The attributes are the instruments the daemon moves; verdicts, signals and model come with ``publish``.
    ``interval`` is the sampling interval in seconds and may be changed at a reload. ``is_maintenance`` is
    asked at each scrape whether a wall time lies in a window: the answer holds when samples stay away, too.
    ``described`` are the signals that have a unit, by name; replaced, never changed.
    """

    def __init__(self, clock: Clock, interval: float) -> None:
        self.interval = interval
        self.described: Mapping[str, Signal] = BY_NAME
        self.is_maintenance: Callable[[float], bool] = lambda _timestamp: False
        self._clock = clock
        self._published: _Published | None = None
        self._strongest = StrongestContributions()
        self._publishing = threading.Lock()

        self.samples = Counter(table.SAMPLES, ())
        self.sample_failures = Counter(table.SAMPLE_FAILURES)
        self.sample_duration = Histogram(table.SAMPLE_DURATION)
        self.inference_duration = Histogram(table.INFERENCE_DURATION)
        self.inference_failures = Counter(table.INFERENCE_FAILURES, ())
        self.model_brier = Gauge(table.MODEL_BRIER)
        self.training_runs = Counter(table.TRAINING_RUNS, ())
        self.training_failures = Counter(table.TRAINING_FAILURES, ())
        self.training_rejections = Counter(table.TRAINING_REJECTIONS, ())
        self.training_duration = Gauge(table.TRAINING_DURATION)
        self.training_loss = Gauge(table.TRAINING_LOSS)
        self.training_samples = Gauge(table.TRAINING_SAMPLES)
        self.training_waiting = Gauge(table.TRAINING_WAITING, ())
        self.last_training_success = Gauge(table.LAST_TRAINING_SUCCESS)
        verdicts = [(verdict,) for verdict in VERDICTS]
        self.alert = Gauge(table.ALERT, *ALERT_STAGES)
        self.alerts = Counter(table.ALERTS, *verdicts)
        self.alert_budget = Gauge(table.ALERT_BUDGET)
        self.threshold_raise = Gauge(table.THRESHOLD_RAISE, ())
        self.false_alarms = Gauge(table.FALSE_ALARMS)
        self.forecast_hits = Gauge(table.FORECAST_HITS)
        self.forecast_lead = Gauge(table.FORECAST_LEAD)
        self.scheduler_missed = Counter(table.SCHEDULER_MISSED)
        self.history_unsaved = Gauge(table.HISTORY_UNSAVED, ())
        self.history_lost = Counter(table.HISTORY_LOST, ())
        self.history_salvaged = Counter(table.HISTORY_SALVAGED, ())
        self.models_set_aside = Counter(table.MODELS_SET_ASIDE, ())
        self.reload_failures = Counter(table.RELOAD_FAILURES, ())
        self.notification_failures = Counter(table.NOTIFICATION_FAILURES)
        self.service_manager_failures = Counter(table.SERVICE_MANAGER_FAILURES, ())
        self.web_faults = Counter(table.WEB_FAULTS)

        self._build_info = Gauge(table.BUILD_INFO)
        self._build_info.set(1, version_of(build()), platform.python_version(), np.__version__)
        self._last_sample = Gauge(table.LAST_SAMPLE)
        self._model_info = Gauge(table.MODEL_INFO)
        self._model_trained = Gauge(table.MODEL_TRAINED)

        instruments = [
            value for value in vars(self).values() if isinstance(value, Counter | Gauge | Histogram)
        ]
        self._instruments = {instrument.metric: instrument for instrument in instruments}
        self._rare = [
            metric
            for metric in table.METRICS
            if metric.series is None and isinstance(self._instruments.get(metric), Counter)
        ]
        self._process = OwnProcess()
        self._process_seen: tuple[_Published | None, list[Content]] = None, []
        self._kept = PageCache()

    def publish(self, snapshot: Snapshot | None) -> None:
        """Show this snapshot from now on; None withdraws the verdict because nothing is known."""
        with self._publishing:
            if snapshot is None:
                self._published = None
                return
            self._last_sample.set(snapshot.sample.timestamp)
            if snapshot.model is not None:
                self._model_info.only(1, snapshot.model.version, snapshot.model.origin)
                self._model_trained.set(snapshot.model.trained_timestamp)
            chosen = self._strongest.select(snapshot.contributions)
            self._published = _Published(snapshot, chosen, self._clock.boottime())

    def is_ready(self) -> bool:
        """Whether there is a fresh verdict from all it needs: ``loadwatch_ready`` and ``/-/ready``."""
        published = self._fresh()
        if published is None:
            return False
        return bool(published.snapshot.probabilities) and not published.snapshot.unknown

    def render(self) -> bytes:
        """Our own metrics in Prometheus' text format, fit for node_exporter's textfile collector.

        Without ``process_*``: node_exporter exports its own under these names, and would fail as a whole.
        """
        return generate_latest(self)

    def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The page in the format that the Accept header asks for, and its content type."""
        # The library trips over versions that are no numbers, so it never sees what a client wrote.
        encode, content_type = choose_encoder(_OPENMETRICS if _OPENMETRICS.split(";")[0] in accept else "")
        # Once a sample: what it cost a moment later makes no other page, to be encoded and compressed anew.
        published = self._fresh()
        if published is None or published is not self._process_seen[0]:
            self._process_seen = published, self._process.contents()
        contents = chain(self._contents(), self._process_seen[1])
        return self._kept.page(encode, content_type, contents), content_type

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family that has something to say, in the order of the table."""
        for _, values, family_of in self._contents():
            family = family_of(values)
            if family.samples:
                yield family

    def _contents(self) -> Iterator[Content]:
        """Each metric with its present values, and what makes a family of them."""
        published = self._fresh()
        counted = {metric: instrument.values() for metric, instrument in self._instruments.items()}
        rare = {metric: counted[metric] for metric in self._rare}
        counting = sum(value > 0 for values in rare.values() for value in values.values())
        verdicts = self._verdicts(published, counting) if published else {}
        verdicts[table.READY] = {(): float(self.is_ready())}
        verdicts[table.MAINTENANCE] = {(): float(self.is_maintenance(self._clock.wall()))}
        shown = sum(len(series) for metric, series in verdicts.items() if metric.series is None)
        room = room_beside(len(verdicts.get(table.HIGH_LOAD, ())) or USUAL_HORIZONS, counting + shown)
        for values in rare.values():
            zeros = [labels for labels, value in values.items() if not value]
            for labels in zeros[max(0, room) :]:
                del values[labels]
            room -= len(zeros)
        for metric in table.METRICS:
            if metric in counted:
                yield metric, counted[metric], self._instruments[metric].family_of
            elif metric in verdicts:
                yield metric, verdicts[metric], partial(gauge_family, metric)

    def _fresh(self) -> _Published | None:
        """What was published, unless its sample is older than three sampling intervals."""
        published = self._published
        if published is None:
            return None
        sampled = published.snapshot.sample.monotonic
        age = age_of(self._clock, monotonic=sampled, boottime=published.boottime)
        return published if age <= STALE_AFTER_INTERVALS * self.interval else None

    def _verdicts(self, published: _Published, counting: int) -> dict[table.Metric, dict[Labels, float]]:
        snapshot = published.snapshot
        source = snapshot.flagged_by
        flags: dict[Labels, float] = {
            (str(horizon),): float(flag) for horizon, flag in snapshot.high_load.items()
        }
        values: dict[table.Metric, dict[Labels, float]] = {
            table.HIGH_LOAD_PROBABILITY: {(str(h),): p for h, p in snapshot.probabilities.items()},
            table.HIGH_LOAD: flags,
            table.LOAD_LEVEL: {} if snapshot.load_level is None else {(): snapshot.load_level},
            table.LOAD_LEVEL_FORECAST: _longest(snapshot.level_forecast),
            table.HIGH_LOAD_SOURCE: {(source,): 1.0} if source else {},
            table.LIMIT_EXCEEDED: {(signal,): value for signal, value in snapshot.limits.items()},
            table.ANOMALY_SCORE: {} if snapshot.anomaly_score is None else {(): snapshot.anomaly_score},
            table.ANOMALY: {} if snapshot.anomaly is None else {(): float(snapshot.anomaly)},
            table.CONTRIBUTION: published.contributions,
            table.FILLING: {(one.what,): one.share for one in snapshot.filling},
            table.FULL_IN: {
                (one.what,): one.full_in_seconds
                for one in snapshot.filling
                if one.full_in_seconds is not None
            },
            table.CULPRIT: culprit_shares(snapshot),
            table.UNKNOWN_SIGNALS: {(): float(len(snapshot.unknown))} if snapshot.unknown else {},
        }
        in_trouble = sum(len(series) for metric, series in values.items() if metric.series is None)
        signals = snapshot.sample.values
        room = room_beside(len(flags) or USUAL_HORIZONS, counting + in_trouble)
        values[table.SIGNAL] = {
            (name, self.described[name].unit if name in self.described else "1"): signals[name]
            for name in most_telling(tuple(signals), room)
        }
        return values


def _longest(levels: Mapping[int, tuple[float, float]]) -> dict[Labels, float]:
    """The quantiles of the longest horizon: beside all signals of a host there is room for no more."""
    if not levels:
        return {}
    horizon = max(levels)
    return {
        (str(horizon), str(quantile)): level
        for quantile, level in zip(QUANTILES, levels[horizon], strict=True)
    }
