"""``loadwatch history``: what is stored, and moving it in and out."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import count_of
from loadwatch.cli.learning import learn_from_import
from loadwatch.cli.prometheus_import import import_from_prometheus, prometheus_options
from loadwatch.cli.time_options import SINCE, Since, show_moment, show_span, span_since
from loadwatch.errors import UsageError
from loadwatch.history import History
from loadwatch.interchange.csv import read_csv, write_csv
from loadwatch.interchange.openmetrics import write_openmetrics
from loadwatch.times import format_duration

SHOWN_GAPS = 10


@click.group("history", invoke_without_command=True)
@with_context
@click.pass_context
def command(click_context: click.Context, context: Context) -> None:
    """Show what is stored; import and export it."""
    if click_context.invoked_subcommand is None:
        _show(context)


def _show(context: Context) -> None:
    with contextlib.closing(context.read_history()) as history:
        span, rows = history.span(), history.row_count()
        gaps = history.gaps(10 * context.config.sampling.interval)
    if span is None:
        click.echo(f"{context.history_path}: no rows yet")
        return
    click.echo(f"{context.history_path}: {count_of(rows, 'row')}, {show_span(span)}")
    click.echo(f"{count_of(len(gaps), 'gap')} longer than ten sampling intervals")
    for gap in gaps[-SHOWN_GAPS:]:
        click.echo(f"  {show_moment(gap.start)}  {format_duration(round(gap.end - gap.start))}")


@command.command("import", short_help="Add rows from a file or a Prometheus.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--train/--no-train", default=True, help="Whether to learn from them at once, as by default.")
@prometheus_options
@with_context
def import_rows(context: Context, *, file: Path | None, train: bool, **server: Any) -> None:
    """Add the rows of a CSV FILE (also .gz), or of a Prometheus, whose moments are not stored yet.

    From Prometheus come node_exporter's series of this host, or loadwatch's own, as if loadwatch had sampled
    them. Only what is missing is asked for, so an import that was broken off goes on where it stopped.
    Then it trains; where a daemon is running, that does.
    """
    if (file is None) == (server["url"] is None):
        raise UsageError("say where the history comes from: a FILE, or --prometheus URL --instance HOST")
    with contextlib.closing(context.open_history()) as history:
        added = import_from_prometheus(history, **server) if file is None else _import_file(history, file)
        if added and train:
            learn_from_import(context, history)


def _import_file(history: History, file: Path) -> int:
    read = read_csv(file)
    for warning in read.warnings:
        click.echo(f"loadwatch: {file}: {warning}", err=True)
    added = history.merge(read.recording)
    click.echo(f"{added} of {len(read.recording)} rows added")
    return added


@command.command("export", short_help="Write the samples as CSV or OpenMetrics.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "openmetrics"]),
    default="csv",
    show_default=True,
    help="What to write.",
)
@click.option("--since", type=SINCE, help="A length such as 7d, or a moment; by default all.")
@click.option("--output", type=click.Path(path_type=Path), help="Where to, by default standard output.")
@with_context
def export(context: Context, *, form: str, since: Since | None, output: Path | None) -> None:
    """Write the stored samples as CSV, or as OpenMetrics for promtool tsdb create-blocks-from."""
    start = None if since is None else span_since(since, time.time()).start
    with contextlib.closing(context.read_history()) as history, contextlib.ExitStack() as stack:
        recording = history.recording(start)
        stream = sys.stdout if output is None else stack.enter_context(output.open("w", encoding="utf-8"))
        if form == "csv":
            write_csv(recording, stream)
        else:
            write_openmetrics(recording, stream, {})
