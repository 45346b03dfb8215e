"""A full snapshot and an exporter that has something to say in every metric."""

import pytest
from manual_clock import ManualClock

from loadwatch.exporter import Exporter
from loadwatch.records import Contribution, ModelInfo, Sample, Snapshot
from loadwatch.signals import NAMES

WALL = 1_700_000_000.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(WALL)


@pytest.fixture
def snapshot(clock: ManualClock) -> Snapshot:
    values = {name: (1 + index) / 32 for index, name in enumerate(NAMES)}
    parts = tuple(Contribution(name, (index - 13) / 16) for index, name in enumerate(NAMES))
    return Snapshot(
        sample=Sample(clock.wall(), clock.monotonic(), values),
        probabilities={0: 0.125, 60: 0.25, 300: 0.5, 900: 0.75},
        high_load={0: False, 60: False, 300: True, 900: True},
        anomaly_score=0.375,
        anomaly=False,
        contributions={"high_load": parts, "anomaly": parts},
        model=ModelInfo("20231114T221320-7", "trained", WALL - 3600),
        maintenance=False,
        load_level=0.625,
        level_forecast={60: (0.625, 0.75), 300: (0.6875, 0.9375), 900: (0.75, 1.25)},
    )


@pytest.fixture
def exporter(clock: ManualClock) -> Exporter:
    """Everything known, nothing broken: as many series as a healthy host ever has."""
    exporter = Exporter(clock, interval=5.0)
    exporter.samples.set(1234)
    exporter.sample_duration.observe(0.004)
    exporter.sample_duration.observe(0.25)
    exporter.inference_duration.observe(0.0005)
    exporter.model_brier.set(0.03125)
    exporter.training_runs.inc(by=3)
    exporter.training_rejections.inc()
    exporter.training_duration.set(12.5)
    exporter.training_loss.set(0.125, "train")
    exporter.training_samples.set(100_000)
    exporter.last_training_success.set(WALL - 3600)
    for verdict in ("high_load", "anomaly"):
        exporter.false_alarms.set(0.5, verdict)
    exporter.alert_budget.set(2)
    exporter.alerts.inc("high_load")
    exporter.forecast_hits.set(0.75)
    exporter.forecast_lead.set(240)
    return exporter
