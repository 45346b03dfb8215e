"""What the first panels of the host's dashboard say of synthetic series, by Prometheus' own evaluation."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from .promql_reading import dashboards, filled, panels

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")

HOST = 'job="loadwatch",instance="web-1:10074"'
NOW = f'loadwatch_high_load{{{HOST},horizon="0"}}'
LATER = f'loadwatch_high_load{{{HOST},horizon="900"}}'
ODD = f"loadwatch_anomaly{{{HOST}}}"
SERVICED = f"loadwatch_maintenance{{{HOST}}}"
SAMPLED = f"loadwatch_last_sample_timestamp_seconds{{{HOST}}}"
CALLED = {
    stage: f'loadwatch_alert{{{HOST},verdict="{verdict}",stage="{stage}"}}'
    for verdict, stage in (("high_load", "present"), ("high_load", "expected"))
}


def query(title: str) -> str:
    (board,) = [board for board in dashboards() if board["uid"] == "loadwatch-host"]
    (panel,) = [panel for panel in panels(board) if panel["title"] == title]
    (target,) = panel["targets"]
    return filled(target["expr"])


def holds(folder: Path, title: str, series: dict[str, str], says: dict[str, float | None]) -> None:
    """The panel has these values at these times; None: it has none."""
    tests = [
        {
            "expr": query(title),
            "eval_time": time,
            "exp_samples": [] if value is None else [{"labels": f"{{{HOST}}}", "value": value}],
        }
        for time, value in says.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    content = {
        "rule_files": [],
        "tests": [{"interval": "15s", "input_series": inputs, "promql_expr_test": tests}],
    }
    (folder / "panels.test.yml").write_text(yaml.safe_dump(content))
    result = subprocess.run(
        ["promtool", "test", "rules", "panels.test.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("series", "state"),
    [
        ({NOW: "0", LATER: "0", ODD: "0", SERVICED: "0"}, 0),
        ({NOW: "0", LATER: "0", SERVICED: "0"}, 0),
        ({NOW: "0", LATER: "0", ODD: "0", SERVICED: "1"}, 1),
        ({NOW: "0", LATER: "0", ODD: "1", SERVICED: "0"}, 2),
        ({NOW: "0", LATER: "1", ODD: "1", SERVICED: "0"}, 3),
        ({NOW: "1", LATER: "1", ODD: "1", SERVICED: "0"}, 4),
        ({ODD: "0", SERVICED: "0"}, None),
        ({SERVICED: "1"}, None),
    ],
    ids=["fine", "no score yet", "maintenance", "odd", "expected", "high", "no verdict", "silent"],
)
def test_the_state_is_the_worst_that_is_flagged(
    tmp_path: Path, series: dict[str, str], state: float | None
) -> None:
    """And nothing where there is no verdict: unknown is not fine."""
    fresh = {SAMPLED: "0+15x40"}
    holds(tmp_path, "State", {n: f"{v}+0x40" for n, v in series.items()} | fresh, {"5m": state})


def test_what_a_dead_daemon_left_in_a_file_is_no_state(tmp_path: Path) -> None:
    """A quarter of an hour after its last sample it is not believed."""
    series = {NOW: "0+0x200", SERVICED: "0+0x200", SAMPLED: "0+15x20 300+0x180"}
    holds(tmp_path, "State", series, {"15m": 0.0, "21m": None})


def test_for_counts_from_the_last_change(tmp_path: Path) -> None:
    """To the minute: ten minutes well, four under high load, well again; at first since it is known."""
    series = {NOW: "0+0x39 1+0x15 0+0x80", LATER: "0+0x39 1+0x15 0+0x80", ODD: "0+0x135"}
    holds(tmp_path, "For", series, {"5m": 300.0, "12m": 180.0, "13m30s": 270.0, "20m": 420.0})


def test_an_open_alert_is_named_by_its_verdict_and_stage(tmp_path: Path) -> None:
    """High load that is there before high load that is expected."""
    series = {CALLED["expected"]: "0+0x9 1+0x20 0+0x20", CALLED["present"]: "0+0x30 1+0x10 0+0x20"}
    holds(tmp_path, "Alert", series, {"1m": 0.0, "5m": 2.0, "8m": 3.0, "11m": 0.0})
