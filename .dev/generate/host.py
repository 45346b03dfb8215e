"""The dashboard of one host: the verdict first, then why, then everything the model saw."""

from typing import Final

from generate.dashboard import Dashboard, Row
from generate.panels import (
    Panel,
    Query,
    alert_list,
    bars,
    graph,
    stat,
    states,
    steps,
    timeline,
)

_SEEN: Final = "What the model saw at each sample."

_NOW: Final = (
    stat(
        "high_load",
        "High load",
        "Whether the daemon flags high load now, after hysteresis and minimum duration.",
        'loadwatch_high_load{$host,horizon="0"}',
        mappings=states(("0", "no", "green"), ("1", "HIGH LOAD", "red")),
    ),
    stat(
        "expected",
        "High load expected",
        "Whether high load is forecast for any of the later horizons.",
        'max without (horizon) (loadwatch_high_load{$host,horizon!="0"})',
        mappings=states(("0", "no", "green"), ("1", "EXPECTED", "orange")),
    ),
    stat(
        "unlike_itself",
        "Anomaly",
        "Whether the host behaves unlike itself.",
        "loadwatch_anomaly{$host}",
        mappings=states(("0", "no", "green"), ("1", "ANOMALY", "purple")),
    ),
    stat(
        "maintenance",
        "Maintenance",
        "Inside a maintenance window nothing is flagged and nothing is learned.",
        "loadwatch_maintenance{$host}",
        mappings=states(("0", "no", "text"), ("1", "MAINTENANCE", "blue")),
    ),
    stat(
        "age",
        "Last sample",
        "Age of the last sample; verdicts are withdrawn when it is older than three sampling intervals.",
        "time() - loadwatch_last_sample_timestamp_seconds{$host}",
        unit="s",
        thresholds=steps((None, "green"), (60, "orange"), (120, "red")),
    ),
    stat(
        "model",
        "Model",
        "The model in use, and whether it was trained on this host or is the first, synthetic one.",
        "loadwatch_model_info{$host}",
        legend="{{origin}} {{version}}",
    ),
)

_VERDICTS: Final = (
    timeline(
        "verdicts",
        "Verdicts",
        "The flags over time: high load now and for each horizon, anomaly, maintenance. A gap means that "
        "nothing was known.",
        Query('loadwatch_high_load{$host,horizon="0"}', "high load, {{instance}}"),
        Query('loadwatch_high_load{$host,horizon!="0"}', "within {{horizon}} s, {{instance}}"),
        Query("loadwatch_anomaly{$host}", "anomaly, {{instance}}"),
        Query("loadwatch_maintenance{$host}", "maintenance, {{instance}}"),
        Query("loadwatch_high_load_by_guard{$host}", "by a plain limit, {{instance}}"),
        Query("loadwatch_high_load_source{$host}", "by {{source}}, {{instance}}"),
        mappings=states(("0", "no", "green"), ("1", "yes", "red")),
        special={
            "/^within/": states(("0", "no", "green"), ("1", "yes", "orange")),
            "/^anomaly/": states(("0", "no", "green"), ("1", "yes", "purple")),
            "/^maintenance/": states(("0", "no", "green"), ("1", "yes", "blue")),
        },
    ),
    graph(
        "probability",
        "Probability of high load",
        "Now and within each horizon, in seconds. The probabilities are calibrated: of the moments with 80 "
        "%, about four in five are high load.",
        Query('loadwatch_high_load_probability{$host,horizon="0"}', "now, {{instance}}"),
        Query('loadwatch_high_load_probability{$host,horizon!="0"}', "within {{horizon}} s, {{instance}}"),
        ratio=True,
    ),
    graph(
        "anomaly",
        "Anomaly score",
        "How unlike itself the host behaves, from 0 to 1.",
        Query("loadwatch_anomaly_score{$host}", "{{instance}}"),
        ratio=True,
    ),
    graph(
        "contributions_high_load",
        "What drives the probability",
        "Signed contributions of the strongest signals: above zero towards high load, below zero away from "
        "it.",
        Query('loadwatch_contribution{$host,verdict="high_load"}', "{{signal}}, {{instance}}"),
        stacked=True,
    ),
    graph(
        "contributions_anomaly",
        "What drives the anomaly score",
        "Signed contributions of the strongest signals: above zero towards an anomaly.",
        Query('loadwatch_contribution{$host,verdict="anomaly"}', "{{signal}}, {{instance}}"),
        stacked=True,
    ),
)

