"""``loadwatch model``: which models there are, what they were made from, and going back."""

from typing import Any

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import show_horizon
from loadwatch.cli.judgement import judgement
from loadwatch.cli.time_options import show_moment, show_span
from loadwatch.errors import ModelError
from loadwatch.json_documents import document, number, of_figures, of_record
from loadwatch.labels.rule import spelled_out
from loadwatch.model.bundle import Card
from loadwatch.model.store import ModelStore
from loadwatch.records import Span
from loadwatch.state_directory import claimed


@click.group("model", no_args_is_help=True)
def command() -> None:
    """List, show and roll back the models of this host."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def list_models(context: Context, *, as_json: bool) -> None:
    """List the stored versions, oldest first; * marks the current one."""
    store = ModelStore(context.state_directory / "models")
    current = store.current()
    cards = [store.card(version) for version in store.versions()]
    if as_json:
        click.echo(document(models=[_of_card(card, current) for card in cards]))
        return
    if not cards:
        click.echo("no models yet; the daemon makes the first one at its first start")
    for card in cards:
        mark = "*" if card.version == current else " "
        rows = f"{card.rows:,} {'training rows (synthetic)' if card.is_synthetic else 'rows'}"
        click.echo(f"{mark} {card.version}  {card.origin:<9}  {rows:>20}  {card.why}")


@command.command("show")
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def show(context: Context, *, version: str | None, as_json: bool) -> None:
    """Show the card of a version, by default the current one."""
    store = ModelStore(context.state_directory / "models")
    chosen = version or store.current()
    if chosen is None:
        raise ModelError(f"no models in {store.folder} yet; the daemon makes the first one when it starts")
    card = store.card(chosen)
    if as_json:
        click.echo(document(model=_of_card(card, store.current())))
        return
    click.echo(f"version     {card.version} ({card.origin})")
    click.echo(f"trained     {show_moment(card.trained_timestamp)} in {card.duration_seconds:.1f} s")
    if card.is_synthetic:
        click.echo(f"history     none of this host: {card.rows:,} training rows (synthetic)")
    else:
        span = Span(card.start_timestamp, card.end_timestamp)
        click.echo(f"history     {show_span(span)}, {card.rows:,} rows")
        cold = f"on history up to {show_moment(card.cold_start_timestamp)}"
        click.echo(f"start       {f'warm, from weights learned anew {cold}' if card.is_warm else 'cold'}")
    click.echo(f"rule        {spelled_out(card.rule)}")
    click.echo(f"signals     {', '.join(card.signals)}")
    for horizon, threshold in sorted(card.thresholds.items(), key=lambda item: int(item[0])):
        click.echo(f"threshold   {threshold:.3f} {show_horizon(int(horizon))}")
    for split, loss in card.losses.items():
        click.echo(f"loss        {loss:.4g} ({split})")
    for line in judgement(card.figures):
        click.echo(line)
    if card.why:
        click.echo(f"why         {card.why}")


def _of_card(card: Card, current: str | None) -> dict[str, Any]:
    plain = of_record(card)
    del plain["thresholds"]
    thresholds = {horizon: card.thresholds.get(str(horizon)) for horizon in card.horizons}
    return {
        **plain,
        "horizons": [
            {"horizon_seconds": horizon, "threshold": number(threshold)}
            for horizon, threshold in thresholds.items()
        ],
        "cold_start_timestamp": card.cold_start_timestamp or None,  # no earlier version kept it
        "figures": of_figures(card.figures),
        "current": card.version == current,
    }


@command.command("rollback", short_help="Go back to a version.")
@click.argument("version", required=False)
@with_context
def rollback(context: Context, *, version: str | None) -> None:
    """Make VERSION, or the one before the current, the current one; a running daemon takes it up."""
    store = ModelStore(context.state_directory / "models")
    with claimed(context.state_directory):
        click.echo(f"current model is now {store.roll_back(version)}")
