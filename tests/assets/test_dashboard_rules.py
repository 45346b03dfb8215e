"""The dashboards keep the rules of Grafana's dashboard-linter, and ours.

The linter's rules are re-checked here (June 2026, names as there), because it is not a package of Python.
"""

import json
import re
from typing import Any

import pytest
from generate.dashboards import DASHBOARDS
from generate.panels import MATCHERS

from .promql_reading import dashboards, expressions, filled, nodes, panels, selectors

Json = dict[str, Any]

# Those of Grafana's unit ids that we use; a new one is looked up in Grafana's list before it is added.
UNITS = {"short", "percentunit", "s", "bytes", "Bps", "pps", "cps"}

# Kinds of panel that Grafana 9.5 and every later one has.
KINDS = {"stat", "timeseries", "state-timeline", "table", "bargauge", "alertlist"}

every_dashboard = pytest.mark.parametrize("dashboard", dashboards(), ids=lambda board: board["uid"])


def variables(dashboard: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def targets(dashboard: Json) -> list[tuple[Json, str]]:
    return [(panel, target["expr"]) for panel in panels(dashboard) for target in panel["targets"]]


@every_dashboard
def test_template_datasource_rule(dashboard: Json) -> None:
    """One data source variable, named and labelled as everybody expects."""
    (source,) = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")


@every_dashboard
@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance_rules(dashboard: Json, name: str) -> None:
    """Job and instance can be chosen, several at once, from what the data source has."""
    variable = variables(dashboard)[name]
    assert variable["type"] == "query"
    assert variable["datasource"]["uid"] == "${datasource}"
    assert variable["label"] == name.title()
    assert variable["multi"] is True
    assert variable["allValue"] == ".+"


@every_dashboard
def test_template_label_promql_rule(dashboard: Json) -> None:
    """The queries of variables are label_values of a metric that parses."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert found, variable["query"]
            assert selectors(filled(found[1]))
            assert variable["definition"] == variable["query"]["query"]


@every_dashboard
def test_template_on_time_change_reload_rule(dashboard: Json) -> None:
    """A host that was there last week is offered for last week."""
    assert {v["refresh"] for v in dashboard["templating"]["list"] if v["type"] == "query"} == {2}


@every_dashboard
def test_panel_datasource_rule(dashboard: Json) -> None:
    """Every panel and every target asks the chosen data source."""
    for panel in panels(dashboard):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@every_dashboard
def test_panel_title_description_rule(dashboard: Json) -> None:
    """Every panel says what it shows, in a title and in a whole sentence."""
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@every_dashboard
def test_panel_units_rule(dashboard: Json) -> None:
    """Every panel and every column has a unit that Grafana knows."""
    for panel in panels(dashboard):
        units = [panel["fieldConfig"]["defaults"]["unit"]]
        for override in panel["fieldConfig"]["overrides"]:
            units += [p["value"] for p in override["properties"] if p["id"] == "unit"]
        assert set(units) <= UNITS, panel["title"]


@every_dashboard
def test_panel_no_targets_rule(dashboard: Json) -> None:
    """Every panel asks for something; only the list of alerts brings its own."""
    assert {panel["type"] for panel in panels(dashboard) if not panel["targets"]} <= {"alertlist"}


def test_target_promql_rule() -> None:
    """Every expression that is shipped parses."""
    for place, expression in expressions():
        assert list(nodes(expression)), place


@every_dashboard
def test_target_rate_interval_rule(dashboard: Json) -> None:
    """Rates are over an interval that fits zoom and scrape interval."""
    for panel, expression in targets(dashboard):
        for window in re.findall(r"\bi?rate\([^\[]*\[([^\]]+)\]", expression):
            assert window == "$__rate_interval", panel["title"]


@every_dashboard
def test_target_job_and_instance_rules(dashboard: Json) -> None:
    """Every selector is narrowed by the chosen jobs and instances."""
    for panel, expression in targets(dashboard):
        found = selectors(expression.replace("$__rate_interval", "1m").replace("$__range", "1h"))
        for selector in found:
            assert selector.matchers["job"][1] == "$job", panel["title"]
            assert selector.matchers["instance"][1] == "$instance", panel["title"]
        assert expression.count(MATCHERS) == len(found)


@every_dashboard
def test_target_counter_agg_rule(dashboard: Json) -> None:
    """Counters are seen through rate or increase only."""
    for panel, expression in targets(dashboard):
        for selector in selectors(filled(expression)):
            if selector.metric.endswith("_total"):
                assert selector.ranged, panel["title"]
                assert selector.function in {"rate", "irate", "increase"}, panel["title"]


@every_dashboard
def test_uneditable_dashboard_rule(dashboard: Json) -> None:
    """The files are the truth."""
    assert dashboard["editable"] is False


@every_dashboard
def test_only_kinds_of_panel_that_old_grafanas_have(dashboard: Json) -> None:
    """Grafana 9.5 shows everything."""
    assert {panel["type"] for panel in panels(dashboard)} <= KINDS


@every_dashboard
def test_panels_do_not_overlap(dashboard: Json) -> None:
    """Every panel has its own place on the grid and its own number."""
    numbers = [panel["id"] for panel in dashboard["panels"]]
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        numbers += [inner["id"] for inner in panel.get("panels", [])]
        grid = panel["gridPos"]
        cells = {(grid["x"] + i, grid["y"] + j) for i in range(grid["w"]) for j in range(grid["h"])}
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
    assert len(set(numbers)) == len(numbers)


@every_dashboard
def test_dashboards_link_to_each_other(dashboard: Json) -> None:
    """From each dashboard to the others, with host and time kept."""
    others = {f"/d/{uid}" for uid in DASHBOARDS if uid != dashboard["uid"]}
    assert {link["url"] for link in dashboard["links"]} == others
    assert all(link["includeVars"] and link["keepTime"] for link in dashboard["links"])


def test_hosts_in_tables_lead_to_their_dashboard() -> None:
    """From the worst host to why, in one click."""
    fleet = json.loads(DASHBOARDS["loadwatch-fleet"].to_text())
    tables = [panel for panel in panels(fleet) if panel["type"] == "table"]
    assert tables
    for table in tables:
        links = [
            prop["value"][0]["url"]
            for override in table["fieldConfig"]["overrides"]
            for prop in override["properties"]
            if prop["id"] == "links"
        ]
        assert links == [
            "/d/loadwatch-host?var-datasource=${datasource}&var-instance=${__value.raw}&${__url_time_range}"
        ]


@every_dashboard
def test_history_of_alerts_is_annotated(dashboard: Json) -> None:
    """High load, anomalies, maintenance and new models are marked on every graph."""
    names = [annotation["name"] for annotation in dashboard["annotations"]["list"]]
    assert names == [
        "Annotations & Alerts",
        "High load",
        "Anomaly",
        "Maintenance",
        "New model",
        "Firing alerts",
    ]
