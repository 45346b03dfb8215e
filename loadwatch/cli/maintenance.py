"""``loadwatch maintenance``: a window in which nothing is flagged and nothing is learned."""

import contextlib
import time

import click

from loadwatch.cli.annotation_options import IDENTITY, why_option
from loadwatch.cli.context import Context, with_context
from loadwatch.cli.time_options import MOMENT_AHEAD, show_span, span_between, span_options
from loadwatch.errors import UsageError
from loadwatch.escaping import printable
from loadwatch.json_documents import document, of_maintenance
from loadwatch.records import Maintenance, Span


@click.group("maintenance", no_args_is_help=True)
def command() -> None:
    """Windows in which nothing is flagged and nothing is learned.

    loadwatch maintenance start --for 2h --why "kernel upgrade"
    """


@command.command("start")
@span_options(toward="future", required=False, default_start="now")
@click.option("--at", "at", type=MOMENT_AHEAD, hidden=True)
@why_option
@with_context
def start(
    context: Context, *, start: float, end: float | None, length: float | None, at: float | None, why: str
) -> None:
    """Begin a window, now or later.

    A running daemon knows of it within ten seconds.
    """
    span = span_between(start if at is None else at, end, length)
    if span.end <= time.time():
        raise UsageError(f"that window is over already: {show_span(span)}; check --from and --for")
    with context.open_history() as history:
        others = history.maintenance(span)
        identity = history.add_maintenance(Maintenance(span, why))
    click.echo(f"maintenance {identity}: {show_span(span)}")
    for other in others:
        click.echo(f"note: it overlaps window {other.identity} ({show_span(other.span)}); both apply")


@command.command("stop")
@click.argument("identity", type=IDENTITY, required=False)
@with_context
def stop(context: Context, *, identity: int | None) -> None:
    """End a window early: the one named, or all that are open now."""
    now = time.time()
    with context.open_history() as history:
        windows = history.maintenance() if identity else history.maintenance(Span(now, now + 1e-3))
        chosen = [window for window in windows if identity in {None, window.identity}]
        if not chosen:
            which = f"no window {identity}" if identity else "no window is open now"
            raise UsageError(f"{which}; see: loadwatch maintenance list")
        for window in chosen:
            if window.span.end <= now:
                raise UsageError(f"window {window.identity} is over already ({show_span(window.span)})")
            history.end_maintenance(window.identity, now)
            click.echo(f"maintenance {window.identity} stopped")


@command.command("list", short_help="List the windows, typed and recurring.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def list_windows(context: Context, *, as_json: bool) -> None:
    """List windows typed by operators, and the recurring ones of the configuration."""
    with contextlib.closing(context.read_history()) as history:
        windows = history.maintenance()
    recurring = context.config.maintenance.windows
    if as_json:
        coming = [
            {"cron": each.cron, "length_seconds": each.seconds, "timezone": each.timezone, "why": each.why}
            for each in recurring
        ]
        click.echo(document(maintenance=[of_maintenance(window) for window in windows], recurring=coming))
        return
    if not windows and not recurring:
        click.echo("no maintenance windows")
    now = time.time()
    for window in windows:
        state = "open" if now in window.span else "over" if window.span.end <= now else "to come"
        click.echo(f"{window.identity:>5}  {state:<7}  {show_span(window.span)}  {printable(window.why)}")
    for each in recurring:
        click.echo(
            f"    -  recurs   {each.cron} ({each.timezone}) for {each.seconds / 60:.0f} min  "
            f"{printable(each.why)}"
        )
