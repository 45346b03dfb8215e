"""``loadwatch label``: tell the daemon what really was; the next training learns it."""

import contextlib
import json
from dataclasses import asdict
from typing import cast

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.time_options import IDENTITY, MOMENT, show_span
from loadwatch.errors import UsageError
from loadwatch.escaping import printable
from loadwatch.records import Label, LabelKind, Span


class _DefaultAdd(click.Group):
    """``loadwatch label --from ... high`` means ``loadwatch label add --from ... high``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the word in where it was left out."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["add", *args]
        return super().parse_args(ctx, args)


@click.group("label", cls=_DefaultAdd, no_args_is_help=True)
def command() -> None:
    """Tell what really was: high load, normal, or an incident.

    loadwatch label --from 14:05 --to 14:20 high --why "deploy gone wrong"

    "high" and "normal" override the rule for their span; an "incident" is never learned as usual. Times are
    what people write: 14:05, "yesterday 14:05", "2 hours ago", 2026-03-01T14:05.
    """


@command.command("add")
@click.option(
    "--from", "start", type=MOMENT, required=True, help='When it began, e.g. 14:05 or "2 hours ago".'
)
@click.option("--to", "end", type=MOMENT, default="now", show_default=True, help="When it was over.")
@click.argument("kind", type=click.Choice(["high", "normal", "incident"]))
@click.option("--why", default="", help="A word to those who read it later.")
@with_context
def add(context: Context, *, start: float, end: float, kind: str, why: str) -> None:
    """Label a span of time (the word "add" may be left out)."""
    span = Span(start, end)
    if span.start >= span.end:
        raise UsageError(f"a label cannot end before it begins: {show_span(span)}; check --from and --to")
    with context.open_history() as history:
        overlapping = [label for label in history.labels(span) if label.kind != kind]
        identity = history.add_label(Label(span, cast("LabelKind", kind), why))
    click.echo(f"label {identity}: {kind}, {show_span(span)}")
    for other in overlapping:
        click.echo(
            f"note: it overlaps label {other.identity} ({other.kind}, {show_span(other.span)}); the newer "
            f"one wins where both speak; to take the older back: loadwatch label remove {other.identity}"
        )


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def list_labels(context: Context, *, as_json: bool) -> None:
    """List all labels."""
    with contextlib.closing(context.read_history()) as history:
        labels = history.labels()
    if as_json:
        click.echo(json.dumps([asdict(label) for label in labels]))
        return
    if not labels:
        click.echo("no labels")
    for label in labels:
        click.echo(f"{label.identity:>5}  {label.kind:<8}  {show_span(label.span)}  {printable(label.why)}")


@command.command("remove")
@click.argument("identity", type=IDENTITY)
@with_context
def remove(context: Context, *, identity: int) -> None:
    """Take a label back."""
    with context.open_history() as history:
        history.remove_label(identity)
    click.echo(f"label {identity} removed")
