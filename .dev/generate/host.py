"""The dashboard of one host: is it fine, since when, why; then everything the model saw.

Its first screen on a laptop is the row without a heading. No legend has the name of the host: it is chosen
above.
"""

from typing import Final

from generate.dashboard import Dashboard, Row
from generate.panels import (
    Lane,
    Legend,
    Panel,
    Query,
    alert_list,
    bars,
    by_horizon,
    graph,
    stat,
    states,
    steps,
    timeline,
)
from generate.verdict_alerts import OUTDATED
from loadwatch.model.level import QUANTILES
from loadwatch.signals import BY_NAME

_SEEN: Final = "What the model saw at each sample."

# A day is looked back upon, to the minute.
_LONG: Final = {"type": "range", "options": {"from": 86_300, "to": None, "result": {"text": "over a day"}}}

_FLAGS: Final = "loadwatch_high_load{$host} or loadwatch_anomaly{$host}"
_FLAGGED: Final = f"max by (job, instance) ({_FLAGS})"
_STALE: Final = OUTDATED.replace("timestamp_seconds", "timestamp_seconds{$host}")

# The worst that holds. Without a fresh verdict there is none: unknown is not fine.
_STATE: Final = (
    'max by (job, instance) (4 * loadwatch_high_load{$host,horizon="0"} '
    'or 3 * loadwatch_high_load{$host,horizon!="0"} '
    "or loadwatch_maintenance{$host} == 1 or 2 * loadwatch_anomaly{$host} or loadwatch_maintenance{$host}) "
    'and on (job, instance) loadwatch_high_load{$host,horizon="0"} '
    f"unless on (job, instance) {_STALE}"
)


def _unchanged(flagged: int) -> str:
    """PromQL for the seconds since it was last otherwise, or since it was first known."""
    otherwise = f"max_over_time((({_FLAGGED} != bool {flagged}) * time())[1d:1m]) > 0"
    known = f"min_over_time((({_FLAGGED} >= bool 0) * time())[1d:1m])"
    return f"time() - ({otherwise} or {known}) and {_FLAGGED} == {flagged}"


_SINCE: Final = f"{_unchanged(1)} or {_unchanged(0)}"
_OPEN: Final = (
    'max by (job, instance) (3 * loadwatch_alert{$host,verdict="high_load",stage="present"} '
    'or 2 * loadwatch_alert{$host,verdict="high_load",stage="expected"} '
    'or 1 * loadwatch_alert{$host,verdict="anomaly"})'
)

