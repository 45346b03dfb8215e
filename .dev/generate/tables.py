"""Tables of hosts: several queries joined by host, each column with its own name and unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from generate.panels import Json, Panel, Query

# From a row of any table to that host, at the same time and from the same data source.
HOST_LINK: Final[Json] = {
    "title": "Open this host",
    "url": "/d/loadwatch-host?var-datasource=${datasource}&var-instance=${__value.raw}&${__url_time_range}",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the query whose value it shows, the unit."""

    heading: str
    query: str
    unit: str = "short"
    decimals: int = 0


def host_table(
    key: str,
    title: str,
    description: str,
    *columns: Column,
    labels: Mapping[str, str] | None = None,
    width: int = 24,
    height: int = 10,
) -> Panel:
    """A row for each host that every query has, worst first by the first column.

    ``labels`` are labels of the series shown as columns, with their headings.
    """
    letters = [chr(ord("A") + index) for index in range(len(columns))]
    values = [f"Value #{letter}" if len(columns) > 1 else "Value" for letter in letters]
    shown = {"instance": "Host", **(labels or {})} | dict(
        zip(values, (column.heading for column in columns), strict=True)
    )
    transformations: list[Json] = []
    if len(columns) > 1:
        transformations.append({"id": "joinByField", "options": {"byField": "instance", "mode": "inner"}})
    order = {name: index for index, name in enumerate(shown)}
    transformations += [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(shown)}}},
        {"id": "organize", "options": {"indexByName": order, "renameByName": shown}},
    ]
    overrides = [_override("Host", links=[HOST_LINK])]
    overrides += [_override(column.heading, unit=column.unit, decimals=column.decimals) for column in columns]
    options: Json = {"footer": {"show": False}, "showHeader": True}
    options["sortBy"] = [{"desc": True, "displayName": columns[0].heading}]
    queries = tuple(Query(column.query, table=True) for column in columns)
    return Panel(
        key,
        title,
        description,
        "table",
        queries,
        "short",
        width,
        height,
        options,
        {"custom": {"align": "auto", "cellOptions": {"type": "auto"}}},
        tuple(overrides),
        tuple(transformations),
    )


def _override(heading: str, **properties: object) -> Json:
    return {
        "matcher": {"id": "byName", "options": heading},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }
