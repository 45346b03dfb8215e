"""The first model: trained within two seconds on a made-up server, so that there is a verdict at once."""

from collections.abc import Sequence
from typing import Final

from loadwatch.labels.rule import Rule
from loadwatch.model.forecast import ForecastModel
from loadwatch.records import Recording
from loadwatch.training.forecast import ForecastReport, train_forecast
from loadwatch.training.synthetic import synthetic_recording

ROWS: Final = 20_000
GENERIC: Final = "cpu > 0.8"


def train_bootstrap(
    rule: Rule, horizons: Sequence[int], *, step: float = 5.0, seed: int = 0
) -> tuple[ForecastModel, ForecastReport]:
    """A forecaster for a host that has no history, for samples each ``step`` seconds.

    It sees nothing but the load level, because that means the same on every host. Where ``rule`` uses signals
    the made-up server does not have, its level moves as that of a plain CPU limit.
    """
    recording = synthetic_recording(step, ROWS, seed=seed)
    levels = rule.levels(recording)
    if not 0.002 < float((levels > 1.0).mean()) < 0.5:
        levels = Rule.parse(GENERIC).levels(recording)
    only_level = Recording(recording.timestamps, ("load",), levels[:, None])
    return train_forecast(only_level, Rule.parse("load > 1"), horizons, seed=seed)
