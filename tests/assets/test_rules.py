"""The rules of Prometheus and the routes of Alertmanager hold what the runbook promises."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from generate.alerts import ALERTS
from generate.scenarios import SCENARIOS

from loadwatch.assets import FILES, export

from .promql_reading import looked_up, recordings, rules, selectors

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_vmalert = pytest.mark.skipif(shutil.which("vmalert") is None, reason="vmalert is not installed")
needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@needs_promtool
def test_promtool_accepts_rules_and_configuration(tmp_path: Path) -> None:
    """What is exported loads: rules, and the example configuration beside them."""
    export(tmp_path, ["prometheus"])
    folder = tmp_path / "prometheus"
    output = run("promtool", "check", "rules", "loadwatch.rules.yml", "loadwatch.recording.yml", cwd=folder)
    assert f"SUCCESS: {len(ALERTS)} rules found" in output
    # The password and certificate files of the example are the reader's to make.
    run("promtool", "check", "config", "--syntax-only", "prometheus.example.yml", cwd=folder)


@needs_promtool
def test_every_scenario_holds(tmp_path: Path) -> None:
    """Each alert keeps quiet, fires with exactly its text, clears, and is silent in maintenance."""
    export(tmp_path, ["prometheus"], grafana_url="https://grafana.example.com")
    tests = tmp_path / "prometheus/tests"
    run("promtool", "test", "rules", *sorted(tests.glob("*.yml")), cwd=tests)


@needs_vmalert
def test_vmalert_accepts_the_rules(tmp_path: Path) -> None:
    """The same files serve those who keep their metrics in VictoriaMetrics."""
    export(tmp_path, ["prometheus"])
    rules_here = [f"-rule={name}" for name in ("loadwatch.rules.yml", "loadwatch.recording.yml")]
    run("vmalert", "-dryRun", *rules_here, cwd=tmp_path / "prometheus")


@needs_amtool
def test_alertmanager_accepts_its_example() -> None:
    """The routes, inhibitions and mute times load."""
    run("amtool", "check-config", "alertmanager.example.yml", cwd=FILES / "alertmanager")


@needs_amtool
@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "pager"), ("warning", "mail"), ("info", "mail")]
)
def test_alerts_reach_the_receiver_for_their_severity(severity: str, receiver: str) -> None:
    """What is critical wakes somebody; the rest is read in the morning."""
    command = ["amtool", "config", "routes", "test", "--config.file=alertmanager.example.yml"]
    command += ["alertname=LoadwatchAnomaly", f"severity={severity}", "instance=web-1:10074"]
    assert run(*command, cwd=FILES / "alertmanager").strip() == receiver


def test_every_alert_has_a_whole_story() -> None:
    """A scenario in which it fires, and a moment before and a moment after in which it does not."""
    stories = {
        scenario.alert: [list(s.says.values()) for s in SCENARIOS if s.alert == scenario.alert]
        for scenario in SCENARIOS
    }
    # The absence of all targets is told without a host, in a test of its own.
    assert set(stories) == {alert.name for alert in ALERTS} - {"LoadwatchAbsent"}
    for name, says in stories.items():
        whole = [s for s in says if s[0] is None and s[-1] is None and any(s)]
        assert whole, f"{name}: no scenario begins quiet, fires and ends quiet"


def test_every_alert_says_what_why_and_what_to_do() -> None:
    """Severity, a constant summary, a description that names the host, and links to runbook and dashboard."""
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        annotations = rule["annotations"]
        assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
        assert re.fullmatch(r"[^{}]+\.", annotations["summary"])
        assert annotations["runbook_url"].endswith(f"#{rule['alert'].lower()}")
        assert "{{ $labels.instance }}" in annotations["description"] or rule["alert"] == "LoadwatchAbsent"


def test_verdicts_name_their_top_signals() -> None:
    """Who reads the alert learns which signals drive it, of this host and this verdict."""
    verdicts = {
        "LoadwatchHighLoad": "high_load",
        "LoadwatchHighLoadExpected": "high_load",
        "LoadwatchAnomaly": "anomaly",
    }
    for rule in rules():
        if rule["alert"] in verdicts:
            top = looked_up(rule["annotations"]["description"])[-1]
            (selector,) = selectors(top)
            assert selector.metric == "loadwatch_contribution"
            assert selector.matchers.keys() == {"verdict", "job", "instance"}
            assert selector.matchers["verdict"][1] == verdicts[rule["alert"]]


def test_no_alert_fires_in_maintenance() -> None:
    """Only the absence of all hosts is told in any case."""
    heedless = [alert.name for alert in ALERTS if "loadwatch_maintenance" not in str(alert.unless)]
    assert heedless == ["LoadwatchAbsent"]


def test_recordings_are_named_by_level_metric_and_operation() -> None:
    """``job_horizon:loadwatch_high_load:avg``: who reads the name knows the labels and the sum."""
    for rule in recordings():
        level, metric, operation = rule["record"].split(":")
        assert metric.startswith("loadwatch_")
        assert operation in {"sum", "avg", "count", "topk"}
        if level != "instance":
            assert f"by ({level.replace('_', ', ')})" in rule["expr"]


def test_every_unit_test_file_is_for_a_shipped_rule_file() -> None:
    """The tests find the rules where ``export`` puts them."""
    folder = FILES / "prometheus/tests"
    for path in folder.glob("*.yml"):
        for rule_file in yaml.safe_load(path.read_text())["rule_files"]:
            assert (folder / rule_file).is_file()
