"""``loadwatch signals``: what is measured now, and what an exporter has that could be."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import count_of, show_value
from loadwatch.cli.remote import remote_of, remote_options
from loadwatch.errors import SamplingError, UsageError
from loadwatch.escaping import printable, quoted
from loadwatch.http_client import is_local, page_location
from loadwatch.json_documents import document
from loadwatch.sampling.exposition import families, fetch_page
from loadwatch.signals import BY_NAME

DEADLINE_SECONDS: Final = 5.0
MOST_METRICS: Final = 200
MOST_SERIES_SHOWN: Final = 10
LONGEST_SHOWN: Final = 100

# Endings of names, as Prometheus' conventions have them, with the units of a gauge and of a rate.
_UNITS: Final = (
    ("_bytes", "bytes", "bytes_per_second"),
    ("_ratio", "ratio", "1"),
    ("_seconds", "seconds", "1"),
)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A metric on a page: every text is the exporter's own."""

    metric: str
    type: str
    help: str
    series: tuple[tuple[dict[str, str], float], ...]

    @property
    def kind(self) -> str:
        counts = self.type == "counter" or self.metric.endswith(("_total", "_count", "_sum", "_bucket"))
        return "counter" if counts else "gauge"

    @property
    def value(self) -> float:
        return sum(value for _, value in self.series)


@click.group("signals", no_args_is_help=True)
def command() -> None:
    """Show what is measured, and what exporters on this host offer beside it."""


@command.command("list", short_help="List all signals with value and meaning.")
@remote_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def list_signals(
    context: Context, *, url: str | None, cacert: Path | None, insecure: bool, as_json: bool
) -> None:
    """List all signals of the running daemon: newest value, meaning, and why it is unknown."""
    remote = remote_of(context, url, cacert, insecure=insecure)
    status = remote.status()
    with remote.understood():
        rows = [{key: row[key] for key in ("name", "value", "unit", "help")} for row in status["signals"]]
        failing = (status["verdict"] or {}).get("failing", ())
        if as_json:
            click.echo(document(signals=rows))
            return
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            value = show_value(row["value"], row["unit"])
            click.echo(f"{row['name']:<{width}}  {value:>12}  {row['help']}".rstrip())
        if not rows:
            click.echo("no sample yet")
        for each in failing:
            click.echo(f"failing: {each['words']}")


