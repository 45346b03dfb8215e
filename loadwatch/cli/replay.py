"""``loadwatch replay``: what the daemon would have said about a recorded history."""

import contextlib
import datetime
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from loadwatch.cli.alerts import alert_line
from loadwatch.cli.context import Context, with_context
from loadwatch.importers.csv import read_csv
from loadwatch.records import Recording
from loadwatch.replay import Findings, Replay, Settings, header, score_lines


@click.command("replay")
@click.argument("history", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="Where the scores go, as CSV.")
@with_context
def command(context: Context, *, history: Path, output: Path | None) -> None:
    """Run a recorded HISTORY (CSV, also .gz) through exactly the daemon's pipeline.

    At every row only the past is known; training happens on the recorded clock. The columns "split" and
    "label" are never read. OUTPUT gets a row for each row of HISTORY.
    """
    config = context.config
    file = read_csv(history)
    for warning in file.warnings:
        click.echo(f"loadwatch: {history}: {warning}", err=True)
    recording = file.recording
    settings = Settings(
        rule=config.high_load.when,
        horizons=config.high_load.horizons,
        every=config.training.every,
        history=config.training.history,
        minimum=config.training.minimum,
        budget_per_week=config.alerts.budget_per_week,
    )
    with contextlib.ExitStack() as stack:
        write = None
        if output is not None:
            write = stack.enter_context(output.open("w", encoding="ascii")).write
            write(header(settings.horizons))
        bar = stack.enter_context(click.progressbar(length=len(recording), label="replay", file=sys.stderr))

        def show(rows: int, stage: str) -> None:
            bar.label = f"{stage:8}"
            bar.update(rows - bar.pos)

        replay = Replay(recording, settings)
        for judged in replay.run(show):
            if write is not None:
                write(score_lines(judged))
    for line in summary(recording, replay.findings):
        click.echo(line)


def summary(recording: Recording, findings: Findings) -> Iterator[str]:
    """What an operator wants to know, line by line."""
    times = recording.timestamps
    weeks = max(float(times[-1] - times[0]), 1.0) / 604_800.0
    yield f"{len(recording)} rows from {_when(times[0])} to {_when(times[-1])} ({weeks:.1f} weeks)"
    published = sum(why == "published" for _, why in findings.trainings)
    yield f"{len(findings.trainings)} trainings, {published} published"
    alerts = sorted(findings.alerts, key=lambda alert: alert.start)
    yield f"{len(alerts)} alerts, {len(alerts) / weeks:.2f} a week"
    for alert in alerts:
        yield f"  {alert_line(alert)}"


def _when(timestamp: float) -> str:
    return datetime.datetime.fromtimestamp(timestamp, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
