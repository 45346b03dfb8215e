"""What Grafana's provisioning would refuse, lose or ignore without a word is caught here.

Each of these was seen on a real Grafana 9.5.2.
"""

import re
from typing import Any

import pytest
import yaml
from generate.alert import Lookup
from generate.alerts import ALERTS

from loadwatch.assets import FILES

from .promql_reading import dashboards, nodes, panels, rules, twins

Json = dict[str, Any]
PROVISIONING = FILES / "grafana/provisioning"

every_twin = pytest.mark.parametrize("rule", twins(), ids=lambda rule: rule["title"])


def load(name: str) -> Json:
    return yaml.safe_load((PROVISIONING / name).read_text())


def test_every_alert_has_a_twin() -> None:
    """Grafana's rules and Prometheus' are the same alerts with the same severities, waits and summaries."""
    prometheus = [
        (rule["alert"], rule["labels"], rule.get("for", "0s"), rule["annotations"]["summary"])
        for rule in rules()
    ]
    grafana = [
        (rule["title"], rule["labels"], rule["for"], rule["annotations"]["summary"]) for rule in twins()
    ]
    assert grafana == prometheus == [(a.name, {"severity": a.severity}, a.wait, a.summary) for a in ALERTS]


def test_groups_have_what_the_server_requires() -> None:
    """Name, folder by title, and an interval of whole tens of seconds."""
    for group in load("alerting/loadwatch-rules.yaml")["groups"]:
        assert group.keys() == {"orgId", "name", "folder", "interval", "rules"}
        number, unit = re.fullmatch(r"(\d+)([sm])", group["interval"]).groups()
        assert int(number) * {"s": 1, "m": 60}[unit] % 10 == 0


@every_twin
def test_rules_have_what_the_server_requires(rule: Json) -> None:
    """Without uid, title, condition, for or data the server refuses to start; other keys it ignores."""
    assert rule.keys() == {
        "uid",
        "title",
        "condition",
        "for",
        "noDataState",
        "execErrState",
        "labels",
        "annotations",
        "data",
    }
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", rule["uid"])
    assert rule["noDataState"] in {"NoData", "Alerting", "OK"}
    assert rule["execErrState"] in {"Error", "Alerting", "OK"}
    references = [data["refId"] for data in rule["data"]]
    assert rule["condition"] in references
    assert len(set(references)) == len(references)
    for data in rule["data"]:
        assert data["model"]["refId"] == data["refId"]
        assert data["datasourceUid"] == "__expr__" or data["relativeTimeRange"] == {"from": 600, "to": 0}


def test_uids_are_unique() -> None:
    """Of two rules with one uid the server loses one."""
    uids = [rule["uid"] for rule in twins()]
    assert len(set(uids)) == len(uids)


@every_twin
def test_conditions_compare_the_value(rule: Json) -> None:
    """One query gives the value, an expression compares it, and the data source is the one provisioned."""
    first, *_, last = rule["data"]
    source = load("datasources/loadwatch.yaml")["datasources"][0]["uid"]
    assert (first["refId"], last["refId"], rule["condition"]) == ("value", "firing", "firing")
    assert {data["datasourceUid"] for data in rule["data"][:-1]} == {source}
    assert last["model"]["type"] == "threshold"
    assert last["model"]["expression"] == "value"
    assert [len(c["evaluator"]["params"]) for c in last["model"]["conditions"]] == [1]
    assert all(list(nodes(data["model"]["expr"])) for data in rule["data"][:-1])


@every_twin
def test_every_looked_up_value_has_its_query(rule: Json) -> None:
    """A text speaks of no query that is not there, and no query is asked in vain or can have no data."""
    asked = {data["refId"]: data["model"].get("expr", "") for data in rule["data"]} | {"value": ""}
    spoken = set(re.findall(r"\$values\.(\w+)\.", rule["annotations"]["description"]))
    assert spoken - {"value"} == asked.keys() - {"value", "firing"}
    assert all(asked[name].endswith(" or on () vector(0)") for name in spoken - {"value"})


@every_twin
def test_values_in_messages_are_named_by_words(rule: Json) -> None:
    """Grafana's own message lists them: ``score=0.93, signal1=1.2`` and not ``L1a=0.93, L2a=1.2``."""
    assert all(re.fullmatch("[a-z]{4,}[123]?", data["refId"]) for data in rule["data"])


@every_twin
def test_an_instance_without_labels_has_no_text(rule: Json) -> None:
    """Where no host has a row, Grafana makes one without labels: it must not say "<no value> behaves"."""
    text = rule["annotations"]["description"]
    if "$labels" in text:
        assert text.startswith("{{ if $labels.instance }}")
        assert text.endswith("{{ end }}")


