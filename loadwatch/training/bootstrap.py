"""The first model: trained within two seconds on synthetic servers, so that there is a verdict at once."""

import time
from collections.abc import Sequence

import numpy as np

from loadwatch.features.forecast import ForecastSpec
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.forecast import ForecastModel
from loadwatch.training.forecast import ForecastReport
from loadwatch.training.learner import Learner
from loadwatch.training.table import synthetic_table


def train_bootstrap(
    rule: Rule, horizons: Sequence[int], *, step: float = 5.0, seed: int = 0
) -> tuple[ForecastModel, ForecastReport]:
    """A forecaster for a host without history, for samples each ``step`` seconds.

    It sees nothing but the load level, because that means the same on every host.
    """
    started = time.perf_counter()
    times = step * np.arange(3, dtype=np.float64)
    spec = ForecastSpec.fitting(times, (), float(max(horizons)))
    table = synthetic_table(spec, rule, horizons, seed)
    learner = Learner(table, table.take(np.arange(0)), 1.0, np.random.default_rng(seed))
    model, losses = learner.learn()
    report = ForecastReport(len(table), table.onsets, time.perf_counter() - started, losses, ())
    return model, report


def first_model(
    rule: Rule, horizons: Sequence[int], *, step: float, seed: int, version: str, now: float, host: str
) -> Model:
    """The same with its card, of a host that has shown nothing before ``now``."""
    forecast, report = train_bootstrap(rule, horizons, step=step, seed=seed)
    card = Card(
        version=version,
        origin="bootstrap",
        trained_timestamp=now,
        host=host,
        rule=rule.text,
        horizons=tuple(horizons),
        signals=tuple(sorted(rule.signals)),
        row_seconds=step,
        start_timestamp=now,
        end_timestamp=now,
        cold_start_timestamp=now,
        rows=report.rows,
        duration_seconds=report.seconds,
        losses={"train": report.loss},
        thresholds=forecast.thresholds_by_name(),
        why="published: the first model, from synthetic metrics",
    )
    return Model(card, forecast)
