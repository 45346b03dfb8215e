"""The shipped dashboards and alert rules are read by Grafana's own typed models without losing a word.

Its models (``grafana-foundation-sdk``, generated from Grafana's schemas) drop a key they do not know: what
goes in and comes out again whole is spelled as Grafana spells it. They do not check the words of an
enumeration.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from .promql_reading import TWINS, dashboards, panels

plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins", reason="needs grafana-foundation-sdk")
encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
alerting = pytest.importorskip("grafana_foundation_sdk.models.alerting")
dashboard_models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
plugins.register_default_plugins()

Json = dict[str, Any]

# Grafana reads these, its schemas do not name them: the fields of a Prometheus annotation, and the text that
# the editor of a variable shows.
UNNAMED = {
    ".annotations.list[].step",
    ".annotations.list[].textFormat",
    ".annotations.list[].titleFormat",
    ".annotations.list[].useValueForTime",
    ".templating.list[].definition",
}


def understood(model: Any, document: Json) -> Json:
    return json.loads(json.dumps(model.from_json(document), cls=encoder.JSONEncoder))


def lost(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """The places of what is in ``before`` and not the same in ``after``; null and false may be left out."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{place}.{key}")
            elif value is not None and value is not False:
                yield f"{place}.{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from lost(one, other, f"{place}[]")
    elif before != after:
        yield f"{place}: {before!r} became {after!r}"


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda board: board["uid"])
def test_grafana_knows_every_key_of_a_dashboard(dashboard: Json) -> None:
    """Panels, their options, queries, variables, annotations and links are spelled as Grafana spells them."""
    after = understood(dashboard_models.Dashboard, dashboard)
    assert set(lost(dashboard, after)) <= UNNAMED


def test_grafana_knows_every_key_of_an_alert_rule() -> None:
    """So are the Grafana-managed twins of the rules, their queries and conditions included."""
    for group in yaml.safe_load(TWINS.read_text())["groups"]:
        for rule in group["rules"]:
            assert not set(lost(rule, understood(alerting.Rule, rule))), rule["title"]


@pytest.mark.parametrize(
    ("place", "slip"),
    [(("fieldConfig", "defaults"), "decimal"), (("options",), "graph_mode"), (("targets", 0), "legend")],
    ids=["field", "option", "query"],
)
def test_a_slip_of_the_pen_in_a_panel_would_be_seen(place: tuple[Any, ...], slip: str) -> None:
    """The check can fail: a key that Grafana does not have is told with its place."""
    dashboard = json.loads(json.dumps(dashboards()[0]))
    spot = next(panel for panel in panels(dashboard) if panel["type"] == "stat")
    for step in place:
        spot = spot[step]
    spot[slip] = "x"
    found = set(lost(dashboard, understood(dashboard_models.Dashboard, dashboard))) - UNNAMED
    assert len(found) == 1
    assert found.pop().endswith(f".{slip}")