_ALERTS: Final = (
    timeline(
        "alerts",
        "Alerts",
        "Alerts of the Prometheus rules over time. The first lane counts them; it is there without any "
        "alert.",
        Query('sum(ALERTS{$host,alertname=~"Loadwatch.*",alertstate="firing"}) or vector(0)', "firing"),
        Query(
            'max by (alertname, instance) (ALERTS{$host,alertname=~"Loadwatch.*",alertstate="firing"})',
            "{{alertname}}, {{instance}}",
        ),
        mappings=states(("0", "none", "green")),
        height=6,
    ),
    alert_list(
        "alert_list",
        "Alerts that need attention",
        "Alerts of loadwatch that fire or are about to, from Grafana and from the data source.",
        quiet_too=False,
    ),
    bars(
        "drivers",
        "Strongest signals now",
        "The signals that push towards high load at this moment.",
        Query(
            'sort_desc(loadwatch_contribution{$host,verdict="high_load"} > 0) or vector(0)',
            "{{signal}}",
            True,
        ),
        width=12,
    ),
)


def _signals(key: str, title: str, names: str, *, ratio: bool = True, unit: str = "short") -> Panel:
    selector = f'loadwatch_signal{{$host,signal=~"{names}"}}'
    query = Query(selector, "{{signal}}, {{instance}}")
    return graph(key, title, _SEEN, query, ratio=ratio, unit=unit, width=8)


_SIGNALS: Final = (
    _signals("cpu", "CPU", "cpu|cpu_max_core|iowait|steal"),
    _signals(
        "pressure", "Pressure: share of time in which work waited", "cpu_pressure|memory_pressure|io_pressure"
    ),
    _signals("memory", "Memory", "memory|swap"),
    _signals("network", "Network, over link speed", "network"),
    _signals("disk", "Busiest disk", "disk"),
    graph(
        "every_signal",
        "Every exported signal that is a ratio",
        "All ratios together, those of imported names too: what rises with what.",
        Query('loadwatch_signal{$host,unit="ratio"}', "{{signal}}, {{instance}}"),
        ratio=True,
        width=8,
    ),
)

# Exported only where there is room below sixty series, or where all signals were asked for.
_FURTHER: Final = (
    _signals("load", "Load average per CPU", "load_per_cpu", ratio=False),
    _signals("network_bytes", "Network traffic", "network_receive|network_transmit", ratio=False, unit="Bps"),
    _signals("disk_bytes", "Disk traffic", "disk_read|disk_write", ratio=False, unit="Bps"),
    _signals("disk_wait", "Time a disk request takes", "disk_wait", ratio=False, unit="s"),
    _signals("connections", "TCP connections", "tcp_established|tcp_in_use|tcp_time_wait", ratio=False),
    _signals("segments", "TCP segments", "tcp_in_segments|tcp_out_segments", ratio=False, unit="pps"),
    _signals(
        "opens", "TCP connections opened", "tcp_active_opens|tcp_passive_opens", ratio=False, unit="cps"
    ),
    _signals(
        "faults",
        "TCP faults",
        "tcp_retransmits|tcp_retransmit_timeouts|tcp_resets|tcp_in_errors|listen_overflows",
        ratio=False,
        unit="cps",
    ),
    _signals(
        "datagrams", "UDP datagrams", "udp_in_datagrams|udp_out_datagrams|udp_errors", ratio=False, unit="pps"
    ),
    _signals("filling", "What fills up", "filesystem|filesystem_inodes|file_handles|threads|conntrack"),
    _signals("kills", "Processes killed for want of memory", "oom_kills", ratio=False, unit="cps"),
)

HOST: Final = Dashboard(
    uid="loadwatch-host",
    description="One host as loadwatch sees it: verdicts, what drives them, and every signal.",
    rows=(
        Row("Now", _NOW),
        Row("Verdicts", _VERDICTS),
        Row("Alerts", _ALERTS),
        Row("Signals", _SIGNALS),
        Row(
            "Further signals (exported where there is room, or with all signals switched on)",
            _FURTHER,
            folded=True,
        ),
    ),
    every_host=False,
    since="now-3h",
    refresh="15s",
)
