"""The rules of Prometheus and the routes of Alertmanager hold what the runbook promises."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from generate.alert import AlertRule
from generate.alerts import ALERTS, FLAGS
from generate.scenarios import SCENARIOS

from loadwatch.assets import FILES, export

from .promql_reading import FLAG_RULES, looked_up, recordings, rules, selectors

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_vmalert = pytest.mark.skipif(shutil.which("vmalert") is None, reason="vmalert is not installed")
needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@needs_promtool
def test_promtool_accepts_rules_and_configuration(tmp_path: Path) -> None:
    """What is exported loads: rules, and the example configuration beside them."""
    export(tmp_path, ["prometheus"])
    folder = tmp_path / "prometheus"
    output = run("promtool", "check", "rules", *sorted(folder.glob("loadwatch.*.yml")), cwd=folder)
    assert f"SUCCESS: {len(ALERTS)} rules found" in output
    assert f"SUCCESS: {len(FLAGS)} rules found" in output
    # The password and certificate files of the example are the reader's to make.
    run("promtool", "check", "config", "--syntax-only", "prometheus.example.yml", cwd=folder)


@pytest.mark.slow
@needs_promtool
def test_every_scenario_holds(tmp_path: Path) -> None:
    """Each alert keeps quiet, fires with exactly its text, clears, and is silent in maintenance."""
    export(tmp_path, ["prometheus"], grafana_url="https://grafana.example.com")
    tests = tmp_path / "prometheus/tests"
    # A third of its time goes to collecting garbage of a few megabytes again and again.
    run("promtool", "test", "rules", *sorted(tests.glob("*.yml")), cwd=tests, GOGC="800")


@needs_vmalert
def test_vmalert_accepts_the_rules(tmp_path: Path) -> None:
    """The same files serve those who keep their metrics in VictoriaMetrics."""
    export(tmp_path, ["prometheus"])
    rules_here = [f"-rule={path}" for path in (tmp_path / "prometheus").glob("loadwatch.*.yml")]
    assert len(rules_here) == 3
    run("vmalert", "-dryRun", *rules_here, cwd=tmp_path / "prometheus")


@needs_amtool
def test_alertmanager_accepts_its_example() -> None:
    """The routes, inhibitions and mute times load."""
    run("amtool", "check-config", "alertmanager.example.yml", cwd=FILES / "alertmanager")


@needs_amtool
@pytest.mark.parametrize("alert", [*ALERTS, *FLAGS], ids=lambda alert: alert.name)
def test_alerts_reach_the_receiver_for_their_severity(alert: AlertRule) -> None:
    """What is critical wakes somebody; the rest is read in the morning; of flags nobody hears."""
    command = ["amtool", "config", "routes", "test", "--config.file=alertmanager.example.yml"]
    command += [f"alertname={alert.name}", f"severity={alert.severity}", "instance=web-1:10074"]
    wanted = "nobody" if alert in FLAGS else "pager" if alert.severity == "critical" else "mail"
    assert run(*command, cwd=FILES / "alertmanager").strip() == wanted


def test_the_receiver_of_flags_tells_nobody() -> None:
    """It has no way to anybody."""
    receivers = yaml.safe_load((FILES / "alertmanager/alertmanager.example.yml").read_text())["receivers"]
    assert {"name": "nobody"} in receivers


def test_flags_have_a_file_of_their_own_that_nothing_loads() -> None:
    """Who wants rules on the flags adds them on purpose: severity info, and no flag in the other rules."""
    assert [(rule["alert"], rule["labels"]) for rule in rules(FLAG_RULES)] == [
        (alert.name, {"severity": "info"}) for alert in FLAGS
    ]
    example = yaml.safe_load((FILES / "prometheus/prometheus.example.yml").read_text())
    assert example["rule_files"] == ["loadwatch.rules.yml", "loadwatch.recording.yml"]
    flags = {"loadwatch_high_load", "loadwatch_anomaly"}
    assert not any(s.metric in flags for rule in rules() for s in selectors(rule["expr"]))


def test_verdict_alerts_follow_the_alerts_of_the_daemon() -> None:
    """High load that is there is critical, what is expected and what is odd a warning."""
    followed = {
        (found.matchers["verdict"][1], found.matchers["stage"][1]): rule["labels"]["severity"]
        for rule in rules()
        for found in selectors(rule["expr"])
        if found.metric == "loadwatch_alert"
    }
    assert followed == {
        ("high_load", "present"): "critical",
        ("high_load", "expected"): "warning",
        ("anomaly", "present"): "warning",
    }


def test_every_alert_has_a_whole_story() -> None:
    """A scenario in which it fires, and a moment before and a moment after in which it does not."""
    stories = {
        scenario.alert: [list(s.says.values()) for s in SCENARIOS if s.alert == scenario.alert]
        for scenario in SCENARIOS
    }
    # The absence of all targets is told without a host, in a test of its own.
    assert set(stories) == {alert.name for alert in (*ALERTS, *FLAGS)} - {"LoadwatchAbsent"}
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


def test_lookups_take_all_labels_of_the_alert() -> None:
    """Two clusters may have a host of the same job and name: each text has the reasons of its own."""
    for rule in (*rules(), *rules(FLAG_RULES)):
        text = rule["annotations"]["description"]
        if "| query" in text:
            assert "range $name, $value := $labels" in text
            assert re.findall(r"printf `[^`]+`((?: \$\w+(?:\.\w+)?)+) \| query", text)
            assert "$labels.job" not in text


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
