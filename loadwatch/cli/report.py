"""``loadwatch report``: one page by itself about a span of time, to mail and to keep."""

import contextlib
import socket
import time
from pathlib import Path

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import count_of
from loadwatch.cli.time_options import MOMENT, SINCE, Since, span_since
from loadwatch.errors import HistoryError, ModelError
from loadwatch.files import write_atomically
from loadwatch.history import History
from loadwatch.judge.statistics import with_labels
from loadwatch.labels.rule import Rule
from loadwatch.maintenance import MaintenanceCalendar
from loadwatch.model.bundle import Model
from loadwatch.model.store import ModelStore
from loadwatch.pipeline import Scorer, warm_up
from loadwatch.records import Maintenance, Span
from loadwatch.report import ReportInput, examine, page
from loadwatch.times import local_zone


@click.command("report")
@click.option(
    "--since",
    type=SINCE,
    default="7d",
    show_default=True,
    help='A length, or a moment such as "yesterday 8:00".',
)
@click.option("--until", type=MOMENT, default="now", show_default=True, help="The end of the span.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The page, HTML."
)
@with_context
def command(context: Context, *, since: Since, until: float, output: Path) -> None:
    """Write one page of HTML: what happened, alerts with reasons, forecasts against reality, the model.

    The stored samples go through the model in use; the page needs nothing but itself.
    """
    span = span_since(since, until)
    model = _model(context)
    rule = Rule.parse(context.config.high_load.when)
    with contextlib.closing(context.read_history()) as history:
        material = _material(context, history, span)
        scorer = Scorer(rule, model)
        warm_up(scorer, history, span.start)
    findings = examine(material, scorer)
    write_atomically(output, page(findings, local_zone(), time.time()).encode())
    samples, alerts = len(material.recording), len(material.alerts)
    click.echo(f"{output}: {count_of(samples, 'sample')}, {count_of(alerts, 'alert')}")


def _model(context: Context) -> Model:
    store = ModelStore(context.state_directory / "models")
    version = store.current()
    if version is None:
        raise ModelError(f"no models in {store.folder} yet; the daemon makes the first one when it starts")
    return store.load(version)


def _material(context: Context, history: History, span: Span) -> ReportInput:
    recording = history.recording(span.start, span.end)
    if len(recording) < 2:
        raise HistoryError(f"{context.history_path} holds no samples of that span; see: loadwatch history")
    labels = history.labels(span)
    calendar = MaintenanceCalendar(context.config.maintenance.windows, history.maintenance(span))
    return ReportInput(
        host=socket.gethostname(),
        span=Span(max(span.start, float(recording.timestamps[0])), float(recording.timestamps[-1])),
        recording=recording,
        alerts=[with_labels(alert, labels) for alert in history.alerts(span)],
        labels=labels,
        maintenance=[Maintenance(each) for each in calendar.spans(span.start, span.end)],
    )
