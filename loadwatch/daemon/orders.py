"""The order of a training as the configuration has it: for the daemon and for ``loadwatch train`` alike."""

from pathlib import Path

from loadwatch.config import Config
from loadwatch.maintenance import MaintenanceCalendar
from loadwatch.model.host import host_identity
from loadwatch.training.order import Order


def order_for(config: Config, state_directory: Path, now: float, *, bootstrap: bool = False) -> Order:
    """What to train at wall time ``now``; with ``bootstrap`` a first model from synthetic metrics."""
    recurring = MaintenanceCalendar(config.maintenance.windows)
    windows = recurring.spans(now - config.training.history, now)
    return Order(
        state_directory=str(state_directory),
        now=now,
        rule=config.high_load.when,
        horizons=list(config.high_load.horizons),
        interval_seconds=config.sampling.interval,
        history_seconds=config.training.history,
        minimum_seconds=config.training.minimum,
        budget_per_week=config.alerts.budget_per_week,
        host=host_identity(),
        bootstrap=bootstrap,
        seed=int(now) % 2**31,
        maintenance=[[span.start, span.end] for span in windows],
        units={own.name: own.signal.unit for own in config.signals},
    )
