"""The dashboard of the daemon and its model: whether its verdicts can be trusted."""

from typing import Final

from generate.dashboard import Dashboard, Row
from generate.panels import Panel, Query, alert_list, graph, stat, states


def _faults(key: str, title: str, description: str, counter: str, label: str = "") -> Panel:
    by = f"job, instance, {label}" if label else "job, instance"
    query = f"sum by ({by}) (increase({counter}{{$host}}[$__rate_interval]))"
    return graph(
        key,
        title,
        description,
        Query(query, f"{{{{{label}}}}}" if label else "faults"),
        legend="names" if label else "hidden",
    ).shown(unknown="none", width=8)


_STATE: Final = (
    stat(
        "ready",
        "Verdicts",
        "Whether the daemon has a model and enough fresh samples to judge.",
        "loadwatch_ready{$host}",
        mappings=states(("0", "NONE", "red"), ("1", "given", "green")),
    ),
    stat(
        "model",
        "Model",
        "The model in use, and whether it was trained on this host or is the first, synthetic one.",
        "loadwatch_model_info{$host}",
        name="${__field.labels.origin} ${__field.labels.version}",
    ),
    stat(
        "version",
        "Version",
        "The version of loadwatch that runs.",
        "loadwatch_build_info{$host}",
        name="${__field.labels.version}",
    ),
    stat(
        "waiting",
        "Training",
        "Training waits while the host suffers, so as not to make a bad moment worse.",
        "loadwatch_training_waiting{$host}",
        mappings=states(("0", "as scheduled", "text"), ("1", "WAITING", "orange")),
    ),
    stat(
        "hits",
        "Forecasts that came true",
        "Share of the forecast alerts that came true, as measured on this host so far.",
        "loadwatch_forecast_hit_ratio{$host}",
        unit="percentunit",
    ).shown(decimals=0, unknown="no forecast yet"),
    stat(
        "lead",
        "Lead time",
        "Median time by which forecasts that came true were early.",
        "loadwatch_forecast_lead_time_seconds{$host}",
        unit="s",
    ).shown(decimals=0, unknown="no forecast yet"),
)

_MODEL: Final = (
    graph(
        "model_age",
        "Age of the model",
        "Time since the model in use was trained; it falls when a new one is published. And time since a "
        "training last ended with a candidate.",
        Query("time() - loadwatch_model_trained_timestamp_seconds{$host}", "model"),
        Query("time() - loadwatch_last_training_success_timestamp_seconds{$host}", "success"),
        unit="s",
    ).shown(width=8),
    graph(
        "training_runs",
        "Training in the last day",
        "Runs, runs that failed, and candidates that were refused because they were no better.",
        Query("increase(loadwatch_training_runs_total{$host}[1d])", "runs"),
        Query("increase(loadwatch_training_failures_total{$host}[1d])", "failed"),
        Query("increase(loadwatch_training_rejections_total{$host}[1d])", "refused"),
    ).shown(width=8),
    graph(
        "losses",
        "Losses",
        "Loss of the last finished training on what it learned from and on what it never saw. A growing "
        "distance between the two is overfitting.",
        Query("loadwatch_training_loss{$host}", "{{split}}"),
    ).shown(width=8),
    graph(
        "calibration",
        "Calibration",
        "Brier score of the probabilities on the span held out from training: 0 is perfect, 0.25 is a coin.",
        Query("loadwatch_model_brier_score{$host}", "score"),
        top=0.25,
        legend="hidden",
    ).shown(width=8),
    graph(
        "training_cost",
        "Duration of training",
        "How long the last finished training took.",
        Query("loadwatch_training_duration_seconds{$host}", "duration"),
        legend="hidden",
        unit="s",
    ).shown(width=8),
    graph(
        "training_samples",
        "Rows learned from",
        "Rows of history that the last finished training learned from.",
        Query("loadwatch_training_samples{$host}", "rows"),
        legend="hidden",
    ).shown(width=8),
)

_WORTH: Final = (
    graph(
        "budget",
        "Alerts in a week and their budget",
        "Alerts of the last seven days, the number that the configuration allows, and how many a week "
        "neither rule, kernel pressure nor operator ever confirmed.",
        Query("increase(loadwatch_alerts_total{$host}[7d])", "{{verdict}}"),
        Query("loadwatch_alert_budget_per_week{$host}", "budget"),
        Query("loadwatch_false_alarms_measured_per_week{$host}", "{{verdict}} false"),
    ),
    graph(
        "threshold_raise",
        "Raised thresholds",
        "How far the alert threshold stands above the trained one because the budget is overspent.",
        Query("loadwatch_alert_threshold_raise{$host}", "threshold raised by"),
        top=0.1,
    ).shown(unknown="none"),
)

