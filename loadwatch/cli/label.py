"""``loadwatch label``: tell the daemon what really was; the next training learns it."""

import contextlib
import time
from collections.abc import Sequence
from typing import cast

import click

from loadwatch.cli.annotation_options import IDENTITY, why_option
from loadwatch.cli.context import Context, with_context
from loadwatch.cli.time_options import show_moment, show_span, span_between, span_options
from loadwatch.errors import UsageError
from loadwatch.escaping import printable
from loadwatch.json_documents import document, of_label
from loadwatch.judge.statistics import loaded_span
from loadwatch.records import Alert, Label, LabelKind, Span


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

    loadwatch label --alert 41 normal

    "high" and "normal" override the rule for their span; an "incident" is never learned as usual. Times are
    what people write: 14:05, "yesterday 14:05", "2 hours ago", 2026-03-01T14:05.
    """


@command.command("add")
@span_options(toward="past", required=False)
@click.option(
    "--alert",
    "alert_identity",
    type=IDENTITY,
    metavar="ID",
    help="Take the span of this alert, as loadwatch alerts lists it.",
)
@click.argument("kind", type=click.Choice(["high", "normal", "incident"]))
@why_option
@with_context
def add(
    context: Context,
    *,
    start: float | None,
    end: float | None,
    length: float | None,
    alert_identity: int | None,
    kind: str,
    why: str,
) -> None:
    """Label a span of time or an alert ("add" may be left out).

    Without --to and --for it goes until now. Of an alert "high" takes what was load: not the time in which it
    was only foretold, and not the half hour of calm that closed it.
    """
    until_now = end is None and length is None
    if (start is None) == (alert_identity is None) or (alert_identity and not until_now):
        raise UsageError("say when it was: either --from and --to, or --alert with the number of an alert")
    given = None if start is None else span_between(start, time.time() if until_now else end, length)
    with context.open_history() as history:
        span = given or _span_of(history.alerts(), alert_identity or 0, kind)
        overlapping = [label for label in history.labels(span) if label.kind != kind]
        alerts = history.alerts(span)
        rows = history.row_count(span.start, span.end)
        identity = history.add_label(Label(span, cast("LabelKind", kind), why))
    click.echo(f"label {identity}: {kind}, {show_span(span)}")
    for alert in alerts:
        counts = "a false alarm" if kind == "normal" else "right"
        when = f"{show_moment(alert.start)} to {show_moment(alert.end)}"
        click.echo(f"alert {alert.identity} ({alert.verdict.replace('_', ' ')}, {when}) counts as {counts}")
    for other in overlapping:
        click.echo(
            f"note: it overlaps label {other.identity} ({other.kind}, {show_span(other.span)}); the newer "
            f"one wins where both speak; to take the older back: loadwatch label remove {other.identity}"
        )
    if rows == 0:
        click.echo("note: no samples are stored in that span, so there is nothing to learn from")
    else:
        click.echo("verdicts follow it from the next training on; now, with: loadwatch train")


def _span_of(alerts: Sequence[Alert], identity: int, kind: str) -> Span:
    """What a label of this kind covers of the alert of this identity."""
    now = time.time()
    for alert in alerts:
        if alert.identity == identity:
            whole = Span(alert.start, now if alert.end is None else alert.end)
            return loaded_span(alert, now) if kind == "high" else whole
    raise UsageError(f"there is no alert {identity}; see: loadwatch alerts --since 90d")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def list_labels(context: Context, *, as_json: bool) -> None:
    """List all labels."""
    with contextlib.closing(context.read_history()) as history:
        labels = history.labels()
    if as_json:
        click.echo(document(labels=[of_label(label) for label in labels]))
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