_NOW: Final = (
    stat(
        "state",
        "State",
        "The worst that is flagged now: the state as it is, with hysteresis. Empty without a fresh verdict.",
        _STATE,
        mappings=states(
            ("0", "fine", "green"),
            ("1", "maintenance", "blue"),
            ("2", "unlike itself", "purple"),
            ("3", "high load expected", "orange"),
            ("4", "HIGH LOAD", "red"),
        ),
    ).shown(unknown="no verdict", width=5),
    stat(
        "since",
        "For",
        "How long nothing has been flagged, or something has; to the minute, and up to a day.",
        _SINCE,
        unit="s",
        mappings=(_LONG,),
    ).shown(decimals=0, unknown="not known yet", width=4),
    stat(
        "open_alert",
        "Alert",
        "What loadwatch calls a person for: within the weekly budget, not for what is usual at this hour. A "
        "flag without an alert is explained on the host's status page.",
        _OPEN,
        mappings=states(
            ("0", "none", "text"),
            ("1", "anomaly", "purple"),
            ("2", "high load expected", "orange"),
            ("3", "HIGH LOAD", "red"),
        ),
    ).shown(width=5),
    stat(
        "source",
        "Source of the flag",
        "What put up the flag of high load: the rule of the operator, the model, or a plain limit.",
        "loadwatch_high_load_source{$host}",
        name="${__field.labels.source}",
    ).shown(unknown="nothing"),
    stat(
        "limits",
        "Plain limits passed",
        "Signals over the plain limits that hold beside the model, and how much of each is used.",
        "loadwatch_limit_exceeded{$host}",
        unit="percentunit",
        name="${__field.labels.signal}",
        thresholds=steps((None, "red")),
    ).shown(decimals=0, unknown="none", width=6),
    timeline(
        "verdicts",
        "Flags and alerts",
        "What was flagged, and for what somebody was called. A gap means that nothing was known.",
        Lane('loadwatch_high_load{$host,horizon="0"}', "high load", "red"),
        *(
            Lane(query, name, "orange")
            for query, name in by_horizon("loadwatch_high_load{$host,$horizon}", "in $horizon")
        ),
        Lane(
            'max without (source) (loadwatch_high_load_source{$host,source="limit"}) '
            "or 0 * max without (horizon) (loadwatch_high_load{$host})",
            "plain limit",
            "red",
        ),
        Lane("loadwatch_anomaly{$host}", "anomaly", "purple"),
        Lane("max without (verdict, stage) (loadwatch_alert{$host})", "alert", "semi-dark-red"),
        Lane("loadwatch_maintenance{$host}", "maintenance", "blue"),
    ).shown(width=16),
    bars(
        "drivers",
        "Strongest signals now",
        "The signals that push towards high load at this moment, by how much they move the verdict.",
        'sort_desc(loadwatch_contribution{$host,verdict="high_load"} > 0)',
        name="${__field.labels.signal}",
    ).shown(decimals=2, unknown="none pushes towards high load"),
    graph(
        "probability",
        "Probability of high load",
        "Now and within each horizon. The probabilities are calibrated: of the moments with 80 %, about four "
        "in five are high load.",
        Query('loadwatch_high_load_probability{$host,horizon="0"}', "now"),
        *(
            Query(query, name)
            for query, name in by_horizon("loadwatch_high_load_probability{$host,$horizon}", "in $horizon")
        ),
        ratio=True,
    ),
    graph(
        "anomaly",
        "Anomaly score",
        "How unlike itself the host behaves, from 0 to 1. The first, synthetic model has no score.",
        Query("loadwatch_anomaly_score{$host}", "score"),
        ratio=True,
        legend="hidden",
    ).shown(
        unknown="No score yet: the first model that is trained on this host brings one, after "
        "a quarter of an hour of history."
    ),
)

_LEVEL: Final = (
    graph(
        "level",
        "Load level, and what was forecast of it",
        "How near the high-load rule is to its limit, which is 1. The band was forecast a quarter of an hour "
        "before as the highest level of that time, which stays below the upper edge in nine of ten cases and "
        "below the lower one in half or more. There is none before a model was trained on this host, nor "
        "where its longest horizon is another.",
        Query("loadwatch_load_level{$host}", "load level"),
        Query("max_over_time(loadwatch_load_level{$host}[15m])", "highest of 15 min"),
        *(
            Query(
                f'loadwatch_load_level_forecast{{$host,horizon="900",quantile="{quantile}"}} offset 15m',
                f"forecast, quantile {quantile}",
            )
            for quantile in QUANTILES
        ),
    )
    .between(*(f"forecast, quantile {quantile}" for quantile in QUANTILES))
    .shown(decimals=2, width=24),
)

_WHY: Final = (
    graph(
        "contributions_high_load",
        "What drives the probability",
        "Signed contributions of the strongest signals: above zero towards high load, below zero away from "
        "it.",
        Query('loadwatch_contribution{$host,verdict="high_load"}', "{{signal}}"),
        stacked=True,
        top=0.1,
    ).shown(decimals=2, width=8),
    bars(
        "culprits",
        "Who uses most of it",
        "The units or containers that use most of the CPUs, the memory or the storage, whichever drives the "
        "open alert; without units the programs. Programs are named in `loadwatch alerts`.",
        "sort_desc(loadwatch_culprit{$host})",
        name="${__field.labels.unit}",
        unit="percentunit",
    ).shown(decimals=0, unknown="no alert is open"),
    graph(
        "contributions_anomaly",
        "What drives the anomaly score",
        "Signed contributions of the strongest signals: above zero towards an anomaly.",
        Query('loadwatch_contribution{$host,verdict="anomaly"}', "{{signal}}"),
        stacked=True,
        top=0.1,
    ).shown(decimals=2, unknown="No score yet: see above.", width=8),
)

_ALERTS: Final = (
    timeline(
        "alerts",
        "Firing Prometheus rules",
        "Alerts of Prometheus' or vmalert's rules; Grafana's own are in the list beside it.",
        Lane(
            'max by (alertname) (ALERTS{$host,alertname=~"Loadwatch.*",alertstate="firing"})',
            "{{alertname}}",
            "orange",
        ),
    ).shown(width=12, unknown="none"),
    alert_list(
        "alert_list",
        "Alerts that need attention",
        "Alerts about this host that fire or are about to, from Grafana and from the data source.",
        host=True,
        quiet_too=False,
    ),
)


