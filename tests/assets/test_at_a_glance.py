"""What a person sees on the dashboards is right at a glance.

Each of these was seen wrong on a real Grafana 9.3.2, beside real daemons and a made-up fleet of 42 hosts.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from loadwatch.signals import BY_NAME

from .promql_reading import dashboards, filled, panels, selectors

Json = dict[str, Any]

BOARDS = {board["uid"]: board for board in dashboards()}
HOST, DAEMON, FLEET = (BOARDS[f"loadwatch-{name}"] for name in ("host", "daemon", "fleet"))
UNITS = {
    "ratio": {"percentunit"},
    "1": {"short"},
    "connections": {"short"},
    "bytes_per_second": {"Bps"},
    "per_second": {"pps", "short"},
    "seconds": {"s"},
}

every_board = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])


def of_kind(board: Json, *kinds: str) -> list[Json]:
    return [panel for panel in panels(board) if panel["type"] in kinds]


def custom(panel: Json) -> Json:
    return panel["fieldConfig"]["defaults"]["custom"]


def metrics(panel: Json) -> set[str]:
    return {s.metric for target in panel["targets"] for s in selectors(filled(target["expr"]))}


def sections(board: Json) -> Iterator[list[Json]]:
    """The panels below each heading, and those above the first."""
    inside: list[Json] = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield inside
            inside = list(panel["panels"])
        else:
            inside.append(panel)
    yield inside


# ------------------------------------------------------------------------------ the first screen


def test_the_first_screen_of_a_laptop_says_whether_since_when_and_why() -> None:
    """Fifteen units are what a small one shows: state, since when, alert, who raised it, limit, signals."""
    seen = {
        panel["title"]: metrics(panel)
        for panel in HOST["panels"]
        if panel["gridPos"]["y"] + panel["gridPos"]["h"] <= 15
    }
    assert HOST["panels"][0]["type"] != "row"
    assert list(seen)[:3] == ["State", "For", "Alert"]
    assert seen.keys() >= {"Flags and alerts", "Strongest signals now"}
    wanted = {"loadwatch_alert", "loadwatch_high_load_source", "loadwatch_contribution"}
    assert set().union(*seen.values()) >= {*wanted, "loadwatch_limit_exceeded"}


def test_a_host_without_a_fresh_verdict_is_not_fine() -> None:
    """The state asks for a verdict of now; without one there is no number, and the panel says so."""
    (state,) = [panel for panel in panels(HOST) if panel["title"] == "State"]
    (target,) = state["targets"]
    assert "and on (job, instance) loadwatch_high_load{" in target["expr"]
    assert "loadwatch_last_sample_timestamp_seconds" in target["expr"]
    assert state["fieldConfig"]["defaults"]["noValue"] == "no verdict"


def test_a_limit_that_raised_the_flag_is_shown_with_its_signal_and_value() -> None:
    """A host at its memory's end shows "memory 99 %", not a probability of nothing."""
    (limits,) = [p for p in panels(HOST) if metrics(p) == {"loadwatch_limit_exceeded"}]
    assert limits["options"]["textMode"] == "value_and_name"
    assert limits["fieldConfig"]["defaults"]["displayName"] == "${__field.labels.signal}"


# ------------------------------------------------------------------------------ colours


@every_board
def test_each_lane_of_a_timeline_has_thresholds_of_its_own(board: Json) -> None:
    """With merged values and colours by thresholds, value mappings colour nothing."""
    for panel in of_kind(board, "state-timeline"):
        assert panel["options"]["mergeValues"]
        overrides = panel["fieldConfig"]["overrides"]
        assert len(overrides) == len(panel["targets"]), panel["title"]
        for override in overrides:
            assert [prop["id"] for prop in override["properties"]] == ["thresholds"]


def test_maintenance_and_anomaly_are_not_red() -> None:
    """Each verdict has its colour, and it is that of the lane that its name matches."""
    (verdicts,) = [panel for panel in panels(HOST) if panel["title"] == "Flags and alerts"]
    colours = {}
    for target in verdicts["targets"]:
        name = re.sub(r"{{\w+}}", "42", target["legendFormat"])
        matching = [
            override["properties"][0]["value"]["steps"][-1]["color"]
            for override in verdicts["fieldConfig"]["overrides"]
            if re.match(override["matcher"]["options"].strip("/"), name)
        ]
        assert len(matching) == 1, name
        colours[name] = matching[0]
    assert (colours["high load"], colours["anomaly"], colours["maintenance"]) == ("red", "purple", "blue")
    assert colours["in 1 min"] == colours["in 42 s"] == "orange"


