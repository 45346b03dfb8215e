"""The alerts about the daemon: who watches the watchman."""

from typing import Final

from generate.alert import MAINTENANCE, AlertRule, Lookup


def _held(metric: str, bridge: str = "5m") -> str:
    """PromQL for the present value, or the last one where a scrape was lost just now."""
    return f"last_over_time({metric}[{bridge}])"


def _events(counter: str, window: str, label: str = "") -> str:
    """PromQL for the events of a counter within ``window``.

    ``increase`` sees none where a restart lost the count and the first event brought the series back: it was
    missing from some of the scrapes that worked. A Prometheus that is new has missed none, so that old counts
    do not look new to it.
    """
    worked = f'ignoring ({label}) group_left () sum_over_time(up{{job="loadwatch"}}[{window}])'
    returned = f"({counter} and count_over_time({counter}[{window}]) < {worked})"
    return f"{returned} or increase({counter}[{window}])"


# A host that went down inside a maintenance window can no longer say so; its last word counts for an hour.
_LATELY_IN_MAINTENANCE: Final = "last_over_time(loadwatch_maintenance[1h]) == 1"

# Bridged for less than a daemon that died takes to look stale: LoadwatchDown tells of that one.
_IN_MAINTENANCE: Final = "last_over_time(loadwatch_maintenance[2m]) == 1"
_AGE: Final = f"time() - {_held('loadwatch_last_sample_timestamp_seconds', '2m')}"

DOWN: Final = AlertRule(
    name="LoadwatchDown",
    group="loadwatch-health",
    severity="critical",
    # Not answering now, or losing many scrapes until every one has worked for two minutes.
    value='max without () (avg_over_time(up{job="loadwatch"}[10m]) < 0.7\n'
    'unless min_over_time(up{job="loadwatch"}[2m]) == 1\n'
    'or up{job="loadwatch"})',
    comparison="<",
    threshold=1,
    wait="2m",
    summary="loadwatch cannot be scraped.",
    description=(
        "{instance} has not answered scrapes for two minutes, or only some: nobody watches this host.",
    ),
    panel=("loadwatch-fleet", "down"),
    meaning="The daemon is dead, the host is down, or the network between Prometheus and the host is broken.",
    action="`systemctl status loadwatch` and `journalctl -u loadwatch` on the host. Exit code 78 means a "
    "faulty configuration: `loadwatch check-config` names every fault. Daemon well: try `curl "
    "http://HOST:10074/-/healthy` from the Prometheus server (firewall, TLS, password). Every second scrape "
    "lost: a scrape timeout that is too short, or two hosts behind one address.",
    unless=(_LATELY_IN_MAINTENANCE,),
    clearing="When every scrape of the last two minutes has worked. Silent for up to an hour when the last "
    "thing the host said was that it is in maintenance.",
)

ABSENT: Final = AlertRule(
    name="LoadwatchAbsent",
    group="loadwatch-health",
    severity="critical",
    value='absent(up{job="loadwatch"})',
    comparison=">",
    threshold=0,
    wait="5m",
    summary="Prometheus has no loadwatch target at all.",
    description=('No target has job="loadwatch": discovery is broken, or the scrape job has another name.',),
    panel=("loadwatch-fleet", "reporting"),
    meaning="Prometheus scrapes no loadwatch daemon, so that no other alert of loadwatch can fire.",
    action="Look at Status, Targets in Prometheus. Service discovery may return nothing, or the job carries "
    'another name: these rules expect `job_name: loadwatch`; else change `job="loadwatch"` in the rules.',
    clearing="With the first target of that job, or the first host that arrives through node_exporter.",
    # A fleet of textfiles has no target of ours.
    unless=("on () loadwatch_last_sample_timestamp_seconds",),
)