_SAMPLING: Final = (
    graph(
        "sample_age",
        "Age of the last sample",
        "How old the last sample was at each scrape: up to the sampling interval, when all is well.",
        Query(
            # By the moment of the scrape: by now, it would show how long ago that was.
            "timestamp(loadwatch_last_sample_timestamp_seconds{$host}) "
            "- loadwatch_last_sample_timestamp_seconds{$host}",
            "age",
        ),
        legend="hidden",
        unit="s",
    ).shown(width=8),
    graph(
        "sample_rate",
        "Time between samples",
        "The sampling interval, when all is well.",
        Query("1 / rate(loadwatch_samples_total{$host}[$__rate_interval])", "interval"),
        legend="hidden",
        unit="s",
    ).shown(decimals=1, width=8),
    graph(
        "durations",
        "Time for a sample and for its verdict",
        "Mean time to read all sources once, and from there to the verdict.",
        Query(
            "rate(loadwatch_sample_duration_seconds_sum{$host}[$__rate_interval]) "
            "/ rate(loadwatch_sample_duration_seconds_count{$host}[$__rate_interval])",
            "sample",
        ),
        Query(
            "rate(loadwatch_inference_duration_seconds_sum{$host}[$__rate_interval]) "
            "/ rate(loadwatch_inference_duration_seconds_count{$host}[$__rate_interval])",
            "verdict",
        ),
        unit="s",
    ).shown(width=8),
    graph(
        "processor",
        "CPU time of the daemon",
        "Share of one CPU, training included while it runs inside the daemon's process.",
        Query("rate(process_cpu_seconds_total{$host}[$__rate_interval])", "CPU"),
        legend="hidden",
        unit="percentunit",
        top=0.05,
    ).shown(width=8),
    graph(
        "resident",
        "Memory of the daemon",
        "Resident memory.",
        Query("process_resident_memory_bytes{$host}", "memory"),
        legend="hidden",
        unit="bytes",
    ).shown(width=8),
    graph(
        "restarts",
        "Restarts",
        "How often the daemon was started within half an hour.",
        Query("changes(process_start_time_seconds{$host}[30m])", "restarts"),
        legend="hidden",
    ).shown(width=8),
)

_FAULTS: Final = (
    _faults(
        "sample_failures",
        "Failed readings",
        "Readings of a source that failed; the other sources went on.",
        "loadwatch_sample_failures_total",
        "source",
    ),
    _faults(
        "inference_failures",
        "Failed verdicts",
        "Samples that were taken but could not be judged.",
        "loadwatch_inference_failures_total",
    ),
    graph(
        "history",
        "History that cannot be stored",
        "Samples that wait in memory because the history cannot be written, and samples lost for good.",
        Query("loadwatch_history_unsaved_samples{$host}", "waiting"),
        Query("increase(loadwatch_history_lost_samples_total{$host}[$__rate_interval])", "lost"),
        Query("increase(loadwatch_history_salvages_total{$host}[$__rate_interval])", "salvages"),
    ).shown(width=8),
    _faults(
        "scheduler_missed",
        "Missed runs of the schedule",
        "Scheduled work that was missed or skipped, by job.",
        "loadwatch_scheduler_missed_total",
        "exported_job",
    ),
    _faults(
        "models_set_aside",
        "Models set aside",
        "Stored models that were damaged or another host's.",
        "loadwatch_models_set_aside_total",
    ),
    _faults(
        "web_faults",
        "Faults of the HTTP server",
        "By kind: refused, too slow, malformed.",
        "loadwatch_web_faults_total",
        "kind",
    ),
    _faults(
        "reload_failures",
        "Configurations refused",
        "At SIGHUP; the old one stays in force, and the log says why.",
        "loadwatch_reload_failures_total",
    ),
    _faults(
        "notification_failures",
        "Messages about alerts not delivered",
        "Each attempt counts; `loadwatch notify` says to whom and why.",
        "loadwatch_notification_failures_total",
    ),
    _faults(
        "service_manager_failures",
        "Messages that systemd did not take",
        "Lost watchdog messages end in a restart.",
        "loadwatch_service_manager_failures_total",
    ),
    alert_list(
        "alert_list",
        "All alerts of loadwatch",
        "Every alert rule and its state on this host, the quiet ones too.",
        host=True,
        quiet_too=True,
    ).shown(width=24),
)

DAEMON: Final = Dashboard(
    uid="loadwatch-daemon",
    description="Whether the verdicts can be trusted: sampling, training, calibration, alert budget, cost.",
    rows=(
        Row("", (*_STATE, *_WORTH)),
        Row("Model and training", _MODEL),
        Row("Sampling and cost", _SAMPLING),
        Row("Faults", _FAULTS),
    ),
    every_host=False,
    since="now-24h",
    refresh="1m",
)
