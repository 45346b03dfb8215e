"""The alerts about the host; Prometheus rules, Grafana rules and the runbook are made from them.

Few, and each asks for something to be done. They follow ``loadwatch_alert``: the daemon decides, within its
weekly budget, and a rule fires exactly while `loadwatch alerts` lists an open alert. The flags, which no
budget governs, have rules of their own for those who want them.
"""

from dataclasses import replace
from typing import Final

from generate.alert import AlertRule, Lookup

# How long a lost scrape or a restart is bridged.
_BRIDGE: Final = "2m"
# A file left for node_exporter outlives its daemon. Thrice a sampling interval of five minutes.
OUTDATED: Final = f"time() - last_over_time(loadwatch_last_sample_timestamp_seconds[{_BRIDGE}]) > 900"
# Two minutes of five, so that for as long after it nothing of before is believed.
_INTERRUPTION: Final = "5m"
IN_MAINTENANCE: Final = f"avg_over_time(loadwatch_maintenance[{_INTERRUPTION}]) > 0.4"
# An alert stays open for half an hour after the trouble, and its text tells of the trouble.
_LATELY: Final = "35m"


def _open(verdict: str, stage: str) -> str:
    series = f'loadwatch_alert{{verdict="{verdict}",stage="{stage}"}}'
    now = f"last_over_time({series}[{_BRIDGE}])"
    # The daemon suspends its alerts in maintenance and goes on with them: seconds of it are no new alert.
    suspended = (
        f"max_over_time({series}[{_INTERRUPTION}]) "
        f"and ignoring (verdict, stage) max_over_time(loadwatch_maintenance[{_INTERRUPTION}]) == 1"
    )
    return f"max without (verdict, stage) ({now} > 0\nor {suspended}\nor {now})"


def _top_signals(verdict: str) -> Lookup:
    return Lookup(
        name="signal",
        opening=" Top signals: ",
        query=f'loadwatch_contribution{{verdict="{verdict}",$host}} > 0',
        label="signal",
        show_value='printf "%+.2f"',
    )


_CULPRITS: Final = Lookup(
    name="culprit",
    opening="; most is used by ",
    query=f"max without () (max_over_time(loadwatch_culprit{{$host}}[{_LATELY}]))",
    label="unit",
    show_value="humanizePercentage",
    between=" (",
    after=")",
)


HIGH_LOAD: Final = AlertRule(
    name="LoadwatchHighLoad",
    group="loadwatch-verdicts",
    severity="critical",
    value=_open("high_load", "present"),
    comparison=">",
    threshold=0,
    wait="0s",
    summary="Host is under high load.",
    description=(
        "{instance} is under high load",
        Lookup(
            name="limit",
            opening=", past the plain limit on ",
            query=f"max without () (max_over_time(loadwatch_limit_exceeded{{$host}}[{_LATELY}]))",
            label="signal",
            show_value="humanizePercentage",
            between=" (",
            after=")",
        ),
        Lookup(
            name="probability",
            opening=" (probability ",
            # Where a limit was passed, the model did not raise it: what it thought is no reason.
            query="max without (horizon) "
            f'(max_over_time(loadwatch_high_load_probability{{horizon="0",$host}}[{_LATELY}])) '
            f"unless max without (signal) (last_over_time(loadwatch_limit_exceeded{{$host}}[{_LATELY}]))",
            show_value="humanizePercentage",
            after=")",
            count=1,
        ),
        _CULPRITS,
        ".",
        _top_signals("high_load"),
    ),
    panel=("loadwatch-host", "verdicts"),
    meaning="The host is at its limit now: work waits for CPU, memory, storage or the network. It is no "
    "short peak and not usual at this hour, and the daemon spent a part of its weekly alert budget on it.",
    action="Read in the alert which units use most of what is short, and the top signals, which say what "
    "that is. On the host, `loadwatch status` explains the verdict and names programs. `memory_pressure`: "
    "look for a leak before the kernel kills something; `io_pressure`: perhaps a failing disk. Where the "
    "text names a plain limit, that signal was at its end whatever the model says. If this "
    "load was meant (a backup, a deployment), say so with `loadwatch label --alert ID normal`, ID as "
    "`loadwatch alerts` lists it, or announce it next time with `loadwatch maintenance start`.",
    clearing="When the daemon closes the alert: half an hour after the trouble, so that a pause in it is no "
    "second alert.",
    unless=(OUTDATED, IN_MAINTENANCE),
)

