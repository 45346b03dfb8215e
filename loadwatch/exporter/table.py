"""Every metric loadwatch exports: name, type, labels and help, in the order of the page.

The one list from which the exporter, the tests and the documentation take the names. Help texts are sentences
that say the unit, and for cached values that they are.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each, looked up many times a scrape
class Metric:
    """One exported metric family; ``series`` is how many series it may have on one host.

    ``series`` is None for signals, for what is said only in trouble, and for counters of rare faults or of
    faults by source, job or kind: as many as there are, and of those that count nothing as many as there is
    room for.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    series: int | None = 1
    buckets: tuple[float, ...] = ()


BUILD_INFO: Final = Metric(
    "loadwatch_build_info",
    "gauge",
    "Constant 1; the labels are the versions of loadwatch, Python and numpy that run.",
    ("version", "pythonversion", "numpyversion"),
)
READY: Final = Metric(
    "loadwatch_ready",
    "gauge",
    "1 when the daemon has a model and a fresh verdict, made from "
    "all signals that it needs; 0 while it has not.",
)
MAINTENANCE: Final = Metric(
    "loadwatch_maintenance",
    "gauge",
    "1 inside a maintenance window, when nothing is flagged and nothing is learned; otherwise 0.",
)
UNKNOWN_SIGNALS: Final = Metric(
    "loadwatch_unknown_signals",
    "gauge",
    "Signals that the high-load rule or the limits need and that stay unknown, as of the last sample: the "
    "verdict was made without them. Their loadwatch_signal is NaN; appears when it first happens.",
    series=None,
)

FILLING: Final = Metric(
    "loadwatch_filling",
    "gauge",
    "Share in use, 0 to 1, of what is full or soon will be, such as a file system: the three most urgent.",
    ("resource",),
    series=None,
)
FULL_IN: Final = Metric(
    "loadwatch_full_in_seconds",
    "gauge",
    "Forecast of the time until what fills up is full, in seconds; absent where nothing says when.",
    ("resource",),
    series=None,
)

HIGH_LOAD_PROBABILITY: Final = Metric(
    "loadwatch_high_load_probability",
    "gauge",
    "Probability, 0 to 1, that this host is under high load within the next horizon seconds (0 is now), "
    "judged at the last sample; absent once that is older than three sampling intervals.",
    ("horizon",),
    series=4,
)
HIGH_LOAD: Final = Metric(
    "loadwatch_high_load",
    "gauge",
    "1 while high load is flagged for the horizon in seconds (0 is now), with hysteresis; otherwise 0.",
    ("horizon",),
    series=4,
)
LOAD_LEVEL: Final = Metric(
    "loadwatch_load_level",
    "gauge",
    "How near the high-load rule is to its limit at the last sample: 1 is the limit, high load is above it; "
    "absent once that is older than three sampling intervals.",
)
LOAD_LEVEL_FORECAST: Final = Metric(
    "loadwatch_load_level_forecast",
    "gauge",
    "Forecast of the highest load level now or within the longest horizon, in seconds: it stays below with a "
    "probability of the quantile. 1 is the limit, and 1.5 that or more; absent until a training of this "
    "host's own history has measured how often it holds.",
    ("horizon", "quantile"),
    series=2,
)
LIMIT_EXCEEDED: Final = Metric(
    "loadwatch_limit_exceeded",
    "gauge",
    "Value, 0 to 1, of a signal that has been over its plain limit for that limit's time; absent while it is "
    "not. These limits hold beside the model.",
    ("signal",),
    series=None,
)
HIGH_LOAD_SOURCE: Final = Metric(
    "loadwatch_high_load_source",
    "gauge",
    "Constant 1 while the flag for now is up, absent while it is not; the label names what raised it: rule, "
    "model, or limit for the plain limits on the signals.",
    ("source",),
    series=None,
)
CULPRIT: Final = Metric(
    "loadwatch_culprit",
    "gauge",
    "Share, 0 to 1, that a systemd unit or container (where no units are seen, a program) uses of the "
    "resource that drives an open alert: cpu, memory or io. The three that use most, over the last 15 to 60 "
    "seconds; absent while no alert is open or nothing is flagged.",
    ("unit", "resource"),
    series=None,
)
ANOMALY_SCORE: Final = Metric(
    "loadwatch_anomaly_score",
    "gauge",
    "How unlike itself this host behaves, 0 (as ever) to 1, judged at the last sample; absent once that is "
    "older than three sampling intervals.",
)
ANOMALY: Final = Metric(
    "loadwatch_anomaly",
    "gauge",
    "1 while an anomaly is flagged, otherwise 0; what comes on three of five days is flagged no longer.",
)
CONTRIBUTION: Final = Metric(
    "loadwatch_contribution",
    "gauge",
    "How much the signal moved the verdict at the last sample: positive towards it, negative away from it; "
    "for high_load in log odds, for anomaly as a part of the score. The three strongest signals of each "
    "verdict.",
    ("signal", "verdict"),
    series=6,
)
SIGNAL: Final = Metric(
    "loadwatch_signal",
    "gauge",
    "What the model saw of this signal at the last sample, in the unit of the label; ratios are 0 to 1.",
    ("signal", "unit"),
    series=None,
)

