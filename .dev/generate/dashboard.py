"""A dashboard: variables, links, annotations and rows of panels, laid out from left to right."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from generate.panels import DATASOURCE, MATCHERS, Json, Panel

WIDTH: Final = 24

# Of annotations, by the time that a dashboard shows at first: Grafana asks for a hundred points and joins
# those that are one step apart.
_STEPS: Final = {"now-3h": "2m", "now-24h": "15m"}

TITLES: Final = {
    "loadwatch-fleet": "Loadwatch / Fleet",
    "loadwatch-host": "Loadwatch / Host",
    "loadwatch-daemon": "Loadwatch / Daemon and model",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A headed row of panels; a folded one runs its queries only when it is opened.

    The first row needs no heading, which would cost it the first line of the screen.
    """

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything that differs between the dashboards."""

    uid: str
    description: str
    rows: tuple[Row, ...]
    every_host: bool
    since: str
    refresh: str

    def panel_number(self, key: str) -> int:
        """The id of a panel inside this dashboard."""
        for number, item in self._numbered():
            if isinstance(item, Panel) and item.key == key:
                return number
        raise KeyError(f"dashboard {self.uid} has no panel {key!r}")

    def to_text(self) -> str:
        """The dashboard as Grafana's provisioning reads it."""
        content: Json = {
            "annotations": {"list": _annotations(_STEPS[self.since])},
            "description": self.description,
            "editable": False,
            "graphTooltip": 1,
            "links": [_link(uid) for uid in TITLES if uid != self.uid],
            "panels": self._panels(),
            "refresh": self.refresh,
            "schemaVersion": 38,
            "tags": ["loadwatch"],
            "templating": {"list": _variables(every_host=self.every_host)},
            "time": {"from": self.since, "to": "now"},
            "timezone": "browser",
            "title": TITLES[self.uid],
            "uid": self.uid,
            "version": 1,
        }
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def _numbered(self) -> Iterator[tuple[int, Row | Panel]]:
        items = [item for row in self.rows for item in ((row, *row.panels) if row.title else row.panels)]
        yield from enumerate(items, start=1)

    def _panels(self) -> list[Json]:
        panels: list[Json] = []
        x = y = lowest = 0
        inside: list[Json] = panels
        for number, item in self._numbered():
            if isinstance(item, Row):
                header = _row(item, number, lowest)
                panels.append(header)
                inside = header["panels"] if item.folded else panels
                x, y, lowest = 0, lowest + 1, lowest + 1
                continue
            if x + item.width > WIDTH:
                x, y = 0, lowest
            inside.append(item.to_json(number, x, y))
            x, lowest = x + item.width, max(lowest, y + item.height)
        return panels


def _row(row: Row, number: int, y: int) -> Json:
    return {
        "collapsed": row.folded,
        "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
        "id": number,
        "panels": [],
        "title": row.title,
        "type": "row",
    }


def _link(uid: str) -> Json:
    return {
        "icon": "dashboard",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "title": TITLES[uid],
        "type": "link",
        "url": f"/d/{uid}",
    }


def _variables(*, every_host: bool) -> list[Json]:
    datasource: Json = {
        "hide": 0,
        "label": "Data source",
        "name": "datasource",
        "query": "prometheus",
        "type": "datasource",
    }
    return [
        datasource,
        _variable("job", "label_values(loadwatch_build_info, job)", every=True),
        _variable("instance", 'label_values(loadwatch_build_info{job=~"$job"}, instance)', every=every_host),
    ]


def _variable(name: str, query: str, *, every: bool) -> Json:
    variable: Json = {
        "allValue": ".+",
        "datasource": DATASOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": every,
        "label": name.title(),
        "multi": True,
        "name": name,
        "options": [],
        "query": {"query": query, "refId": f"{name}-variable"},
        # Whenever the time range changes: a host that was there last week is offered for last week.
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "type": "query",
    }
    if every:
        variable["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return variable


def _annotations(step: str) -> list[Json]:
    ours = [
        _annotation(
            "High load", "red", 'loadwatch_high_load{$host,horizon="0"} == 1', "High load", "{{instance}}"
        ),
        _annotation("Anomaly", "purple", "loadwatch_anomaly{$host} == 1", "Anomaly", "{{instance}}"),
        _annotation(
            "Maintenance", "blue", "loadwatch_maintenance{$host} == 1", "Maintenance", "{{instance}}"
        ),
        _annotation(
            "New model",
            "green",
            "changes(loadwatch_model_trained_timestamp_seconds{$host}[$__interval]) > 0",
            "New model",
            "{{instance}}",
        ),
        _annotation(
            "Firing alerts",
            "orange",
            'ALERTS{$host,alertname=~"Loadwatch.*",alertstate="firing"}',
            "{{alertname}}",
            "{{instance}} ({{severity}})",
        ),
    ]
    return [
        {
            "builtIn": 1,
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
            "name": "Annotations & Alerts",
            "type": "dashboard",
        },
        *({**annotation, "step": step} for annotation in ours),
    ]


def _annotation(name: str, colour: str, expression: str, title: str, text: str) -> Json:
    return {
        "datasource": DATASOURCE,
        # At the reader's wish: one host's trouble tints every graph of the fleet, and at long ranges Grafana
        # breaks a region into dashes.
        "enable": False,
        "expr": expression.replace("$host", MATCHERS),
        "iconColor": colour,
        "name": name,
        "textFormat": text,
        "titleFormat": title,
        "useValueForTime": False,
    }
