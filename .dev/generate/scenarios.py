"""Stories with synthetic series, one or more for each alert: it keeps quiet, fires with this text, clears.

A sample every fifteen seconds, from time zero; ``0+0x19 1+0x20`` is twenty samples of 0, then 21 of 1.
"""

from dataclasses import dataclass
from typing import Final

HOST: Final = 'job="loadwatch",instance="web-1:10074"'


@dataclass(frozen=True, slots=True)
class Scenario:
    """Series by name with labels, and what one alert says at which time; None: it does not fire."""

    alert: str
    series: dict[str, str]
    says: dict[str, str | None]


def _host(name: str, labels: str = "") -> str:
    return f"{name}{{{HOST}{',' if labels else ''}{labels}}}"


_FLAG: Final = _host("loadwatch_high_load", 'horizon="0"')
_LATER: Final = {h: _host("loadwatch_high_load", f'horizon="{h}"') for h in ("60", "300", "900")}
_PROBABILITY: Final = {
    h: _host("loadwatch_high_load_probability", f'horizon="{h}"') for h in ("0", "60", "300", "900")
}


def _contribution(signal: str, verdict: str) -> str:
    return _host("loadwatch_contribution", f'signal="{signal}",verdict="{verdict}"')


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        "LoadwatchHighLoad",
        {
            _FLAG: "0+0x19 1+0x19 0+0x40",
            _PROBABILITY["0"]: "0.02+0x19 0.97+0x19 0.02+0x40",
            _host("loadwatch_high_load_by_guard"): "0+0x80",
            _contribution("memory", "high_load"): "0.22+0x80",
            _contribution("cpu_pressure", "high_load"): "0.41+0x80",
            _contribution("network", "high_load"): "-0.05+0x80",
            _contribution("disk", "anomaly"): "0.9+0x80",
        },
        {
            "4m45s": None,
            "5m": "web-1:10074 is under high load (probability 97%). "
            "Top signals: cpu_pressure +0.41, memory +0.22",
            "11m30s": "web-1:10074 is under high load (probability 97%). "
            "Top signals: cpu_pressure +0.41, memory +0.22",
            "12m": None,
        },
    ),
    # The model is not sure, the plain limits are; the series of one host says nothing about the other's.
    Scenario(
        "LoadwatchHighLoad",
        {
            _FLAG: "1+0x20",
            _PROBABILITY["0"]: "0.3+0x20",
            _host("loadwatch_high_load_by_guard"): "1+0x20",
            _contribution("cpu", "high_load").replace("web-1", "db-1"): "0.9+0x20",
        },
        {
            "1m": "web-1:10074 is under high load (probability 30%), raised by the plain limits on the "
            "signals."
        },
    ),
    # Scrapes that fail for a minute in the middle of it do not end the alert.
    Scenario(
        "LoadwatchHighLoad",
        {_FLAG: "1+0x7 stale _x3 1+0x8"},
        {"2m45s": "web-1:10074 is under high load.", "4m": "web-1:10074 is under high load."},
    ),
    Scenario(
        "LoadwatchHighLoadExpected",
        {
            _FLAG: "0+0x39 1+0x20",
            _LATER["60"]: "0+0x60",
            _LATER["300"]: "0+0x19 1+0x40",
            _LATER["900"]: "0+0x9 1+0x50",
            _PROBABILITY["0"]: "0.1+0x60",
            _PROBABILITY["60"]: "0.2+0x60",
            _PROBABILITY["300"]: "0.83+0x60",
            _PROBABILITY["900"]: "0.915+0x60",
            _contribution("tcp_retransmits", "high_load"): "0.3+0x60",
        },
        {
            "2m15s": None,
            "2m30s": "web-1:10074 is expected to be under high load within 15m 0s (probability 91.5%). "
            "Top signals: tcp_retransmits +0.30",
            "5m": "web-1:10074 is expected to be under high load within 5m 0s (probability 83%), "
            "15m 0s (probability 91.5%). Top signals: tcp_retransmits +0.30",
            # The load has arrived: LoadwatchHighLoad tells that.
            "10m": None,
        },
    ),
    # The forecasts outlast the load by some minutes: that is no second alert when the first one clears. One
    # that still stands, or comes up again, after a quarter of an hour of calm is news.
    Scenario(
        "LoadwatchHighLoadExpected",
        {
            _FLAG: "0+0x19 1+0x20 0+0x120",
            _LATER["900"]: "0+0x19 1+0x40 0+0x20 1+0x80",
            _PROBABILITY["900"]: "0.75+0x160",
        },
        {
            "9m": None,
            "12m15s": None,
            "15m": None,
            "24m": None,
            "26m": "web-1:10074 is expected to be under high load within 15m 0s (probability 75%).",
        },
    ),
    Scenario(
        "LoadwatchHighLoadExpected",
        {_LATER["60"]: "1+0x19 0+0x20", _PROBABILITY["60"]: "0.7+0x40"},
        {
            "1m": "web-1:10074 is expected to be under high load within 1m 0s (probability 70%).",
            "7m": None,
        },
    ),
    Scenario(
        "LoadwatchAnomaly",
        {
            _host("loadwatch_anomaly"): "0+0x19 1+0x19 0+0x40",
            _host("loadwatch_anomaly_score"): "0.1+0x19 0.934+0x19 0.1+0x40",
            _contribution("tcp_resets", "anomaly"): "1.2+0x80",
            _contribution("udp_errors", "anomaly"): "0.5+0x80",
            _contribution("iowait", "anomaly"): "0.25+0x80",
            _contribution("cpu", "anomaly"): "0.125+0x80",
        },
        {
            "4m45s": None,
            "6m": "web-1:10074 behaves unlike itself (score 0.93). "
            "Top signals: tcp_resets +1.20, udp_errors +0.50, iowait +0.25",
            "12m": None,
        },
    ),
    Scenario(
        "LoadwatchDown",
        {_host("up"): "1+0x9 0+0x19 1+0x20"},
        {
            "2m15s": None,
            "4m15s": None,
            "4m30s": "web-1:10074 has not answered a scrape for two minutes: nobody watches this host.",
            "7m30s": None,
        },
    ),
    Scenario(
        "LoadwatchSamplesStale",
        {_host("loadwatch_last_sample_timestamp_seconds"): "0+15x20 300+0x20 615+15x20"},
        {
            "5m": None,
            "7m": None,
            "9m": "The last sample of web-1:10074 is 4m 0s old: its verdicts are withdrawn.",
            "11m": None,
        },
    ),
    # The series appears with the first failure, as faults do; then it fails at every sample for half an hour.
    Scenario(
        "LoadwatchSourceFailing",
        {_host("loadwatch_sample_failures_total", 'source="pressure"'): "_x20 1+3x120 361+0x100"},
        {
            "15m": None,
            "19m45s": None,
            "25m": "web-1:10074 cannot read some of its signals; the verdicts do without them. "
            "Failures in ten minutes: pressure 120",
            "50m": None,
        },
    ),
    Scenario(
        "LoadwatchSourceFailing",
        {_host("loadwatch_sample_failures_total", 'source="network"'): "_x20 1+0x200"},
        {"6m": None, "20m": None, "40m": None},
    ),
    Scenario(
        "LoadwatchNotReady",
        {_host("loadwatch_ready"): "0+0x79 1+0x20"},
        {
            "14m45s": None,
            "15m": "web-1:10074 has given no verdict for a quarter of an hour: no model, or not enough "
            "samples.",
            "20m15s": None,
        },
    ),
    # Whoever is told which signal is missing is not told as well that there is no verdict.
    Scenario(
        "LoadwatchNotReady",
        {_host("loadwatch_ready"): "0+0x99", _host("loadwatch_unknown_signals"): "1+0x99"},
        {"15m": None, "20m": None},
    ),
    Scenario(
        "LoadwatchSignalUnknown",
        {
            _host("loadwatch_unknown_signals"): "_x20 1+0x40 stale",
            _host("loadwatch_signal", 'signal="cpu",unit="ratio"'): "0.5+0x18 NaN+0x42 0.5+0x30",
            _host("loadwatch_signal", 'signal="memory",unit="ratio"'): "0.5+0x100",
        },
        {
            "9m": None,
            "10m15s": "web-1:10074 is judged without signals that its high-load rule or limits need. "
            "Unknown: cpu",
            "16m": None,
        },
    ),
    Scenario(
        "LoadwatchRestarting",
        {_host("loadwatch_samples_total"): "100+3x20 1+3x7 1+3x8 1+3x150"},
        {
            "7m": None,
            "10m": "The daemon on web-1:10074 was restarted 3 times in half an hour.",
            "45m": None,
        },
    ),
    # Trained a week less five minutes before time zero.
    Scenario(
        "LoadwatchModelStale",
        {_host("loadwatch_model_trained_timestamp_seconds"): "-604500+0x300 4500+0x40"},
        {
            "5m": None,
            "1h5m": None,
            "1h6m": "The model of web-1:10074 is 7d 1h 1m 0s old.",
            "1h16m": None,
        },
    ),
    Scenario(
        "LoadwatchTrainingFailing",
        {
            _host("loadwatch_training_failures_total"): "0+0x20 1+0x20 2+0x100",
            _host("loadwatch_last_training_success_timestamp_seconds"): "-43000+0x80 1215+0x61",
        },
        {
            "5m15s": None,
            "15m": None,
            "18m": "2 training runs of web-1:10074 failed in a day; none succeeded in 12 hours.",
            "21m": None,
        },
    ),
    # It never succeeded: there is no time of the last success.
    Scenario(
        "LoadwatchTrainingFailing",
        {_host("loadwatch_training_failures_total"): "0+0x20 1+0x100"},
        {"15m30s": "1 training runs of web-1:10074 failed in a day; none succeeded in 12 hours."},
    ),
    Scenario(
        "LoadwatchBudgetOverspent",
        {
            _host("loadwatch_alert_threshold_raise", 'verdict="high_load"'): "0+0x20 0.05+0x260 0+0x20",
            _host("loadwatch_alert_threshold_raise", 'verdict="anomaly"'): "0+0x300",
        },
        {
            "1h5m": None,
            "1h6m": "web-1:10074 has raised its alert threshold because the weekly budget is overspent: "
            "high_load +0.05.",
            "1h12m": None,
        },
    ),
    # ``job`` of our metric gives way to ``job`` of the target, as Prometheus does with a scraped label.
    Scenario(
        "LoadwatchSchedulerMissing",
        {
            _host("loadwatch_scheduler_missed_total", 'exported_job="train"'): "_x20 1+0x20 2+0x300",
            _host("loadwatch_scheduler_missed_total", 'exported_job="prune"'): "_x80 1+0x240",
        },
        {
            "15m": None,
            "26m": "web-1:10074 missed 3 scheduled runs in an hour.",
            "1h22m": None,
        },
    ),
    Scenario(
        "LoadwatchHistoryFailing",
        {_host("loadwatch_history_unsaved_samples"): "0+0x20 1+1x40 0+0x20"},
        {
            "10m": None,
            "11m": "24 samples of web-1:10074 wait in memory because the history cannot be written.",
            "16m": None,
        },
    ),
    Scenario(
        "LoadwatchHistoryDamaged",
        {_host("loadwatch_history_salvages_total"): "_x20 1+0x1600"},
        {
            "4m45s": None,
            "5m": "web-1:10074 found its history damaged; what was readable was saved into a new one.",
            "6h6m": None,
        },
    ),
)
