"""Unit tests of the rules for ``promtool test rules``, written from the scenarios."""

from typing import Final

from generate.alert import AlertRule
from generate.alerts import ALERTS, FLAGS
from generate.scenario import HOST, Scenario
from generate.scenarios import SCENARIOS
from generate.text import Node, to_yaml
from loadwatch.assets import DEFAULT_GRAFANA_URL

_HEADING: Final = """\
Run with: promtool test rules {name}
Generated: change .dev/generate and run `python .dev/documents.py`."""

_BY_NAME: Final = {alert.name: alert for alert in (*ALERTS, *FLAGS)}


def alerting_tests() -> str:
    """Every scenario of an alert, and what needs more than a scenario says."""
    return _file("loadwatch.rules", [*_scenarios(ALERTS), _absence(), _textfiles(), _down_in_maintenance()])


def flag_tests() -> str:
    """Every scenario of a rule on a flag."""
    return _file("loadwatch.flags", _scenarios(FLAGS))


def _scenarios(alerts: tuple[AlertRule, ...]) -> list[Node]:
    """Each as it is, and once more inside a maintenance window, where nothing may fire."""
    ours = [scenario for scenario in SCENARIOS if _BY_NAME[scenario.alert] in alerts]
    again = [
        _test(scenario, maintenance=True)
        for scenario in ours
        if not any("loadwatch_maintenance" in name for name in scenario.series)
        and any(scenario.says.values())
    ]
    return [*(_test(scenario) for scenario in ours), *again]


def recording_tests() -> str:
    """Three hosts, one loaded, one in maintenance, one down: what the sums say of them."""
    series: dict[str, str] = {}
    for number, (flag, maintenance, up) in enumerate([(1, 0, 1), (0, 1, 1), (0, 0, 0)]):
        host = f'{{job="loadwatch",instance="web-{number}:10074"'
        series[f"up{host}}}"] = f"{up}+0x20"
        if up:
            series[f'loadwatch_high_load{host},horizon="0"}}'] = f"{flag}+0x20"
            series[f'loadwatch_high_load_probability{host},horizon="0"}}'] = f"{0.1 + 0.8 * flag:.1f}+0x20"
            series[f"loadwatch_maintenance{host}}}"] = f"{maintenance}+0x20"
            series[f"loadwatch_model_trained_timestamp_seconds{host}}}"] = f"{-700_000 * flag}+0x20"
    expected = {
        'job:loadwatch_hosts:count{job="loadwatch"}': 3,
        'job:loadwatch_hosts_up:sum{job="loadwatch"}': 2,
        'job:loadwatch_maintenance:sum{job="loadwatch"}': 1,
        'job_horizon:loadwatch_high_load:sum{horizon="0", job="loadwatch"}': 1,
        'job_horizon:loadwatch_high_load:avg{horizon="0", job="loadwatch"}': 0.5,
        'job_horizon:loadwatch_high_load_probability:avg{horizon="0", job="loadwatch"}': 0.5,
        'job:loadwatch_stale_models:sum{job="loadwatch"}': 1,
    }
    tests: list[Node] = [
        {
            "expr": labels.partition("{")[0],
            "eval_time": "2m",
            "exp_samples": [{"labels": labels, "value": value}],
        }
        for labels, value in expected.items()
    ]
    return _file("loadwatch.recording", [{**_inputs(series), "promql_expr_test": tests}])


def _file(rules: str, tests: list[Node]) -> str:
    content: Node = {"rule_files": [f"../{rules}.yml"], "evaluation_interval": "15s", "tests": tests}
    return to_yaml(content, heading=_HEADING.format(name=f"{rules}.test.yml"))


def _test(scenario: Scenario, *, maintenance: bool = False) -> Node:
    series = dict(scenario.series)
    if maintenance:
        series[f"loadwatch_maintenance{{{scenario.host}}}"] = "1+0x2400"
    says = scenario.says
    if maintenance:
        says = {time: None for time, text in says.items() if text}
    alert = _BY_NAME[scenario.alert]
    expectations: list[Node] = [_expect(alert, time, text, scenario.host) for time, text in says.items()]
    return _inputs(series) | {"alert_rule_test": expectations}


def _inputs(series: dict[str, str]) -> dict[str, Node]:
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
    }


def _expect(alert: AlertRule, time: str, description: str | None, labels: str = HOST) -> Node:
    pairs = dict(pair.split("=") for pair in labels.replace('"', "").split(","))
    url = f"{DEFAULT_GRAFANA_URL}/d/{alert.panel[0]}?var-job={pairs['job']}"
    if "instance" in pairs:
        url += f"&var-instance={pairs['instance'].replace(':', '%3A')}"
    expected: Node = {
        "exp_labels": {"severity": alert.severity, **pairs},
        "exp_annotations": {
            "summary": alert.summary,
            "description": description,
            "runbook_url": alert.runbook_url,
            "dashboard_url": url,
        },
    }
    found: list[Node] = [] if description is None else [expected]
    return {"eval_time": time, "alertname": alert.name, "exp_alerts": found}


def _absence() -> Node:
    """No target at all fires an alert of its own, and the first target ends it."""
    alert = _BY_NAME["LoadwatchAbsent"]
    text = "".join(piece for piece in alert.description if isinstance(piece, str))
    series = {f"up{{{HOST}}}": "_x40 1+0x20"}
    expectations = [
        _expect(alert, time, says, 'job="loadwatch"')
        for time, says in {"4m45s": None, "5m": text, "11m": None}.items()
    ]
    return _inputs(series) | {"alert_rule_test": expectations}


def _textfiles() -> Node:
    """Hosts that arrive through node_exporter are not absent, whatever else Prometheus scrapes."""
    alert = _BY_NAME["LoadwatchAbsent"]
    series = {
        'up{job="node",instance="web-1:9100"}': "1+0x80",
        'loadwatch_last_sample_timestamp_seconds{job="loadwatch",instance="web-1:9100"}': "0+15x80",
    }
    return _inputs(series) | {"alert_rule_test": [_expect(alert, "15m", None)]}


def _down_in_maintenance() -> Node:
    """A host that went down in maintenance is not reported for an hour, then it is."""
    alert = _BY_NAME["LoadwatchDown"]
    text = "".join(piece for piece in alert.description if isinstance(piece, str))
    host = text.replace("{instance}", "web-1:10074")
    series = {
        f"up{{{HOST}}}": "1+0x19 0+0x300",
        f"loadwatch_maintenance{{{HOST}}}": "1+0x19 stale",
    }
    expectations = [_expect(alert, time, says) for time, says in {"30m": None, "1h8m": host}.items()]
    return _inputs(series) | {"alert_rule_test": expectations}