@every_board
def test_numbers_stand_on_no_coloured_box(board: Json) -> None:
    """Colour is in the word; "no" and "not known yet" are no loud pale boxes, and no zero is green."""
    for panel in of_kind(board, "stat"):
        assert panel["options"]["colorMode"] == "value", panel["title"]
        first = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"]
        assert first in {"text", "red"}, panel["title"]


@every_board
def test_annotations_are_drawn_on_demand(board: Json) -> None:
    """One host's trouble tints no graph of the fleet, and what is asked for is one region, not dashes."""
    seconds = {"now-3h": 10_800, "now-24h": 86_400}[board["time"]["from"]]
    for annotation in board["annotations"]["list"][1:]:
        assert annotation["enable"] is False, annotation["name"]
        assert 60 * int(annotation["step"].removesuffix("m")) * 100 >= seconds


# ------------------------------------------------------------------------------ names and numbers


@every_board
def test_no_bar_stands_for_nothing(board: Json) -> None:
    """``or vector(0)`` is a bar of its own; where nothing is to be shown, words say so."""
    for panel in of_kind(board, "bargauge"):
        assert all("vector(" not in target["expr"] for target in panel["targets"])
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


@every_board
def test_a_single_bar_keeps_its_name(board: Json) -> None:
    """With one version in the fleet, its bar is named by it and not "Value"."""
    for panel in of_kind(board, "bargauge"):
        name = panel["fieldConfig"]["defaults"]["displayName"]
        assert re.fullmatch(r"\$\{__field\.labels\.\w+\}", name), panel["title"]


@pytest.mark.parametrize("board", [HOST, DAEMON], ids=lambda board: board["uid"])
def test_a_dashboard_of_one_host_does_not_repeat_its_name(board: Json) -> None:
    """It is chosen at the top."""
    legends = [target["legendFormat"] for panel in panels(board) for target in panel["targets"]]
    assert not any("{{instance}}" in legend for legend in legends)


@pytest.mark.parametrize("board", [HOST, FLEET], ids=lambda board: board["uid"])
def test_horizons_stand_in_order_and_in_minutes(board: Json) -> None:
    """In 1, 5, 15 minutes; as text, 300 comes before 60."""
    found = 0
    for panel in of_kind(board, "timeseries", "state-timeline"):
        legends = [t["legendFormat"] for t in panel["targets"] if 'horizon="' in t["expr"]]
        if len(legends) > 2:
            found += 1
            assert legends[1:] == ["in 1 min", "in 5 min", "in 15 min"], panel["title"]
    assert found == {"loadwatch-host": 2, "loadwatch-fleet": 1}[board["uid"]]


def test_every_signal_is_shown_in_its_unit() -> None:
    """Ratios as per cent, bytes as bytes; what is looked at every day is not folded away."""
    units, open_ = _signals_of(panels(HOST)), _signals_of(HOST["panels"])
    assert units.keys() == BY_NAME.keys()
    assert [name for name, unit in units.items() if unit not in UNITS[BY_NAME[name].unit]] == []
    assert open_.keys() >= {"cpu", "load_per_cpu", "memory", "swap", "io_pressure", "disk", "disk_read"}
    assert open_.keys() >= {"network", "network_receive", "tcp_established"}
    assert units.keys() - open_.keys() >= {"tcp_resets", "udp_errors"}
    assert "room" not in str(HOST)


def _signals_of(inside: list[Json]) -> dict[str, str]:
    """The signals that panels ask for by name, with the unit of the panel."""
    units: dict[str, str] = {}
    for panel in inside:
        for target in panel.get("targets", []):
            for selector in selectors(filled(target["expr"])):
                operator, names = selector.matchers.get("signal", ("", ""))
                if selector.metric == "loadwatch_signal" and operator == "MatchOp.Re":
                    units |= dict.fromkeys(names.split("|"), panel["fieldConfig"]["defaults"]["unit"])
    return units