LAST_SAMPLE: Final = Metric(
    "loadwatch_last_sample_timestamp_seconds", "gauge", "Unix time of the last sample, in seconds."
)
SAMPLES: Final = Metric("loadwatch_samples_total", "counter", "Samples taken since the start.")
SAMPLE_FAILURES: Final = Metric(
    "loadwatch_sample_failures_total",
    "counter",
    "Readings of a source that failed since the start; the other sources went on.",
    ("source",),
    series=None,
)
SAMPLE_DURATION: Final = Metric(
    "loadwatch_sample_duration_seconds",
    "histogram",
    "Time it took to read all sources once, in seconds.",
    series=3,
)
INFERENCE_DURATION: Final = Metric(
    "loadwatch_inference_duration_seconds",
    "histogram",
    "Time from a finished sample to its verdict, in seconds.",
    series=3,
)

INFERENCE_FAILURES: Final = Metric(
    "loadwatch_inference_failures_total",
    "counter",
    "Samples for which no verdict could be made.",
)

MODEL_INFO: Final = Metric(
    "loadwatch_model_info",
    "gauge",
    "Constant 1; the labels name the model in use and whether it was trained on this host or is the first, "
    "synthetic one.",
    ("version", "origin"),
)
MODEL_TRAINED: Final = Metric(
    "loadwatch_model_trained_timestamp_seconds",
    "gauge",
    "Unix time at which the model in use was trained, in seconds.",
)
MODEL_BRIER: Final = Metric(
    "loadwatch_model_brier_score",
    "gauge",
    "Mean squared error of the probabilities on the span held out from training: 0 is perfect, 0.25 is "
    "what a coin would reach.",
)

TRAINING_RUNS: Final = Metric(
    "loadwatch_training_runs_total", "counter", "Training runs started since the start."
)
TRAINING_FAILURES: Final = Metric(
    "loadwatch_training_failures_total", "counter", "Training runs that ended without a candidate model."
)
TRAINING_REJECTIONS: Final = Metric(
    "loadwatch_training_rejections_total",
    "counter",
    "Candidate models refused because they were no better than what runs already.",
)
TRAINING_DURATION: Final = Metric(
    "loadwatch_training_duration_seconds", "gauge", "How long the last finished training took, in seconds."
)
TRAINING_LOSS: Final = Metric(
    "loadwatch_training_loss",
    "gauge",
    "Loss of the last finished training, binary cross-entropy in nats, on the rows of the split.",
    ("split",),
)
TRAINING_SAMPLES: Final = Metric(
    "loadwatch_training_samples", "gauge", "Rows the last finished training learned from."
)
TRAINING_WAITING: Final = Metric(
    "loadwatch_training_waiting",
    "gauge",
    "1 while a training that is due waits because the host suffers; otherwise 0.",
)
LAST_TRAINING_SUCCESS: Final = Metric(
    "loadwatch_last_training_success_timestamp_seconds",
    "gauge",
    "Unix time at which a training last ended with a candidate model, in seconds.",
)