SAMPLES_STALE: Final = AlertRule(
    name="LoadwatchSamplesStale",
    group="loadwatch-health",
    severity="critical",
    value=_AGE,
    comparison=">",
    threshold=120,
    wait="1m",
    summary="loadwatch answers but has stopped sampling.",
    description=(
        "The last sample of {instance} is {value:humanizeDuration} old: its verdicts are withdrawn.",
    ),
    panel=("loadwatch-daemon", "sample_age"),
    meaning="The daemon serves metrics, but no new sample has arrived: a source hangs, or the host hardly "
    "runs. The verdicts have disappeared from its metrics, as old ones would be a lie.",
    action="`journalctl -u loadwatch` names the source that hangs. A clock that is wrong by minutes on the "
    "host or on Prometheus looks the same: compare `date` on both. With a sampling interval above 40 "
    "seconds, raise the limit in the rule to three intervals.",
    clearing="With the first fresh sample. Silent in maintenance, which a daemon that answers says afresh at "
    "each scrape; from one that only left a file it is believed for an hour.",
    unless=(
        f'({_IN_MAINTENANCE} and max_over_time(up{{job="loadwatch"}}[2m]) == 1)',
        f"({_IN_MAINTENANCE} and {_AGE} < 3600)",
    ),
)

SOURCE_FAILING: Final = AlertRule(
    name="LoadwatchSourceFailing",
    group="loadwatch-health",
    severity="warning",
    value=f"max without (source) ({_events('loadwatch_sample_failures_total', '10m', 'source')})",
    comparison=">",
    threshold=0,
    wait="15m",
    summary="A source of signals keeps failing.",
    description=(
        "{instance} cannot read some of its signals; the verdicts do without them.",
        Lookup(
            "source",
            " Failures in ten minutes: ",
            "increase(loadwatch_sample_failures_total{$host}[10m]) > 0",
            label="source",
            show_value='printf "%.0f"',
        ),
    ),
    panel=("loadwatch-daemon", "sample_failures"),
    meaning="One source (CPU, memory, network, pressure ...) has been failing for a quarter of an hour. The "
    "others go on, and the verdict is made without its signals.",
    action="`loadwatch signals list` and `journalctl -u loadwatch` have the reason. Most often rights: a "
    "hardened unit or a container that hides a part of `/proc`, or the journal. Compare with the shipped "
    "`loadwatch.service`. The source exporters are those of `[[signals]]`: one is down, or its metric gone.",
    clearing="Ten minutes after the last failure.",
)

NOT_READY: Final = AlertRule(
    name="LoadwatchNotReady",
    group="loadwatch-health",
    severity="warning",
    value=_held("loadwatch_ready"),
    comparison="<",
    threshold=1,
    wait="15m",
    summary="loadwatch runs but gives no verdicts.",
    description=(
        "{instance} has given no verdict for a quarter of an hour: no model, or not enough samples.",
    ),
    panel=("loadwatch-fleet", "not_ready"),
    meaning="The daemon is alive but has no usable model, or not yet enough fresh samples to judge.",
    action="`loadwatch status` says what is missing. A model that does not fit or is damaged: "
    "`loadwatch model list`, then `loadwatch model rollback` or `loadwatch train`.",
    clearing="With the first verdict. Silent while LoadwatchSignalUnknown tells the reason.",
    unless=(f"{_held('loadwatch_unknown_signals')} > 0", MAINTENANCE),
)

SIGNAL_UNKNOWN: Final = AlertRule(
    name="LoadwatchSignalUnknown",
    group="loadwatch-health",
    severity="warning",
    value="max without () (loadwatch_unknown_signals)",
    comparison=">",
    threshold=0,
    wait="5m",
    summary="What decides whether load is high stays unknown.",
    description=(
        "{instance} is judged without signals that its high-load rule or limits need.",
        Lookup(
            "unknown",
            " Unknown: ",
            "count without (unit) (loadwatch_signal{$host} != loadwatch_signal{$host})",
            label="signal",
            between="",
        ),
    ),
    panel=("loadwatch-daemon", "sample_failures"),
    meaning="For minutes a signal cannot be read, or what the kernel counts for it cannot be believed. There "
    "may be high load that nobody sees: `loadwatch_ready` is 0 meanwhile.",
    action="`loadwatch status` says which signal and why; `journalctl -u loadwatch` since when. Most often "
    "rights, or a container that shows counters which step back. Where it cannot be mended, say in "
    "`high_load.when` what high load is without that signal.",
    clearing="With the first sample that has a value for each of them.",
)