HIGH_LOAD_EXPECTED: Final = AlertRule(
    name="LoadwatchHighLoadExpected",
    group="loadwatch-verdicts",
    severity="warning",
    value=_open("high_load", "expected"),
    comparison=">",
    threshold=0,
    wait="0s",
    summary="Host is expected to be under high load soon.",
    description=(
        "{instance} is expected to be under high load",
        Lookup(
            name="horizon",
            opening=" within ",
            query='loadwatch_high_load_probability{$host} and loadwatch_high_load{horizon!="0",$host} == 1',
            label="horizon",
            show_label="humanizeDuration",
            show_value="humanizePercentage",
            between=" (probability ",
            after=")",
            smallest_first=True,
        ),
        ".",
        _top_signals("high_load"),
    ),
    panel=("loadwatch-host", "probability"),
    meaning="The forecast says that high load is likely within the named time, and is sure enough to spend "
    "a part of the weekly alert budget on it; or memory rises so steadily that it will be at its end within "
    "hours or a day. The host is still well.",
    action="Use the time: find what drives it (top signals), stop or move deferrable work, add capacity; of "
    "memory, find what leaks and restart it at a moment of your choice. How often such forecasts came true "
    "on this host is on the daemon's dashboard and in `loadwatch status`. If what came was meant, `loadwatch "
    "label --alert ID normal` says so.",
    clearing="When the load arrives: the same alert is then LoadwatchHighLoad, and nobody is told that it is "
    "over. Else half an hour after the forecast is withdrawn.",
    unless=(OUTDATED, IN_MAINTENANCE),
)

ANOMALY: Final = AlertRule(
    name="LoadwatchAnomaly",
    group="loadwatch-verdicts",
    severity="warning",
    value=_open("anomaly", "present"),
    comparison=">",
    threshold=0,
    wait="0s",
    summary="Host behaves unlike itself.",
    description=(
        "{instance} behaves unlike itself",
        Lookup(
            name="score",
            opening=" (score ",
            query=f"max without () (max_over_time(loadwatch_anomaly_score{{$host}}[{_LATELY}]))",
            show_value='printf "%.2f"',
            after=")",
            count=1,
        ),
        ".",
        _top_signals("anomaly"),
    ),
    panel=("loadwatch-host", "anomaly"),
    meaning="The signals together look like nothing in this host's history. That need not be high load: a "
    "service that died and left the host idle, a flood of connections, a leak that begins.",
    action="Look at the top signals on the host's dashboard and ask what changed: a deployment, traffic, a "
    "failed dependency. If it was right to warn, `loadwatch label --alert ID incident`, ID as `loadwatch "
    "alerts` lists it, keeps it out of what counts as normal; if it is the new normal, label it `normal` and "
    "the next training learns it.",
    clearing="When the daemon closes the alert, half an hour after the anomaly.",
    unless=(OUTDATED, IN_MAINTENANCE),
)

FILLING: Final = AlertRule(
    name="LoadwatchFilling",
    group="loadwatch-verdicts",
    severity="warning",
    value=f"max without (resource) (last_over_time(loadwatch_filling[{_BRIDGE}]))",
    comparison=">",
    threshold=0,
    wait="10m",
    summary="Something on the host is full or soon will be.",
    description=(
        "On {instance} something fills up.",
        Lookup(
            name="filling",
            opening=" In use: ",
            query="loadwatch_filling{$host}",
            label="resource",
            show_value="humanizePercentage",
        ),
        Lookup(
            name="full",
            opening=". Full in: ",
            query="loadwatch_full_in_seconds{$host}",
            label="resource",
            show_value="humanizeDuration",
            smallest_first=True,
        ),
        ".",
    ),
    panel=("loadwatch-host", "filesystems"),
    meaning="A local file system, its inodes, or what the kernel hands out (file handles, threads, tracked "
    "connections) is 95 % in use, or will be full within a day if it goes on as in the last hours.",
    action="`loadwatch status` says what and when. File system: `du -x --max-depth=2` from its mount point, "
    "`journalctl --vacuum-size=`, `lsof +L1` for deleted files that are still open. Handles and threads: "
    "which process has most (`ls /proc/*/fd`, `ps -eLf`). Connections: raise `nf_conntrack_max`.",
    clearing="Below 93 %, and when nothing says any more that it will be full within a day.",
    unless=(OUTDATED, IN_MAINTENANCE),
)

VERDICT_ALERTS: Final = (HIGH_LOAD, HIGH_LOAD_EXPECTED, ANOMALY, FILLING)


def _flag(alert: AlertRule, flag: str, label: str, summary: str, meaning: str) -> AlertRule:
    """The rule that follows the flag in place of the alert."""
    return replace(
        alert,
        name=f"{alert.name}Flagged",
        group="loadwatch-flags",
        severity="info",
        value=f"max without ({label}) (last_over_time({flag}[{_BRIDGE}]))",
        summary=summary,
        meaning=f"{meaning} A flag is the state as it is, with hysteresis: no budget, no usual hour and no "
        "merging governs it, so that it may come up many times a day.",
        action=f"Nothing: {alert.name} fires when somebody should look. For reports, and for those who judge "
        "by rules of their own.",
        clearing="When the daemon lowers the flag.",
    )


FLAG_ALERTS: Final = (
    _flag(
        HIGH_LOAD,
        'loadwatch_high_load{horizon="0"}',
        "horizon",
        "High load is flagged.",
        "The probability of high load now is over its threshold, or a plain limit is passed.",
    ),
    _flag(
        HIGH_LOAD_EXPECTED,
        'loadwatch_high_load{horizon!="0"}',
        "horizon",
        "High load is flagged for later.",
        "The probability of high load within a horizon is over its threshold.",
    ),
    _flag(
        ANOMALY,
        "loadwatch_anomaly",
        "",
        "An anomaly is flagged.",
        "The anomaly score is over its threshold, and over thrice what came on three of the last five days.",
    ),
)
