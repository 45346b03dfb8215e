"""The dashboard of hundreds of hosts: counts first, then the worst, then how well they are watched."""

from dataclasses import replace
from typing import Final

from generate.dashboard import Dashboard, Row
from generate.panels import (
    NEUTRAL,
    Json,
    Lane,
    Panel,
    Query,
    alert_list,
    bars,
    by_horizon,
    graph,
    stat,
    steps,
    timeline,
)
from generate.tables import Column, host_table

# Steps of a graph over all hosts: each costs the server a look at every one of them.
_POINTS: Final = 200

# None is as it should be, and needs no colour.
_NOTICE: Final = steps((None, "text"), (1, "orange"))
_BAD: Final = steps((None, "text"), (1, "red"))
_NOW: Final = 'loadwatch_high_load_probability{$host,horizon="0"}'
_WORST: Final = f"and on (instance) topk(25, {_NOW})"
_OLD: Final = "time() - loadwatch_model_trained_timestamp_seconds{$host}"
# What node_exporter still shows of a daemon that died is no state of the host.
_FRESH: Final = "unless on (job, instance) time() - loadwatch_last_sample_timestamp_seconds{$host} > 900"


def _count(key: str, title: str, description: str, query: str, thresholds: Json = _BAD) -> Panel:
    return stat(
        key,
        title,
        description,
        f"{query} or vector(0)",
        thresholds=thresholds,
    ).shown(width=3)


_COUNTS: Final = (
    _count(
        "reporting",
        "Reporting",
        "Hosts whose daemon answered the last scrape.",
        "sum(up{$host})",
        steps((None, "red"), (1, "text")),
    ),
    _count("down", "Down", "Hosts whose daemon did not answer the last scrape.", "count(up{$host} == 0)"),
    _count(
        "high_load",
        "High load",
        "Hosts under high load now.",
        f'sum(loadwatch_high_load{{$host,horizon="0"}} {_FRESH})',
    ),
    _count(
        "expected",
        "Expected",
        "Hosts not under high load that are expected to be, at any horizon.",
        f'count(max by (job, instance) (loadwatch_high_load{{$host,horizon!="0"}} {_FRESH}) == 1 '
        'unless on (job, instance) loadwatch_high_load{$host,horizon="0"} == 1)',
        _NOTICE,
    ),
    _count(
        "unlike_itself",
        "Anomalies",
        "Hosts that behave unlike themselves.",
        f"sum(loadwatch_anomaly{{$host}} {_FRESH})",
        _NOTICE,
    ),
    _count(
        "maintenance",
        "Maintenance",
        "Hosts in a maintenance window.",
        "sum(loadwatch_maintenance{$host})",
        NEUTRAL,
    ),
    _count(
        "not_ready",
        "Without verdict",
        "Hosts whose daemon gives no verdict.",
        f"count(loadwatch_ready{{$host}} == 0 or loadwatch_ready{{$host}} {_FRESH.replace('unless', 'and')})",
    ),
    _count(
        "stale_models",
        "Stale models",
        "Hosts with a model older than a week.",
        f"count({_OLD} > 604800)",
        _NOTICE,
    ),
)

_OVER_TIME: Final = (
    graph(
        "loaded_hosts",
        "Hosts under high load",
        "How many hosts are flagged now, and how many are expected to be within each horizon.",
        Query('sum(loadwatch_high_load{$host,horizon="0"})', "now"),
        *(
            Query(query, name)
            for query, name in by_horizon(
                "sum by (horizon) (loadwatch_high_load{$host,$horizon})", "in $horizon"
            )
        ),
        Query("sum(loadwatch_anomaly{$host})", "anomalies"),
    ),
    graph(
        "share",
        "Share of the fleet under high load",
        "The flagged hosts over all hosts with a verdict, and the mean probability.",
        Query('avg(loadwatch_high_load{$host,horizon="0"})', "under high load"),
        Query(f"avg({_NOW})", "mean probability"),
        ratio=True,
    ),
    graph(
        "fleet_drivers",
        "What drives the fleet",
        "Contributions towards high load, summed over all hosts: one resource that hurts many hosts stands "
        "out.",
        Query('sum by (signal) (loadwatch_contribution{$host,verdict="high_load"} > 0)', "{{signal}}"),
        legend="table",
        stacked=True,
    ).shown(decimals=1),
    graph(
        "open_alerts",
        "Open alerts",
        "The alerts of the daemons, by verdict and stage: within the weekly budget of each host, "
        "and whichever rules pass it on.",
        Query("sum by (verdict, stage) (loadwatch_alert{$host})", "{{verdict}} {{stage}}"),
    ),
)