RESTARTING: Final = AlertRule(
    name="LoadwatchRestarting",
    group="loadwatch-health",
    severity="warning",
    # VictoriaMetrics counts the first sight of a host as a change. Textfiles have no process_*.
    value='(changes(process_start_time_seconds{job="loadwatch"}[30m])\n'
    "or resets(loadwatch_samples_total[30m]))",
    comparison=">",
    threshold=2,
    wait="0s",
    summary="loadwatch restarts again and again.",
    description=('The daemon on {instance} was restarted {value:printf "%.0f"} times in half an hour.',),
    panel=("loadwatch-daemon", "restarts"),
    meaning="The daemon ends and is started again, by systemd's watchdog, by the memory limit of its unit, "
    "or because it crashes.",
    action="`journalctl -u loadwatch` and `systemctl show loadwatch -p Result`: `watchdog` means that no "
    "samples arrived, `oom-kill` the memory limit, `exit-code` an error that the last lines name.",
    clearing="Half an hour after the restarts end.",
)

MODEL_STALE: Final = AlertRule(
    name="LoadwatchModelStale",
    group="loadwatch-health",
    severity="warning",
    value=f"time() - {_held('loadwatch_model_trained_timestamp_seconds')}",
    comparison=">",
    threshold=7 * 86_400,
    wait="1h",
    summary="The model has not been renewed for a week.",
    description=("The model of {instance} is {value:humanizeDuration} old.",),
    panel=("loadwatch-daemon", "model_age"),
    meaning="No new model was published for a week, though one is trained every few hours: the runs fail, "
    "wait for a quiet moment that never comes, or their candidates are refused as no better.",
    action="The daemon's dashboard tells which of the three. Failing: see LoadwatchTrainingFailing. Waiting "
    "(`loadwatch_training_waiting` 1): the host is never idle enough; train on another machine or at night. "
    "Refused: the model is old but still the best; `loadwatch model list` shows by how much.",
    clearing="When a new model is published.",
)

TRAINING_FAILING: Final = AlertRule(
    name="LoadwatchTrainingFailing",
    group="loadwatch-hours",
    severity="warning",
    value="increase(loadwatch_training_failures_total[1d])",
    comparison=">",
    threshold=0,
    wait="10m",
    summary="Training fails and has not succeeded for half a day.",
    description=(
        '{value:printf "%.0f"} training runs of {instance} failed in a day; none succeeded in 12 hours.',
    ),
    panel=("loadwatch-daemon", "training_runs"),
    meaning="Training runs end without a candidate. The verdicts go on with the present model, which grows "
    "old.",
    action="`journalctl -u loadwatch` has the reason; `loadwatch train` repeats the run in the foreground. "
    "Most often: a full disk, too little memory for the unit's limit, or a history too short.",
    clearing="With the first run that succeeds, or a day after the last failure.",
    unless=(
        f"time() - {_held('loadwatch_last_training_success_timestamp_seconds')} < 43200",
        MAINTENANCE,
    ),
)

BUDGET_OVERSPENT: Final = AlertRule(
    name="LoadwatchBudgetOverspent",
    group="loadwatch-health",
    severity="info",
    value=_held("loadwatch_alert_threshold_raise"),
    comparison=">",
    threshold=0,
    wait="1h",
    summary="More alerts than the weekly budget allows.",
    description=("{instance} asks for stronger evidence before it alerts: the weekly budget is overspent.",),
    panel=("loadwatch-daemon", "budget"),
    meaning="The host had more alerts this week than `alerts.budget_per_week`, so it now asks for "
    "stronger evidence. High load worse than all of the last four weeks, memory at its end and stalls of "
    "memory or storage are alerts all the same.",
    action="`loadwatch alerts` lists them. Were they right, the host needs help, or the budget is too "
    "small for it. Were they wrong, label them `normal`, so that the next training learns it.",
    clearing="By itself, as the week moves on and the threshold comes down.",
)