@every_twin
def test_an_alert_opens_the_dashboard_of_its_host(rule: Json) -> None:
    """Grafana's own link carries no variables and opens the first host of the list; ours names this one."""
    board = rule["annotations"]["__dashboardUid__"]
    url = f"{{{{ externalURL }}}}d/{board}?var-job={{{{ $labels.job | urlquery }}}}"
    if "$labels.instance" in rule["annotations"]["description"]:
        url += "&var-instance={{ $labels.instance | urlquery }}"
    assert rule["annotations"]["dashboard_url"] == url


def test_values_with_lookups_carry_the_labels_of_the_target_only() -> None:
    """Grafana joins a looked-up series by its labels: the name of a metric on the value would fit none."""
    for alert in ALERTS:
        if any(isinstance(piece, Lookup) for piece in alert.description):
            assert re.match(r"(max|sum) without \(", alert.value), alert.name


@every_twin
def test_labels_survive_environment_expansion(rule: Json) -> None:
    """A dollar in a label is eaten by the server; ours have none."""
    assert "$" not in str(rule["labels"])


@every_twin
def test_rules_are_joined_to_a_panel(rule: Json) -> None:
    """The panel shows the alert's heart: it takes both annotations, and the panel must exist."""
    annotations = rule["annotations"]
    (board,) = [d for d in dashboards() if d["uid"] == annotations["__dashboardUid__"]]
    assert annotations["__panelId__"] in {str(panel["id"]) for panel in panels(board)}


def test_dashboards_are_provided_from_a_folder_named_by_title() -> None:
    """The same folder as the rules', unique provider, files that cannot be changed in the browser."""
    (provider,) = load("dashboards/loadwatch.yaml")["providers"]
    (folder,) = {group["folder"] for group in load("alerting/loadwatch-rules.yaml")["groups"]}
    assert provider["folder"] == folder
    assert "folderUid" not in provider
    assert provider["options"].keys() == {"path"}
    assert provider["allowUiUpdates"] is False


def test_nobody_is_told_that_a_forecast_is_resolved_when_its_load_arrives() -> None:
    """Grafana has no inhibition: the contact point of forecasts sends no message at their end."""
    routing = load("alerting/loadwatch-contact-points.yaml")
    (policy,) = routing["policies"]
    first = next(
        route["receiver"]
        for route in policy["routes"]
        if all(
            {"=": lambda x, y: x == y, "=~": lambda x, y: bool(re.fullmatch(y, x))}[how](labels[name], value)
            for labels in [{"alertname": "LoadwatchHighLoadExpected", "severity": "warning"}]
            for name, how, value in route["object_matchers"]
        )
    )
    (point,) = [point for point in routing["contactPoints"] if point["name"] == first]
    assert [receiver["disableResolveMessage"] for receiver in point["receivers"]] == [True]
    others = [p for p in routing["contactPoints"] if p["name"] != first]
    assert not any(receiver.get("disableResolveMessage") for p in others for receiver in p["receivers"])


def test_messages_list_what_fires_with_its_reasons() -> None:
    """Each receiver shows our message, which exists and takes the firing apart from what is over."""
    routing = load("alerting/loadwatch-contact-points.yaml")
    (template,) = routing["templates"]
    (name,) = re.findall(r'\{\{ define "([^"]+)" \}\}', template["template"])
    settings = [receiver["settings"] for p in routing["contactPoints"] for receiver in p["receivers"]]
    assert {each["message"] for each in settings} == {f'{{{{ template "{name}" . }}}}'}
    assert "range .Alerts.Firing" in template["template"]
    assert "range .Alerts }}" not in template["template"]


def test_routes_name_contact_points_and_mute_timings_that_exist() -> None:
    """The server starts with our examples: every name is defined in them."""
    routing = load("alerting/loadwatch-contact-points.yaml")
    receivers = {point["name"] for point in routing["contactPoints"]}
    mutes = {mute["name"] for mute in load("alerting/loadwatch-mute-timings.yaml")["muteTimes"]}
    (policy,) = routing["policies"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} == receivers
    assert {mute for route in policy["routes"] for mute in route.get("mute_time_intervals", [])} == mutes
    uids = [receiver["uid"] for point in routing["contactPoints"] for receiver in point["receivers"]]
    assert len(set(uids)) == len(uids)


def test_dashboards_have_what_provisioning_needs() -> None:
    """A title, a stable uid, and no placeholders that only the import dialogue fills."""
    for board in dashboards():
        assert board["title"]
        assert re.fullmatch(r"loadwatch-\w+", board["uid"])
        assert "__inputs" not in board
        assert "${DS_" not in str(board)
