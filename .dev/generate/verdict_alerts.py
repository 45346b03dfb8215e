"""The alerts about the host; Prometheus rules, Grafana rules and the runbook are made from them.

Few, and each asks for something to be done. The flags already carry hysteresis and a minimum duration, so the
verdicts wait no longer here; ``max_over_time`` bridges scrapes that failed and restarts of the daemon, and
unlike ``keep_firing_for`` (Prometheus 2.42) every Prometheus, vmalert and Grafana knows it.
"""

from typing import Final

from generate.alert import MAINTENANCE, AlertRule, Lookup

FLAGGED_NOW: Final = 'max without (horizon) (max_over_time(loadwatch_high_load{horizon="0"}[2m]))'
FLAGGED_LATER: Final = 'max without (horizon) (max_over_time(loadwatch_high_load{horizon!="0"}[2m]))'

# As long as the judge takes forecasts after high load for its echo (SETTLED_SECONDS in judge.alerting):
# the flags of the horizons come down more slowly than that of now.
LATELY_FLAGGED: Final = 'max without (horizon) (max_over_time(loadwatch_high_load{horizon="0"}[15m]))'


def _top_signals(verdict: str) -> Lookup:
    return Lookup(
        opening=" Top signals: ",
        query=f'loadwatch_contribution{{verdict="{verdict}",$host}} > 0',
        label="signal",
        show_value='printf "%+.2f"',
    )


HIGH_LOAD: Final = AlertRule(
    name="LoadwatchHighLoad",
    group="loadwatch-verdicts",
    severity="critical",
    value=FLAGGED_NOW,
    comparison=">",
    threshold=0,
    wait="0s",
    summary="Host is under high load.",
    description=(
        "{instance} is under high load",
        Lookup(
            " (probability ",
            # The highest of late: the flag outlives the load, and so does the message that it is over.
            'max without () (max_over_time(loadwatch_high_load_probability{horizon="0",$host}[5m]))',
            show_value="humanizePercentage",
            after=")",
            count=1,
        ),
        Lookup(", raised by the plain limits on the signals", "loadwatch_high_load_by_guard{$host}", count=1),
        ".",
        _top_signals("high_load"),
    ),
    panel=("loadwatch-host", "verdicts"),
    meaning="The host is at its limit now: work waits for CPU, memory, storage or the network. The daemon "
    "raised its flag after hysteresis and a minimum duration, so this is no short peak.",
    action="Read the top signals in the alert: they say which resource to look at. On the host, `loadwatch "
    "status` explains the verdict. `cpu_pressure` high: find the process with `top`; `memory_pressure`: "
    "look for a leak before the kernel kills something; `io_pressure`: `iotop`, or a failing disk. If this "
    "load was meant (a backup, a deployment), say so with `loadwatch label --from ... --to ... normal`, or "
    "announce it next time with `loadwatch maintenance start`.",
    clearing="Two minutes after the daemon lowers its flag.",
)

HIGH_LOAD_EXPECTED: Final = AlertRule(
    name="LoadwatchHighLoadExpected",
    group="loadwatch-verdicts",
    severity="warning",
    value=FLAGGED_LATER,
    comparison=">",
    threshold=0,
    wait="0s",
    summary="Host is expected to be under high load soon.",
    description=(
        "{instance} is expected to be under high load",
        Lookup(
            " within ",
            'loadwatch_high_load_probability{$host} and loadwatch_high_load{horizon!="0",$host} == 1',
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
    "a part of the weekly alert budget on it. The host is still well.",
    action="Use the time: find what drives it (top signals), stop or move deferrable work, add capacity. How "
    "often such forecasts came true on this host is on the daemon's dashboard and in `loadwatch status`.",
    clearing="Two minutes after the forecast flag goes down, or when the load has arrived: then "
    "LoadwatchHighLoad takes over. For a quarter of an hour after high load it keeps quiet: forecasts that "
    "are still up then are its echo.",
    unless=(f"{LATELY_FLAGGED} > 0", MAINTENANCE),
)

ANOMALY: Final = AlertRule(
    name="LoadwatchAnomaly",
    group="loadwatch-verdicts",
    severity="warning",
    value="max without () (max_over_time(loadwatch_anomaly[2m]))",
    comparison=">",
    threshold=0,
    wait="0s",
    summary="Host behaves unlike itself.",
    description=(
        "{instance} behaves unlike itself",
        Lookup(" (score ", "loadwatch_anomaly_score{$host}", show_value='printf "%.2f"', after=")", count=1),
        ".",
        _top_signals("anomaly"),
    ),
    panel=("loadwatch-host", "anomaly"),
    meaning="The signals together look like nothing in this host's history. That need not be high load: a "
    "service that died and left the host idle, a flood of connections, a leak that begins.",
    action="Look at the top signals on the host's dashboard and ask what changed: a deployment, traffic, a "
    "failed dependency. If it was right to warn, `loadwatch label --from ... --to ... incident` keeps it "
    "out of what counts as normal; if it is the new normal, label it `normal` and the next training learns "
    "it.",
    clearing="Two minutes after the daemon lowers its flag.",
)

VERDICT_ALERTS: Final = (HIGH_LOAD, HIGH_LOAD_EXPECTED, ANOMALY)