@every_board
def test_percentages_have_as_many_places_as_they_mean(board: Json) -> None:
    """1 %, not 0.00618 %; and no "1.00 c/s"."""
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] != "cps", panel["title"]
        if defaults["unit"] == "percentunit" and "custom" in defaults and "max" in defaults:
            assert defaults["decimals"] == 0, panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            properties = {prop["id"]: prop["value"] for prop in override["properties"]}
            assert "decimals" in properties or properties.get("unit") != "percentunit", panel["title"]


def test_the_age_of_the_last_sample_is_that_at_the_scrape() -> None:
    """``time() - m`` would show the phase of the scrape."""
    (age,) = [panel for panel in panels(DAEMON) if panel["title"] == "Age of the last sample"]
    (target,) = age["targets"]
    assert re.fullmatch(r"timestamp\((\w+\{.*?\})\) - \1", target["expr"])


# ------------------------------------------------------------------------------ alerts


@pytest.mark.parametrize("board", [HOST, DAEMON], ids=lambda board: board["uid"])
def test_the_list_of_alerts_is_of_the_chosen_host(board: Json) -> None:
    """Not of the whole fleet."""
    lists = of_kind(board, "alertlist")
    assert len(lists) == 1
    assert lists[0]["options"]["alertInstanceLabelFilter"] == '{instance=~"$instance"}'


@every_board
def test_alerts_are_counted_by_the_daemons(board: Json) -> None:
    """Whatever rules pass them on; a panel of Prometheus' rules says so."""
    for panel in panels(board):
        assert "ALERTS" not in metrics(panel) or "Prometheus" in panel["title"]
    if board["uid"] != DAEMON["uid"]:
        assert any("loadwatch_alert" in metrics(panel) for panel in panels(board))


# ------------------------------------------------------------------------------ graphs and grid


@every_board
def test_contributions_are_areas_from_zero(board: Json) -> None:
    """Stepped and stacked, not a comb of bars on an axis that starts at four."""
    for panel in of_kind(board, "timeseries"):
        assert custom(panel)["axisSoftMin"] == 0
        if metrics(panel) == {"loadwatch_contribution"}:
            assert custom(panel)["stacking"]["mode"] == "normal"
            assert (custom(panel)["drawStyle"], custom(panel)["lineInterpolation"]) == ("line", "stepAfter")


@every_board
def test_an_axis_of_nothing_but_zero_ends_near_it(board: Json) -> None:
    """Grafana would draw it to a hundred."""
    for panel in of_kind(board, "timeseries"):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults.get("max", custom(panel).get("axisSoftMax", 100)) < 100 or defaults["unit"] == "Bps"


@every_board
def test_legends_hide_nothing(board: Json) -> None:
    """A table below a graph shows three rows of more; one line needs none."""
    for panel in of_kind(board, "timeseries"):
        legend = panel["options"]["legend"]
        if legend["showLegend"]:
            assert (legend["displayMode"], legend["placement"]) in {("list", "bottom"), ("table", "right")}


@every_board
def test_panels_leave_no_holes(board: Json) -> None:
    """Each line below a heading is filled from edge to edge, by panels of one height."""
    for section in sections(board):
        lines: dict[int, list[Json]] = {}
        for panel in section:
            lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
        for grids in lines.values():
            assert sum(grid["w"] for grid in grids) == 24, grids
            assert len({grid["h"] for grid in grids}) == 1, grids


@every_board
def test_where_nothing_is_known_yet_it_is_said_until_when(board: Json) -> None:
    """A first model has no anomaly score: in place of a large "No data" stands when there will be one."""
    for panel in of_kind(board, "timeseries", "state-timeline"):
        if metrics(panel) & {"loadwatch_anomaly_score", "ALERTS"} and board["uid"] == HOST["uid"]:
            text = panel["fieldConfig"]["defaults"]["noValue"]
            assert "first model" in text or text == "none"
    for panel in of_kind(board, "stat"):
        assert panel["fieldConfig"]["defaults"]["noValue"] or "vector(0)" in str(panel["targets"])