def _signals(key: str, title: str, *names: str, unit: str = "", top: float = 1.0) -> Panel:
    """A graph of these signals; ratios, where no unit is given."""
    query = Query(f'loadwatch_signal{{$host,signal=~"{"|".join(names)}"}}', "{{signal}}")
    legend: Legend = "names" if len(names) > 1 else "hidden"
    return graph(
        key, title, _SEEN, query, unit=unit or "short", ratio=not unit, legend=legend, top=top
    ).shown(width=8, height=6)


_CPU_AND_MEMORY: Final = (
    _signals("cpu", "CPU", "cpu", "cpu_max_core", "iowait", "steal"),
    _signals("load", "Load average per CPU", "load_per_cpu", unit="short"),
    _signals("memory", "Memory", "memory", "swap"),
    _signals("pressure", "Time in which work waited", "cpu_pressure", "memory_pressure", "io_pressure"),
    _signals("disk", "Busiest disk", "disk"),
    _signals("disk_bytes", "Disk traffic", "disk_read", "disk_write", unit="Bps", top=1024.0),
)

_NETWORK: Final = (
    _signals("network", "Network, over link speed", "network"),
    _signals(
        "network_bytes", "Network traffic", "network_receive", "network_transmit", unit="Bps", top=1024.0
    ),
    _signals(
        "connections", "TCP connections", "tcp_established", "tcp_in_use", "tcp_time_wait", unit="short"
    ),
)

_FILLING: Final = (
    _signals("filesystems", "Fullest file system", "filesystem", "filesystem_inodes").shown(width=6),
    bars(
        "full_in",
        "Full in",
        "When what fills up will be full, if it goes on as in the last hours; nothing while that is far.",
        "sort(loadwatch_full_in_seconds{$host})",
        name="${__field.labels.resource}",
        unit="s",
    ).shown(decimals=0, unknown="nothing fills up", width=6, height=6),
    _signals("kernel_limits", "Limits of the kernel", "file_handles", "threads", "conntrack").shown(width=6),
    _signals("kills", "Processes killed for want of memory, a second", "oom_kills", unit="short").shown(
        width=6
    ),
)

_RARE: Final = (
    _signals("segments", "TCP segments", "tcp_in_segments", "tcp_out_segments", unit="pps"),
    _signals(
        "opens", "TCP connections opened a second", "tcp_active_opens", "tcp_passive_opens", unit="short"
    ),
    _signals(
        "faults",
        "TCP faults a second",
        "tcp_retransmits",
        "tcp_retransmit_timeouts",
        "tcp_resets",
        "tcp_in_errors",
        "listen_overflows",
        unit="short",
    ),
    _signals(
        "datagrams", "UDP datagrams", "udp_in_datagrams", "udp_out_datagrams", "udp_errors", unit="pps"
    ).shown(width=6),
    _signals("disk_wait", "Time a disk request takes", "disk_wait", unit="s", top=0.01).shown(width=6),
    _signals(
        "journal", "Journal entries a second", "log_errors", "log_warnings", "failed_logins", unit="short"
    ).shown(width=6),
    graph(
        "own_signals",
        "Signals of your own",
        "Signals with names that loadwatch does not measure itself.",
        Query(f'loadwatch_signal{{$host,signal!~"{"|".join(BY_NAME)}"}}', "{{signal}}"),
    ).shown(unknown="none", width=6, height=6),
)

HOST: Final = Dashboard(
    uid="loadwatch-host",
    description="One host as loadwatch sees it: verdicts, what drives them, and every signal.",
    rows=(
        Row("", _NOW),
        Row("How high load will get", _LEVEL),
        Row("Why", _WHY),
        Row("Signals: CPU, memory, pressure, disk", _CPU_AND_MEMORY),
        Row("Signals: network", _NETWORK),
        Row("Signals: what fills up", _FILLING),
        Row("Signals: TCP, UDP, disk waits, your own", _RARE, folded=True),
        Row("Alert rules", _ALERTS),
    ),
    every_host=False,
    since="now-3h",
    refresh="15s",
)