@command.command("try", short_help="Show what an exporter offers, and the setting that takes it.")
@click.argument("url")
@click.argument("metric", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def try_exporter(context: Context, *, url: str, metric: str | None, as_json: bool) -> None:  # noqa: ARG001
    """Show what the page of metrics at URL offers; of a METRIC its series, and a table to paste.

    URL is that of an exporter, such as http://127.0.0.1:9113/metrics, unix:///run/app.sock:/metrics, or
    file:///var/lib/node_exporter/app.prom. Nothing is changed.
    """
    location = page_location(url)
    page = fetch_page(url, deadline=DEADLINE_SECONDS)
    offers = list(_offers(families(page.content, openmetrics=page.openmetrics, what=str(location))))
    if not offers:
        raise SamplingError(f"{quoted(url)} has no metrics; is it a page in Prometheus' format?")
    if metric is not None:
        offers = [offer for offer in offers if offer.metric == metric]
        if not offers:
            raise UsageError(
                f"{quoted(metric)} is not there; loadwatch signals try {quoted(url)} lists what is"
            )
    if as_json:
        click.echo(document(offers=[_plain(offer) for offer in offers]))
        return
    remote = not (isinstance(location, Path) or is_local(location))
    lines = _details(offers[0], url, remote=remote) if metric else _overview(offers)
    for line in lines:
        click.echo(line)


def _offers(found: Iterable[object]) -> Iterator[_Offer]:
    """Each metric of a page, by the names that its series have."""
    for family in found:
        by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
        for sample in family.samples:  # type: ignore[attr-defined]  # the library's own classes
            by_name.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
        for name, series in by_name.items():
            if not name.endswith("_created"):
                yield _Offer(name, family.type, family.documentation, tuple(series))  # type: ignore[attr-defined]


def _plain(offer: _Offer) -> dict[str, object]:
    """As JSON, which has no NaN and no infinity: null is not known."""
    series = [
        {"labels": labels, "value": value if math.isfinite(value) else None} for labels, value in offer.series
    ]
    return {
        "metric": offer.metric,
        "type": offer.type,
        "help": offer.help,
        "kind": offer.kind,
        "series": series,
    }


def _overview(offers: Sequence[_Offer]) -> Iterator[str]:
    width = max(len(_cut(offer.metric)) for offer in offers[:MOST_METRICS])
    for offer in offers[:MOST_METRICS]:
        series = count_of(len(offer.series), "series")
        kind = f"{offer.kind}, {series}"
        yield f"{_cut(offer.metric):<{width}}  {kind:<22}  {offer.value:>12.6g}  {_cut(offer.help)}".rstrip()
    if len(offers) > MOST_METRICS:
        yield f"and {len(offers) - MOST_METRICS:,} more"
    yield "to see one and the setting that takes it: loadwatch signals try URL METRIC"


def _details(offer: _Offer, url: str, *, remote: bool) -> Iterator[str]:
    """The series of a metric as comments, and the table that takes it."""
    for labels, value in offer.series[:MOST_SERIES_SHOWN]:
        words = ", ".join(f"{name}={toml_text(text)}" for name, text in labels.items())
        shown = f"{{{words[: 2 * LONGEST_SHOWN]}}}" if labels else ""
        yield f"# {offer.metric}{shown} {value:g}"
    if len(offer.series) > MOST_SERIES_SHOWN:
        yield f"# and {len(offer.series) - MOST_SERIES_SHOWN:,} more"
    yield "[[signals]]"
    yield f"name = {toml_text(_name_for(offer.metric))}"
    yield f"url = {toml_text(url)}"
    yield f"metric = {toml_text(offer.metric)}"
    if len(offer.series) > 1:
        common = ", ".join(f"{name} = {toml_text(text)}" for name, text in _telling(offer))
        yield f"# match = {{ {common} }}  # else the sum of all"
    yield f'kind = "{offer.kind}"'
    if unit := _unit_for(offer):
        yield f'unit = "{unit}"'
    if offer.help:
        yield f"help = {toml_text(_cut(offer.help))}"
    if remote:
        yield "allow_remote = true"


def _telling(offer: _Offer) -> list[tuple[str, str]]:
    """The first labels, of the first series, that not all series have."""
    first, _ = offer.series[0]
    differing = [
        (name, text)
        for name, text in first.items()
        if any(labels.get(name) != text for labels, _ in offer.series)
    ]
    return differing[:1]


def _name_for(metric: str) -> str:
    name = re.sub(r"[^a-z0-9_]", "_", metric.removesuffix("_total").lower())[:40].strip("_")
    return f"own_{name}"[:40] if name in BY_NAME or not re.match("[a-z_]", name) else name


def _unit_for(offer: _Offer) -> str:
    """The unit that the name tells, empty where it is the usual one of its kind."""
    counts = offer.kind == "counter"
    for ending, of_gauge, of_rate in _UNITS:
        if offer.metric.removesuffix("_total").endswith(ending):
            return of_rate if counts else of_gauge
    return "connections" if "connection" in offer.metric and not counts else ""


def _cut(text: str) -> str:
    shown = printable(text[: LONGEST_SHOWN + 1])
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 1]}…"


def toml_text(text: str) -> str:
    r"""Foreign text as a string of TOML, safe to show on a terminal and to paste.

    >>> print(toml_text('a "b"\n\x1b'))
    "a \"b\"\U0000000A\U0000001B"
    """
    escaped = (
        f"\\{each}" if each in '"\\' else each if each.isprintable() else f"\\U{ord(each):08X}"
        for each in text
    )
    return f'"{"".join(escaped)}"'