SCHEDULER_MISSING: Final = AlertRule(
    name="LoadwatchSchedulerMissing",
    group="loadwatch-hours",
    severity="warning",
    value=f"sum without (exported_job) ({_events('loadwatch_scheduler_missed_total', '1h', 'exported_job')})",
    comparison=">",
    threshold=2,
    wait="5m",
    summary="Scheduled work is being missed.",
    description=('{instance} missed {value:printf "%.0f"} scheduled runs in an hour.',),
    panel=("loadwatch-daemon", "scheduler_missed"),
    meaning="Jobs of the daemon (training, cleaning the history) did not run when they were due: the one "
    "before had not ended, or the process was starved.",
    action="`loadwatch status` shows the schedule. One job always late: its work takes longer than its "
    "interval. All late: the unit's `CPUWeight` or memory limit is too small, or the host was suspended.",
    clearing="An hour after the last missed runs.",
)

HISTORY_FAILING: Final = AlertRule(
    name="LoadwatchHistoryFailing",
    group="loadwatch-health",
    severity="warning",
    value=_held("loadwatch_history_unsaved_samples"),
    comparison=">",
    threshold=0,
    wait="5m",
    summary="Samples cannot be stored.",
    description=(
        '{value:printf "%.0f"} samples of {instance} wait in memory because the history cannot be written.',
    ),
    panel=("loadwatch-daemon", "history"),
    meaning="Verdicts go on, but nothing new is learned; a restart would lose the samples that wait.",
    action="Free space on the file system of the state directory, or make it writable again: the samples "
    "that wait are then stored by themselves.",
    clearing="When the history has been written again.",
)

HISTORY_DAMAGED: Final = AlertRule(
    name="LoadwatchHistoryDamaged",
    group="loadwatch-hours",
    severity="warning",
    value=f"max without () ({_events('loadwatch_history_salvages_total', '6h')})",
    comparison=">",
    threshold=0,
    wait="0s",
    summary="A damaged history was set aside.",
    description=("{instance} found its history damaged; what was readable was saved into a new one.",),
    panel=("loadwatch-daemon", "history"),
    meaning="The database did not read back as it was written. The damaged file lies beside the new one, "
    "with the date in its name.",
    action="Look for the cause: the kernel log for storage errors, `smartctl -a`, a file system that was "
    "full. Once nothing is missed, delete the file that was set aside. A month of metrics in Prometheus "
    "fills the gap: `loadwatch history import --prometheus URL`.",
    clearing="Six hours later.",
)

NOTIFICATION_FAILING: Final = AlertRule(
    name="LoadwatchNotificationFailing",
    group="loadwatch-hours",
    severity="warning",
    value=f"max without () ({_events('loadwatch_notification_failures_total', '2h')})",
    comparison=">",
    threshold=5,
    wait="0s",
    summary="Messages about alerts do not arrive.",
    description=(
        "{instance} could not deliver messages about its alerts, ",
        '{value:printf "%.0f"} attempts in two hours.',
    ),
    panel=("loadwatch-daemon", "notification_failures"),
    meaning="A service in `alerts.notify` refuses its messages or does not answer. The sixth attempt at one "
    "message is ten minutes after the first; it is tried on every quarter of an hour, for a day.",
    action="`loadwatch notify` says for which service, and why. Mend that, then try `loadwatch notify "
    "--test`; what waits is sent by itself.",
    clearing="Two hours after the last failures.",
)

HEALTH_ALERTS: Final = (
    DOWN,
    ABSENT,
    SAMPLES_STALE,
    SOURCE_FAILING,
    NOT_READY,
    SIGNAL_UNKNOWN,
    RESTARTING,
    MODEL_STALE,
    BUDGET_OVERSPENT,
    HISTORY_FAILING,
    TRAINING_FAILING,
    SCHEDULER_MISSING,
    HISTORY_DAMAGED,
    NOTIFICATION_FAILING,
)
