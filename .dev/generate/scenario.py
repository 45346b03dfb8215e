"""Stories with synthetic series, one or more for each alert: it keeps quiet, fires with this text, clears.

A sample every fifteen seconds, from time zero; ``0+0x19 1+0x20`` is twenty samples of 0, then 21 of 1.
"""

from dataclasses import dataclass
from typing import Final

HOST: Final = 'job="loadwatch",instance="web-1:10074"'


@dataclass(frozen=True, slots=True)
class Scenario:
    """Series by name with labels, and what one alert says at which time; None: it does not fire.

    ``host`` has the labels of the alert beside its severity.
    """

    alert: str
    series: dict[str, str]
    says: dict[str, str | None]
    host: str = HOST


def series_of(name: str, labels: str = "") -> str:
    return f"{name}{{{HOST}{',' if labels else ''}{labels}}}"


def elsewhere(series: str, labels: str) -> str:
    """The same series of a host with the labels ``labels`` in place of ours."""
    return series.replace(HOST, labels)


FLAG: Final = series_of("loadwatch_high_load", 'horizon="0"')
LATER: Final = {h: series_of("loadwatch_high_load", f'horizon="{h}"') for h in ("60", "300", "900")}
PROBABILITY: Final = {
    h: series_of("loadwatch_high_load_probability", f'horizon="{h}"') for h in ("0", "60", "300", "900")
}
PRESENT: Final = series_of("loadwatch_alert", 'verdict="high_load",stage="present"')
EXPECTED: Final = series_of("loadwatch_alert", 'verdict="high_load",stage="expected"')
ODD: Final = series_of("loadwatch_alert", 'verdict="anomaly",stage="present"')
SAMPLED: Final = series_of("loadwatch_last_sample_timestamp_seconds")
UP: Final = series_of("up")


def contribution(signal: str, verdict: str) -> str:
    return series_of("loadwatch_contribution", f'signal="{signal}",verdict="{verdict}"')


def limit(signal: str) -> str:
    return series_of("loadwatch_limit_exceeded", f'signal="{signal}"')


def culprit(unit: str, resource: str) -> str:
    return series_of("loadwatch_culprit", f'unit="{unit}",resource="{resource}"')
