"""What the alerts about the daemon say of synthetic series."""

from typing import Final

from generate.scenario import SAMPLED, UP, Scenario, series_of

_DOWN: Final = "web-1:10074 has not answered scrapes for two minutes, or only some: nobody watches this host."
_DAMAGED: Final = "web-1:10074 found its history damaged; what was readable was saved into a new one."

HEALTH_SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        "LoadwatchDown",
        {series_of("up"): "1+0x9 0+0x19 1+0x20"},
        {
            "2m15s": None,
            "4m15s": None,
            "4m30s": _DOWN,
            "9m45s": None,
        },
    ),
    # Every second scrape is lost, then none: that takes two good minutes to be over.
    Scenario(
        "LoadwatchDown",
        {UP: "1+0x39" + " 0 1" * 40 + " 1+0x40"},
        {
            "10m": None,
            "13m": None,
            "20m": _DOWN,
            "29m45s": _DOWN,
            "32m15s": None,
        },
    ),
    # A reboot of a minute now and then is none of that.
    Scenario(
        "LoadwatchDown",
        {UP: "1+0x39 0+0x3 1+0x75 0+0x3 1+0x40"},
        dict.fromkeys(("10m45s", "12m", "15m", "31m", "35m")),
    ),
    Scenario(
        "LoadwatchSamplesStale",
        {series_of("loadwatch_last_sample_timestamp_seconds"): "0+15x20 300+0x20 615+15x20"},
        {
            "5m": None,
            "7m": None,
            "9m": "The last sample of web-1:10074 is 4m 0s old: its verdicts are withdrawn.",
            "11m": None,
        },
    ),
    # The sampler hangs in a maintenance window of half an hour; a daemon that left only its file died in one.
    Scenario(
        "LoadwatchSamplesStale",
        {
            UP: "1+0x200",
            SAMPLED: "0+15x20 300+0x180",
            series_of("loadwatch_maintenance"): "0+0x10 1+0x120 0+0x70",
        },
        {
            "15m": None,
            "33m": None,
            "36m": "The last sample of web-1:10074 is 31m 0s old: its verdicts are withdrawn.",
        },
    ),
    Scenario(
        "LoadwatchSamplesStale",
        {SAMPLED: "0+15x20 300+0x540", series_of("loadwatch_maintenance"): "1+0x560"},
        {
            "30m": None,
            "1h": None,
            "1h10m": "The last sample of web-1:10074 is 1h 5m 0s old: its verdicts are withdrawn.",
        },
    ),
    # A daemon that dies says so by LoadwatchDown alone.
    Scenario(
        "LoadwatchSamplesStale",
        {UP: "1+0x20 0+0x80", SAMPLED: "0+15x20 stale"},
        dict.fromkeys(("6m", "7m30s", "8m", "10m", "20m")),
    ),
    # The series appears with the first failure, as faults do; then it fails at every sample for half an hour.
    Scenario(
        "LoadwatchSourceFailing",
        {
            UP: "1+0x250",
            series_of("loadwatch_sample_failures_total", 'source="pressure"'): "_x20 1+3x120 361+0x100",
        },
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
        {
            UP: "1+0x220",
            series_of("loadwatch_sample_failures_total", 'source="network"'): "_x20 1+0x200",
        },
        {"6m": None, "20m": None, "40m": None},
    ),
    Scenario(
        "LoadwatchNotReady",
        {series_of("loadwatch_ready"): "0+0x79 1+0x20"},
        {
            "14m45s": None,
            "15m": "web-1:10074 has given no verdict for a quarter of an hour: no model, or not enough "
            "samples.",
            "20m15s": None,
        },
    ),
    # Every second scrape is lost: it still gave no verdict all the time.
    Scenario(
        "LoadwatchNotReady",
        {series_of("loadwatch_ready"): " ".join(["0 stale"] * 45)},
        {
            "14m45s": None,
            "15m": "web-1:10074 has given no verdict for a quarter of an hour: no model, or not enough "
            "samples.",
        },
    ),
    # Whoever is told which signal is missing is not told as well that there is no verdict.
    Scenario(
        "LoadwatchNotReady",
        {series_of("loadwatch_ready"): "0+0x99", series_of("loadwatch_unknown_signals"): "1+0x99"},
        {"15m": None, "20m": None},
    ),
    Scenario(
        "LoadwatchSignalUnknown",
        {
            series_of("loadwatch_unknown_signals"): "_x20 1+0x40 stale",
            series_of("loadwatch_signal", 'signal="cpu",unit="ratio"'): "0.5+0x18 NaN+0x42 0.5+0x30",
            series_of("loadwatch_signal", 'signal="memory",unit="ratio"'): "0.5+0x100",
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
        {series_of("process_start_time_seconds"): "100+0x20 400+0x7 500+0x8 600+0x150"},
        {
            "7m": None,
            "10m": "The daemon on web-1:10074 was restarted 3 times in half an hour.",
            "45m": None,
        },
    ),
    # The counts had grown past the old ones when it was scraped again.
    Scenario(
        "LoadwatchRestarting",
        {
            series_of("process_start_time_seconds"): "100+0x20 stale 400+0x7 stale 500+0x8 stale 600+0x20",
            series_of("loadwatch_samples_total"): "10+0x20 stale 12+0x7 stale 14+0x8 stale 16+0x20",
        },
        {"12m": "The daemon on web-1:10074 was restarted 3 times in half an hour."},
    ),
    # Without process_*, through node_exporter.
    Scenario(
        "LoadwatchRestarting",
        {series_of("loadwatch_samples_total"): "100+3x20 1+3x7 1+3x8 1+3x150"},
        {"7m": None, "10m": "The daemon on web-1:10074 was restarted 3 times in half an hour.", "45m": None},
    ),
    # Trained a week less five minutes before time zero.
    Scenario(
        "LoadwatchModelStale",
        {series_of("loadwatch_model_trained_timestamp_seconds"): "-604500+0x300 4500+0x40"},
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
            series_of("loadwatch_training_failures_total"): "0+0x20 1+0x20 2+0x100",
            series_of("loadwatch_last_training_success_timestamp_seconds"): "-43000+0x80 1215+0x61",
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
        {series_of("loadwatch_training_failures_total"): "0+0x20 1+0x100"},
        {"15m30s": "1 training runs of web-1:10074 failed in a day; none succeeded in 12 hours."},
    ),
    Scenario(
        "LoadwatchBudgetOverspent",
        {
            series_of("loadwatch_alert_threshold_raise"): "0+0x20 0.05+0x260 0+0x20",
        },
        {
            "1h5m": None,
            "1h6m": "web-1:10074 asks for stronger evidence before it alerts: "
            "the weekly budget is overspent.",
            "1h12m": None,
        },
    ),
    # ``job`` of our metric gives way to ``job`` of the target, as Prometheus does with a scraped label.
    Scenario(
        "LoadwatchSchedulerMissing",
        {
            UP: "1+0x340",
            series_of("loadwatch_scheduler_missed_total", 'exported_job="train"'): "_x20 1+0x20 2+0x300",
            series_of("loadwatch_scheduler_missed_total", 'exported_job="prune"'): "_x80 1+0x240",
        },
        {
            "15m": None,
            "26m": "web-1:10074 missed 3 scheduled runs in an hour.",
            "1h22m": None,
        },
    ),
    Scenario(
        "LoadwatchHistoryFailing",
        {series_of("loadwatch_history_unsaved_samples"): "0+0x20 1+1x40 0+0x20"},
        {
            "10m": None,
            "11m": "24 samples of web-1:10074 wait in memory because the history cannot be written.",
            "16m": None,
        },
    ),
    Scenario(
        "LoadwatchHistoryDamaged",
        {UP: "1+0x1620", series_of("loadwatch_history_salvages_total"): "0+0x20 1+0x1600"},
        {
            "4m45s": None,
            "5m15s": _DAMAGED,
            "6h6m": None,
        },
    ),
    # Damage, a restart later that loses the count, damage again: the count is 1 both times.
    Scenario(
        "LoadwatchHistoryDamaged",
        {UP: "1+0x500", series_of("loadwatch_history_salvages_total"): "1+0x400 stale _x8 1+0x90"},
        {"1h": None, "1h40m": None, "1h43m": _DAMAGED, "2h": _DAMAGED},
    ),
    # What a new Prometheus finds is old; so is what a restart that took a while still knows.
    Scenario(
        "LoadwatchHistoryDamaged",
        {
            UP: "1+0x100 0+0x8 1+0x400",
            series_of("loadwatch_history_salvages_total"): "1+0x100 stale _x8 1+0x400",
        },
        dict.fromkeys(("15s", "5m", "25m", "27m30s", "1h")),
    ),
    # A service that is away for a few minutes is no news; one that stays away is, for as long as it does.
    Scenario(
        "LoadwatchNotificationFailing",
        {UP: "1+0x1000", series_of("loadwatch_notification_failures_total"): "0+0x20 1+1x2 3+0x900"},
        dict.fromkeys(("5m", "6m", "30m", "2h")),
    ),
    Scenario(
        "LoadwatchNotificationFailing",
        {
            UP: "1+0x1200",
            series_of("loadwatch_notification_failures_total"): "0+0x20 1+1x7 8+0x1100",
        },
        {
            "5m": None,
            "8m": "web-1:10074 could not deliver messages about its alerts, 8 attempts in two hours.",
            "2h8m": None,
        },
    ),
)