_WORST_HOSTS: Final = (
    host_table(
        "worst",
        "Closest to high load",
        "The 25 hosts with the highest probability of high load now, and the signal that drives it.",
        Column("Now", f"max by (instance) (topk(25, {_NOW}))", "percentunit"),
        Column(
            "Later",
            f'max by (instance) (loadwatch_high_load_probability{{$host,horizon!="0"}} {_WORST})',
            "percentunit",
        ),
        Column(
            "Anomaly score", f"max by (instance) (loadwatch_anomaly_score{{$host}} {_WORST})", "percentunit"
        ),
        Column(
            "Contribution",
            "max by (instance, signal) "
            f'(topk by (instance) (1, loadwatch_contribution{{$host,verdict="high_load"}}) {_WORST})',
            decimals=2,
        ),
        labels={"signal": "Top signal"},
        width=14,
    ),
    host_table(
        "strangest",
        "Most unlike themselves",
        "The 25 hosts with the highest anomaly score now, and the signal that drives it.",
        Column(
            "Anomaly score", "max by (instance) (topk(25, loadwatch_anomaly_score{$host}))", "percentunit"
        ),
        Column(
            "Contribution",
            "max by (instance, signal) (topk by (instance) (1, "
            'loadwatch_contribution{$host,verdict="anomaly"}) and on (instance) topk(25, '
            "loadwatch_anomaly_score{$host}))",
            decimals=2,
        ),
        labels={"signal": "Top signal"},
        width=10,
    ),
    timeline(
        "loaded_longest",
        "The hosts under high load for longest",
        "The flags of the 15 hosts that were under high load for the largest share of the chosen time.",
        Lane(
            'max by (instance) (loadwatch_high_load{$host,horizon="0"} and on (instance) '
            'topk(15, avg_over_time(loadwatch_high_load{$host,horizon="0"}[$__range] @ end())))',
            "{{instance}}",
            "red",
        ),
    ).shown(height=10),
)

_WATCH: Final = (
    host_table(
        "stalest",
        "Oldest models",
        "The 15 hosts whose model is oldest.",
        Column("Age of the model", f"max by (instance) (topk(15, {_OLD}))", "s"),
        width=8,
        height=7,
    ),
    bars(
        "versions",
        "Versions of loadwatch",
        "How many hosts run which version.",
        "count by (version) (loadwatch_build_info{$host})",
        name="${__field.labels.version}",
    ),
    bars(
        "origins",
        "Models by origin",
        "How many hosts run a model of their own, and how many still the first, synthetic one.",
        "count by (origin) (loadwatch_model_info{$host})",
        name="${__field.labels.origin}",
    ),
    alert_list(
        "alert_list",
        "Alerts that need attention",
        "Alerts of loadwatch that fire or are about to, from Grafana and from the data source.",
        host=False,
        quiet_too=False,
    ),
    graph(
        "false_alarms",
        "Alerts and false alarms",
        "New alerts of all hosts, and the mean of the false alarms a week that they measured.",
        Query("sum(increase(loadwatch_alerts_total{$host}[$__rate_interval]))", "new alerts"),
        Query("avg(loadwatch_false_alarms_measured_per_week{$host})", "false alarms a week and host"),
    ),
)

FLEET: Final = Dashboard(
    uid="loadwatch-fleet",
    description="All hosts watched by loadwatch: how many are under high load, which are worst, what "
    "drives them.",
    rows=(
        Row("", (*_COUNTS, *(replace(panel, points=_POINTS) for panel in _OVER_TIME))),
        Row("The worst", _WORST_HOSTS),
        Row("How well they are watched", _WATCH),
    ),
    every_host=True,
    since="now-3h",
    refresh="30s",
)
