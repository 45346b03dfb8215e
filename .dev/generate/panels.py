"""The kinds of panel that the dashboards use, as Grafana 9.5 and later read them.

In a query ``$host`` stands for the matchers of the variables ``$job`` and ``$instance``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

MATCHERS: Final = 'job=~"$job",instance=~"$instance"'
DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query of a panel and how its series are named."""

    expression: str
    legend: str = ""
    instant: bool = False
    table: bool = False

    def to_json(self, reference: str) -> Json:
        """The query as the target ``reference`` of a panel."""
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expression.replace("$host", MATCHERS),
            "format": "table" if self.table else "time_series",
            "instant": self.instant or self.table,
            "legendFormat": self.legend or "__auto",
            "range": not (self.instant or self.table),
            "refId": reference,
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel before it has a place; ``key`` names it to the alerts, width and height are in grid units.

    ``points`` is the most steps that are asked for; None is one a pixel.
    """

    key: str
    title: str
    description: str
    kind: str
    queries: tuple[Query, ...]
    unit: str
    width: int = 12
    height: int = 8
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    points: int | None = None

    def to_json(self, number: int, x: int, y: int) -> Json:
        """The panel at its place, with its number in the dashboard."""
        return {
            "datasource": DATASOURCE,
            "description": self.description,
            "fieldConfig": {
                "defaults": {"unit": self.unit, **self.defaults},
                "overrides": list(self.overrides),
            },
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": number,
            "maxDataPoints": self.points,
            "options": self.options,
            "targets": [query.to_json(chr(ord("A") + i)) for i, query in enumerate(self.queries)],
            "title": self.title,
            "transformations": list(self.transformations),
            "type": self.kind,
        }


def states(*meanings: tuple[str, str, str]) -> list[Json]:
    """Value mappings: (value, text, colour) each."""
    options = {
        value: {"color": colour, "index": index, "text": text}
        for index, (value, text, colour) in enumerate(meanings)
    }
    return [{"type": "value", "options": options}]


def steps(*limits: tuple[float | None, str]) -> Json:
    """Thresholds: the colour from each limit on; the first limit is None."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for value, colour in limits]}


NEUTRAL: Final = steps((None, "text"))


def stat(
    key: str,
    title: str,
    description: str,
    query: str,
    *,
    unit: str = "short",
    legend: str = "",
    mappings: Sequence[Json] = (),
    thresholds: Json = NEUTRAL,
) -> Panel:
    """One number, or one state, as of now; with a ``legend`` the name of the series instead of its value."""
    options: Json = {
        "colorMode": "background" if mappings or thresholds is not NEUTRAL else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "name" if legend else "auto",
    }
    defaults: Json = {"mappings": list(mappings), "thresholds": thresholds, "color": {"mode": "thresholds"}}
    defaults["noValue"] = "not known yet"
    queries = (Query(query, legend, instant=True),)
    return Panel(key, title, description, "stat", queries, unit, 4, 4, options, defaults)


def graph(
    key: str,
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    ratio: bool = False,
    stacked: bool = False,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Lines over time; a ``ratio`` is drawn from 0 to 1, ``stacked`` series lie on each other as bars."""
    custom: Json = {
        "drawStyle": "bars" if stacked else "line",
        "fillOpacity": 60 if stacked else 8,
        "lineWidth": 0 if stacked else 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    defaults: Json = {"custom": custom, "color": {"mode": "palette-classic"}}
    if ratio:
        defaults |= {"min": 0, "max": 1}
    options: Json = {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    unit = "percentunit" if ratio else unit
    return Panel(key, title, description, "timeseries", queries, unit, width, height, options, defaults)


def timeline(
    key: str,
    title: str,
    description: str,
    *queries: Query,
    mappings: Sequence[Json],
    special: Mapping[str, Sequence[Json]] | None = None,
    height: int = 8,
) -> Panel:
    """States over time, one lane for each series; ``special`` maps lanes, by a pattern, in their own way."""
    options: Json = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    custom: Json = {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False}
    defaults: Json = {
        "color": {"mode": "thresholds"},
        "custom": custom,
        "mappings": list(mappings),
        "thresholds": steps((None, "green"), (1, "red")),
    }
    overrides = tuple(
        {
            "matcher": {"id": "byRegexp", "options": pattern},
            "properties": [{"id": "mappings", "value": list(mapped)}],
        }
        for pattern, mapped in (special or {}).items()
    )
    return Panel(
        key, title, description, "state-timeline", queries, "short", 24, height, options, defaults, overrides
    )


def bars(
    key: str, title: str, description: str, query: Query, *, unit: str = "short", width: int = 8
) -> Panel:
    """The present values of several series as horizontal bars."""
    options: Json = {
        "displayMode": "gradient",
        "minVizHeight": 16,
        "minVizWidth": 0,
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
    }
    defaults: Json = {"color": {"mode": "palette-classic"}, "min": 0, "thresholds": NEUTRAL}
    return Panel(key, title, description, "bargauge", (query,), unit, width, 8, options, defaults)


def alert_list(key: str, title: str, description: str, *, quiet_too: bool, width: int = 12) -> Panel:
    """The alerts that Grafana knows, its own and those of the data source."""
    options: Json = {
        "alertInstanceLabelFilter": "",
        "alertName": "Loadwatch",
        "dashboardAlerts": False,
        "groupBy": [],
        "groupMode": "default",
        "maxItems": 30,
        "sortOrder": 3,
        "stateFilter": {"error": True, "firing": True, "noData": True, "normal": quiet_too, "pending": True},
        "viewMode": "list",
    }
    return Panel(key, title, description, "alertlist", (), "short", width, 8, options)
