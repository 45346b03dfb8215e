"""The examples of the chapter on scaling do what it says of them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from loadwatch import config
from loadwatch.exporter.table import METRICS
from loadwatch.records import Sample, Snapshot
from loadwatch.web.facts import Facts
from loadwatch.web.status import build_status

CHAPTER = (Path(__file__).parents[1] / "loadwatch/docs/scaling.md").read_text(encoding="utf-8")
SERIES = 'loadwatch_load_level_forecast{horizon="900",quantile="%s",instance="%s",job="loadwatch"}'


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", CHAPTER, re.DOTALL | re.MULTILINE)


ADAPTER, AUTOSCALER, SCALED = (yaml.safe_load(text) for text in blocks("yaml"))
EXTERNAL = AUTOSCALER["spec"]["metrics"][0]["external"]


def queries() -> dict[str, str]:
    """What the adapter makes of its template for our autoscaler, and what KEDA asks."""
    rule, metric = ADAPTER["externalRules"][0], EXTERNAL["metric"]
    matchers = ",".join(f'{name}="{value}"' for name, value in metric["selector"]["matchLabels"].items())
    filled = rule["metricsQuery"].replace("<<.Series>>", rule["seriesQuery"])
    trigger = SCALED["spec"]["triggers"][0]["metadata"]
    return {"adapter": filled.replace("<<.LabelMatchers>>", matchers), "KEDA": trigger["query"]}


@pytest.mark.parametrize("by", ["adapter", "KEDA"])
def test_the_queries_name_a_metric_and_labels_that_there_are(by: str) -> None:
    """Parsed as Prometheus does."""
    selector = promql_parser.parse(queries()[by]).expr
    known = {metric.name: metric.labels for metric in METRICS}
    labels = {matcher.name for matcher in selector.matchers.matchers}
    assert labels - {"instance"} == set(known[selector.name])
    assert EXTERNAL["metric"]["name"] == selector.name


def test_both_scalers_take_the_same_share_for_a_server_and_wait_as_long() -> None:
    """A tenth of the level, as the text says, and a quarter of an hour before there are fewer."""
    trigger = SCALED["spec"]["triggers"][0]
    assert EXTERNAL["target"] == {"type": trigger["metricType"], "averageValue": "100m"}
    assert float(trigger["metadata"]["threshold"]) == 0.1
    behaviour = SCALED["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    for each in (behaviour, AUTOSCALER["spec"]["behavior"]):
        assert each["scaleDown"] == {"stabilizationWindowSeconds": 900}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_answers_with_the_balancer_s_quantile_alone(tmp_path: Path) -> None:
    """Of several hosts and quantiles; and with nothing where the series is absent."""
    there = [("0.5", "balancer:10074", 0.7), ("0.9", "balancer:10074", 1.2), ("0.9", "web-1:10074", 1.5)]
    series = [
        {"series": SERIES % (quantile, host), "values": f"{level}x10"} for quantile, host, level in there
    ]
    answers = [
        {
            "interval": "1m",
            "input_series": shown,
            "promql_expr_test": [{"expr": query, "eval_time": "5m", "exp_samples": expected}],
        }
        for query in queries().values()
        for shown, expected in ((series, [{"labels": "{}", "value": 1.2}]), (series[2:], []))
    ]
    (tmp_path / "scaling.test.yml").write_text(yaml.safe_dump({"tests": answers}))
    done = subprocess.run(
        ["promtool", "test", "rules", "scaling.test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_one(tmp_path: Path) -> None:
    """The rule and the signal that it needs are read together."""
    path = tmp_path / "loadwatch.toml"
    path.write_text(blocks("toml")[0])
    settings = config.load(path, environment={})
    assert "requests" in settings.high_load.when
    assert [signal.name for signal in settings.signals] == ["requests"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_script_goes_up_at_once_and_down_after_fifteen_answers(tmp_path: Path) -> None:
    """It reads the real status document, and does nothing where that knows nothing."""
    status, calls = tmp_path / "status.json", tmp_path / "calls"
    for name, line in (("loadwatch", f'cat "{status}"'), ("scale-to", f'echo "$1" >> "{calls}"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "hook").write_text(blocks("bash")[0])
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "STATE_DIRECTORY": str(tmp_path)}

    def answers(high: float | None, times: int = 1) -> list[str]:
        calls.write_text("")
        status.write_text(json.dumps(document(high)))
        for _ in range(times):
            subprocess.run(["sh", tmp_path / "hook"], env=environment, check=True)
        return calls.read_text().split()

    assert answers(None) == []
    assert answers(0.31) == ["4"]
    assert answers(1.2) == ["12"]
    assert answers(0.31, 15) == ["12"] * 14 + ["4"]
    assert answers(0.0, 15)[-1] == "2"
    assert answers(1.5) == ["15"]
    assert answers(None) == []


def document(high: float | None) -> dict[str, Any]:
    """The status document of a host with this level forecast; a verdict that knows none without one."""
    told = {} if high is None else {60: (0.0, 0.0), 900: (0.0, high)}
    snapshot = Snapshot(Sample(1_000.0, 0.0, {"requests": 1.0}), level_forecast=told)
    return build_status(snapshot, Facts(host="balancer"), age=1.0, interval=5.0, now=1_001.0)
