"""``loadwatch history``: what is stored, moving it in and out, and taking a part of it away."""

import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import count_of, listed
from loadwatch.cli.history_import import import_rows
from loadwatch.cli.time_options import (
    SINCE,
    Since,
    show_moment,
    show_span,
    span_between,
    span_options,
    span_since,
)
from loadwatch.errors import HistoryError, UsageError
from loadwatch.history import History
from loadwatch.interchange.csv import write_csv
from loadwatch.interchange.openmetrics import write_openmetrics
from loadwatch.records import Recording
from loadwatch.times import format_duration

SHOWN_GAPS: Final = 10
_SIGNALS_AT_A_TIME: Final = 8


@click.group("history", invoke_without_command=True)
@with_context
@click.pass_context
def command(click_context: click.Context, context: Context) -> None:
    """Show what is stored; import and export it."""
    if click_context.invoked_subcommand is None:
        _show(context)


command.add_command(import_rows)


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


@command.command("forget", short_help="Remove the samples of a span, such as a wrong import.")
@span_options(toward="past", required=True)
@with_context
def forget(context: Context, *, start: float, end: float | None, length: float | None) -> None:
    """Remove the samples of a span, and signals that have no values left.

    Labels, windows and alerts stay. A model that learned from these samples is replaced by the next training.
    """
    span = span_between(start, end, length)
    with contextlib.closing(context.read_history()):
        pass  # a state directory without a history is not made one
    with context.open_history() as history:
        removed, signals = history.forget(span)
    click.echo(f"{count_of(removed, 'row')} removed")
    if signals:
        click.echo(f"signals without values removed: {listed(signals)}")
    if removed:
        click.echo(
            "loadwatch train makes a model without them; the daemon does when its next training is due"
        )


@command.command("export", short_help="Write the samples as CSV or OpenMetrics, or all for another machine.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "openmetrics", "sqlite"]),
    default="csv",
    show_default=True,
    help="What to write; sqlite is the whole history, with labels, windows and alerts.",
)
@click.option("--since", type=SINCE, help="A length such as 7d, or a moment; by default all.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to, by default standard output.")
@click.option("--job", default="loadwatch", show_default=True, help="Label of the series of OpenMetrics.")
@click.option("--instance", help="The same; by default this host's name and the port of its daemon.")
@with_context
def export(
    context: Context, *, form: str, since: Since | None, output: Path | None, job: str, instance: str | None
) -> None:
    """Write the stored samples as CSV, or as OpenMetrics for promtool tsdb create-blocks-from.

    History import takes each of them again. To move a host to another machine:

    loadwatch history export --format sqlite -o web-1.history

    and there: loadwatch history import web-1.history
    """
    start = None if since is None else span_since(since, time.time()).start
    with contextlib.closing(context.read_history()) as history:
        if form == "sqlite":
            _export_all(history, output, since)
            return
        with _written(output) as stream:
            if form == "csv":
                write_csv(history.slices(start), stream)
            else:
                labels = {"job": job, "instance": instance or _instance(context)}
                write_openmetrics(_by_signals(history, start), stream, labels, context.config.described)


def _export_all(history: History, output: Path | None, since: Since | None) -> None:
    if output is None or since is not None:
        raise UsageError(
            "--format sqlite writes the whole history to a file: name it with -o, without --since"
        )
    with _replacing(output) as fresh:
        history.copy_to(fresh)


def _by_signals(history: History, start: float | None) -> Iterator[Recording]:
    """The whole span, some signals at a time: all of them together would need much memory."""
    end = time.time() + 1.0 if (span := history.span()) is None else span.end + 1e-6
    signals = history.recording(end=0.0).signals
    for first in range(0, len(signals), _SIGNALS_AT_A_TIME):
        yield history.recording(start, end, signals=signals[first : first + _SIGNALS_AT_A_TIME])


def _instance(context: Context) -> str:
    """What a Prometheus that scrapes this daemon calls it."""
    return f"{socket.gethostname()}:{context.config.web.listen_address[0].rpartition(':')[2]}"


@contextlib.contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is there when it is whole."""
    if output is None:
        yield sys.stdout
    elif output.exists() and not output.is_file():  # a pipe or a device
        with output.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    else:
        with _replacing(output) as fresh, fresh.open("w", encoding="utf-8", newline="") as stream:
            yield stream


@contextlib.contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """A path that does not exist yet; what was written there takes the place of ``output`` at the end."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
            fresh = Path(folder) / "fresh"
            yield fresh
            fresh.chmod(0o666 & ~_umask())
            fresh.replace(output)
    except OSError as error:
        raise HistoryError(f"cannot write {output}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
