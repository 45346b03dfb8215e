"""What the alerts about the host say of synthetic series, and the rules on its flags."""

from typing import Final

from generate.scenario import (
    EXPECTED,
    FLAG,
    HOST,
    LATER,
    ODD,
    PRESENT,
    PROBABILITY,
    SAMPLED,
    Scenario,
    contribution,
    culprit,
    elsewhere,
    limit,
    series_of,
)

VERDICT_SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        "LoadwatchHighLoad",
        {
            PRESENT: "0+0x19 1+0x19 0+0x40",
            PROBABILITY["0"]: "0.02+0x19 0.97+0x9 0.02+0x50",
            contribution("memory", "high_load"): "0.22+0x80",
            contribution("cpu_pressure", "high_load"): "0.41+0x80",
            contribution("network", "high_load"): "-0.05+0x80",
            contribution("disk", "anomaly"): "0.9+0x80",
            culprit("mysql.service", "cpu"): "_x19 0.78+0x9 stale",
            culprit("backup.service", "cpu"): "_x19 0.15+0x9 stale",
        },
        {
            "4m45s": None,
            "5m": "web-1:10074 is under high load (probability 97%); most is used by mysql.service (78%), "
            "backup.service (15%). Top signals: cpu_pressure +0.41, memory +0.22",
            # The load is over before the alert is: what raised it stands in the message that ends it.
            "9m45s": "web-1:10074 is under high load (probability 97%); most is used by mysql.service (78%), "
            "backup.service (15%). Top signals: cpu_pressure +0.41, memory +0.22",
            "10m": None,
        },
    ),
    # The model never was sure, the plain limits are: no probability, though there was one a moment ago. The
    # series of one host say nothing about the other's.
    Scenario(
        "LoadwatchHighLoad",
        {
            PRESENT: "0+0x9 1+0x40",
            PROBABILITY["0"]: "0.97+0x3 0.00006+0x60",
            limit("memory"): "_x8 0.985+0x10 stale",
            limit("swap"): "_x8 0.91+0x10 stale",
            elsewhere(contribution("cpu", "high_load"), 'job="loadwatch",instance="db-1:10074"'): "0.9+0x60",
        },
        dict.fromkeys(
            ("2m30s", "10m"),
            "web-1:10074 is under high load, past the plain limit on memory (98.5%), swap (91%).",
        ),
    ),
    # Two clusters with a host of the same job and name: each alert has the reasons of its own.
    Scenario(
        "LoadwatchHighLoad",
        {
            elsewhere(PRESENT, f'cluster="east",{HOST}'): "1+0x20",
            elsewhere(PROBABILITY["0"], f'cluster="east",{HOST}'): "0.8+0x20",
            elsewhere(PROBABILITY["0"], f'cluster="west",{HOST}'): "0.99+0x20",
            elsewhere(contribution("cpu", "high_load"), f'cluster="east",{HOST}'): "0.1+0x20",
            elsewhere(contribution("swap", "high_load"), f'cluster="west",{HOST}'): "0.9+0x20",
        },
        {"1m": "web-1:10074 is under high load (probability 80%). Top signals: cpu +0.10"},
        host=f'cluster="east",{HOST}',
    ),
    # Scrapes that fail for a minute in the middle of it do not end the alert.
    Scenario(
        "LoadwatchHighLoad",
        {PRESENT: "1+0x7 stale _x3 1+0x8"},
        {"2m45s": "web-1:10074 is under high load.", "4m": "web-1:10074 is under high load."},
    ),
    # Nor do some seconds of maintenance; minutes of it do.
    Scenario(
        "LoadwatchHighLoad",
        {
            PRESENT: "1+0x11 0+0x4 1+0x10 0+0x80",
            series_of("loadwatch_maintenance"): "0+0x11 1 0+0x14 1+0x20 0+0x60",
        },
        {
            "3m": "web-1:10074 is under high load.",
            "3m45s": "web-1:10074 is under high load.",
            "6m": "web-1:10074 is under high load.",
            "9m": None,
            "11m45s": None,
            "12m30s": None,
            "13m": None,
            "15m": None,
            "17m": None,
        },
    ),
    # The daemon died and node_exporter still shows what it left: that is no news of the host.
    Scenario(
        "LoadwatchHighLoad",
        {PRESENT: "1+0x200", SAMPLED: "0+15x20 300+0x180"},
        {"15m": "web-1:10074 is under high load.", "21m": None, "45m": None},
    ),
    # A sampling interval of five minutes is none of that.
    Scenario(
        "LoadwatchHighLoad",
        {PRESENT: "1+0x80", SAMPLED: "0+0x19 300+0x19 600+0x19 900+0x19"},
        dict.fromkeys(("4m45s", "9m45s", "14m45s", "19m45s"), "web-1:10074 is under high load."),
    ),
    # A flag without an alert notifies nobody.
    Scenario(
        "LoadwatchHighLoad",
        {PRESENT: "0+0x40", FLAG: "1+0x40", limit("cpu"): "1+0x40"},
        {"5m": None, "10m": None},
    ),
    Scenario(
        "LoadwatchHighLoadExpected",
        {
            EXPECTED: "0+0x9 1+0x29 0+0x20",
            PRESENT: "0+0x39 1+0x20",
            FLAG: "0+0x39 1+0x20",
            LATER["60"]: "0+0x60",
            LATER["300"]: "0+0x19 1+0x40",
            LATER["900"]: "0+0x9 1+0x50",
            PROBABILITY["0"]: "0.1+0x60",
            PROBABILITY["60"]: "0.2+0x60",
            PROBABILITY["300"]: "0.83+0x60",
            PROBABILITY["900"]: "0.915+0x60",
            contribution("tcp_retransmits", "high_load"): "0.3+0x60",
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
    Scenario(
        "LoadwatchHighLoadExpected",
        {EXPECTED: "1+0x19 0+0x20", LATER["60"]: "1+0x19 0+0x20", PROBABILITY["60"]: "0.7+0x40"},
        {
            "1m": "web-1:10074 is expected to be under high load within 1m 0s (probability 70%).",
            "7m": None,
        },
    ),
    Scenario(
        "LoadwatchAnomaly",
        {
            ODD: "0+0x19 1+0x19 0+0x40",
            series_of("loadwatch_anomaly_score"): "0.1+0x19 0.934+0x9 0.1+0x50",
            contribution("tcp_resets", "anomaly"): "1.2+0x80",
            contribution("udp_errors", "anomaly"): "0.5+0x80",
            contribution("iowait", "anomaly"): "0.25+0x80",
            contribution("cpu", "anomaly"): "0.125+0x80",
        },
        {
            "4m45s": None,
            "9m": "web-1:10074 behaves unlike itself (score 0.93). "
            "Top signals: tcp_resets +1.20, udp_errors +0.50, iowait +0.25",
            "12m": None,
        },
    ),
    Scenario(
        "LoadwatchHighLoadFlagged",
        {FLAG: "0+0x19 1+0x19 0+0x40", PRESENT: "0+0x80"},
        {"4m45s": None, "5m": "web-1:10074 is under high load.", "10m": None},
    ),
    Scenario(
        "LoadwatchHighLoadExpectedFlagged",
        {
            LATER["60"]: "0+0x80",
            LATER["900"]: "0+0x19 1+0x19 0+0x40",
            PROBABILITY["900"]: "0.75+0x80",
            EXPECTED: "0+0x80",
        },
        {
            "4m45s": None,
            "5m": "web-1:10074 is expected to be under high load within 15m 0s (probability 75%).",
            "10m": None,
        },
    ),
    Scenario(
        "LoadwatchAnomalyFlagged",
        {series_of("loadwatch_anomaly"): "0+0x19 1+0x19 0+0x40", ODD: "0+0x80"},
        {"4m45s": None, "5m": "web-1:10074 behaves unlike itself.", "10m": None},
    ),
    Scenario(
        "LoadwatchFilling",
        {
            series_of("loadwatch_filling", 'resource="file system /var"'): "_x20 0.98+0x80 stale",
            series_of("loadwatch_full_in_seconds", 'resource="file system /var"'): "_x20 10800+0x80 stale",
            series_of("loadwatch_filling", 'resource="inodes of /var"'): "_x20 0.96+0x80 stale",
        },
        {
            "14m": None,
            "15m15s": "On web-1:10074 something fills up. In use: file system /var 98%, inodes of /var 96%. "
            "Full in: file system /var 3h 0m 0s.",
            "28m": None,
        },
    ),
)