ALERT: Final = Metric(
    "loadwatch_alert",
    "gauge",
    "1 while an alert of the verdict is open at this stage, otherwise 0: what the weekly budget lets through "
    "and loadwatch alerts lists. Expected becomes present when the load arrives.",
    ("verdict", "stage"),
    series=3,
)
ALERTS: Final = Metric(
    "loadwatch_alerts_total", "counter", "Alerts opened, counted on through restarts.", ("verdict",), series=2
)
ALERT_BUDGET: Final = Metric(
    "loadwatch_alert_budget_per_week",
    "gauge",
    "Alerts a week that the configuration allows this host, all verdicts together.",
)
THRESHOLD_RAISE: Final = Metric(
    "loadwatch_alert_threshold_raise",
    "gauge",
    "How far the threshold for an alert stands above the trained one, in log odds, because the budget is "
    "spent; the larger of those of high load and anomaly. 0 while the budget holds.",
)
FALSE_ALARMS: Final = Metric(
    "loadwatch_false_alarms_measured_per_week",
    "gauge",
    "Alerts a week that neither rule, kernel pressure nor operator ever confirmed, as measured so far.",
    ("verdict",),
    series=2,
)
FORECAST_HITS: Final = Metric(
    "loadwatch_forecast_hit_ratio",
    "gauge",
    "Share, 0 to 1, of forecast alerts that came true, as measured so far.",
)
FORECAST_LEAD: Final = Metric(
    "loadwatch_forecast_lead_time_seconds",
    "gauge",
    "Median time by which forecasts that came true were early, in seconds, as measured so far.",
)

SCHEDULER_MISSED: Final = Metric(
    "loadwatch_scheduler_missed_total",
    "counter",
    "Scheduled runs of a job that were missed or skipped.",
    ("job",),
    series=None,
)
HISTORY_UNSAVED: Final = Metric(
    "loadwatch_history_unsaved_samples",
    "gauge",
    "Samples that wait in memory because the history could not be written.",
)
HISTORY_LOST: Final = Metric(
    "loadwatch_history_lost_samples_total",
    "counter",
    "Samples that never reached the history.",
)
HISTORY_SALVAGED: Final = Metric(
    "loadwatch_history_salvages_total",
    "counter",
    "Times a damaged history was set aside and what was readable saved, counted on through restarts.",
)
MODELS_SET_ASIDE: Final = Metric(
    "loadwatch_models_set_aside_total",
    "counter",
    "Stored models that were damaged or another host's and were set aside, counted on through restarts.",
)
RELOAD_FAILURES: Final = Metric(
    "loadwatch_reload_failures_total",
    "counter",
    "Reloads (SIGHUP) whose configuration was refused; the old one stayed in force.",
    series=None,
)
NOTIFICATION_FAILURES: Final = Metric(
    "loadwatch_notification_failures_total",
    "counter",
    "Attempts to deliver a message about an alert that failed, and messages given up after a day; absent "
    "where alerts.notify names nobody.",
    series=None,
)
SERVICE_MANAGER_FAILURES: Final = Metric(
    "loadwatch_service_manager_failures_total",
    "counter",
    "Messages that the service manager did not take.",
)
WEB_FAULTS: Final = Metric(
    "loadwatch_web_faults_total",
    "counter",
    "Faults of the HTTP server, by kind.",
    ("kind",),
    series=None,
)

METRICS: Final[tuple[Metric, ...]] = tuple(
    value for name, value in list(globals().items()) if name.isupper() and isinstance(value, Metric)
)
