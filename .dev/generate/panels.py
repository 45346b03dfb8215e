"""The kinds of panel that the dashboards use, as Grafana 9.5 and later read them.

In a query ``$host`` stands for the matchers of the variables ``$job`` and ``$instance``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

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


# By the default of ``high_load.horizons``, in this order on every legend: as text, 300 stands before 60.
HORIZONS: Final = {"60": "1 min", "300": "5 min", "900": "15 min"}


def by_horizon(query: str, name: str) -> Iterator[tuple[str, str]]:
    """A query for each horizon after now, and one for others that a host may have; with its name.

    In ``query`` and ``name``, ``$horizon`` stands for the matcher of the label and for its text.
    """
    for seconds, text in HORIZONS.items():
        yield query.replace("$horizon", f'horizon="{seconds}"'), name.replace("$horizon", text)
    others = "|".join(("0", *HORIZONS))
    yield query.replace("$horizon", f'horizon!~"{others}"'), name.replace("$horizon", "{{horizon}} s")


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

    def shown(
        self, *, decimals: int | None = None, unknown: str = "", width: int = 0, height: int = 0
    ) -> "Panel":
        """The same panel of this size, with so many decimals; ``unknown`` stands where there is no series."""
        defaults: Json = ({"noValue": unknown} if unknown else {}) | (
            {} if decimals is None else {"decimals": decimals}
        )
        return replace(
            self,
            defaults=self.defaults | defaults,
            width=width or self.width,
            height=height or self.height,
        )

    def between(self, lower: str, upper: str) -> "Panel":
        """The same panel with the space between two of its lines filled."""
        fill = {"id": "custom.fillBelowTo", "value": lower}
        override = {"matcher": {"id": "byName", "options": upper}, "properties": [fill]}
        return replace(self, overrides=(*self.overrides, override))

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

# What stands on the legend of a graph: the names alone, or a table with numbers beside a wide one.
Legend = Literal["hidden", "names", "table"]


def stat(
    key: str,
    title: str,
    description: str,
    query: str,
    *,
    unit: str = "short",
    name: str = "",
    mappings: Sequence[Json] = (),
    thresholds: Json = NEUTRAL,
) -> Panel:
    """One number, or one state, as of now; colour is in the word, and only where it means something.

    With a ``name``, a template for the name of the series, that is shown: beside the value where there is a
    unit, in its place where there is none.
    """
    text = "auto" if not name else "name" if unit == "short" else "value_and_name"
    options: Json = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": text,
    }
    defaults: Json = {"mappings": list(mappings), "thresholds": thresholds, "color": {"mode": "thresholds"}}
    defaults["noValue"] = "not known yet"
    if name:
        defaults["displayName"] = name
    queries = (Query(query, instant=True),)
    return Panel(key, title, description, "stat", queries, unit, 4, 4, options, defaults)


def graph(
    key: str,
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    ratio: bool = False,
    stacked: bool = False,
    legend: Legend = "names",
    top: float = 1.0,
) -> Panel:
    """Lines over time from zero; a ``ratio`` is drawn from 0 to 1, ``stacked`` series lie on each other.

    ``top`` is the end of an axis on which all is zero, in the unit.
    """
    custom: Json = {
        "axisSoftMin": 0,
        "drawStyle": "line",
        "fillOpacity": 50 if stacked else 8,
        "lineInterpolation": "stepAfter" if stacked else "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    defaults: Json = {"custom": custom, "color": {"mode": "palette-classic"}}
    if ratio:
        unit = "percentunit"
        defaults |= {"decimals": 0, "min": 0, "max": 1}
    else:
        custom["axisSoftMax"] = top
    table = legend == "table"
    options: Json = {
        "legend": {
            "calcs": ["lastNotNull", "max"] if table else [],
            "displayMode": "table" if table else "list",
            "placement": "right" if table else "bottom",
            "showLegend": legend != "hidden",
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel(key, title, description, "timeseries", queries, unit, 12, 7, options, defaults)


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of a timeline: what is 0 or 1, its name, and the colour of 1."""

    query: str
    name: str
    colour: str

    @property
    def pattern(self) -> str:
        """A regular expression for the names that the lane's series get."""
        return f"/^{re.sub('{{.*}}', '.*', self.name)}$/"


def timeline(key: str, title: str, description: str, *lanes: Lane) -> Panel:
    """States over time, one lane for each series; 0 is pale, 1 has the colour of its lane."""
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
        "mappings": states(("0", "no", _PALE), ("1", "yes", "red")),
        "thresholds": _lane(lanes[0].colour),
    }
    # Merged values are coloured by thresholds alone, whatever the mappings say.
    overrides = tuple(
        {
            "matcher": {"id": "byRegexp", "options": lane.pattern},
            "properties": [{"id": "thresholds", "value": _lane(lane.colour)}],
        }
        for lane in lanes
    )
    queries = tuple(Query(lane.query, lane.name) for lane in lanes)
    kind = "state-timeline"
    return Panel(key, title, description, kind, queries, "short", 24, 7, options, defaults, overrides)


_PALE: Final = "rgba(128, 128, 128, 0.15)"


def _lane(colour: str) -> Json:
    return steps((None, _PALE), (1, colour))


def bars(key: str, title: str, description: str, query: str, *, name: str, unit: str = "short") -> Panel:
    """The present values of several series as horizontal bars; ``name`` is a template for the name of each.

    The name holds for a single bar too, which Grafana else calls "Value".
    """
    options: Json = {
        "displayMode": "basic",
        "minVizHeight": 16,
        "minVizWidth": 0,
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": False,
    }
    defaults: Json = {
        "color": {"fixedColor": "blue", "mode": "fixed"},
        "displayName": name,
        "min": 0,
        "noValue": "none",
        "thresholds": NEUTRAL,
    }
    queries = (Query(query, instant=True),)
    return Panel(key, title, description, "bargauge", queries, unit, 8, 7, options, defaults)


def alert_list(key: str, title: str, description: str, *, host: bool, quiet_too: bool) -> Panel:
    """The alerts that Grafana knows, its own and those of the data source; of the chosen ``host`` alone."""
    options: Json = {
        "alertInstanceLabelFilter": '{instance=~"$instance"}' if host else "",
        "alertName": "Loadwatch",
        "dashboardAlerts": False,
        "groupBy": [],
        "groupMode": "default",
        "maxItems": 30,
        "sortOrder": 3,
        "stateFilter": {"error": True, "firing": True, "noData": True, "normal": quiet_too, "pending": True},
        "viewMode": "list",
    }
    return Panel(key, title, description, "alertlist", (), "short", 12, 7, options)
