"""``loadwatch replay``: what the daemon would have said about a recorded history."""

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from loadwatch.cli.alerts import alert_line
from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import count_of, show_age
from loadwatch.cli.progress import Bar
from loadwatch.interchange.csv import read_csv
from loadwatch.labels.horizons import exceedances
from loadwatch.pictures import check_drawable, draw_replay
from loadwatch.pipeline import Scores
from loadwatch.records import Alert, Floats, Recording
from loadwatch.replay import Replay, ReplayFindings, Settings, header, score_lines
from loadwatch.report.findings import horizon_figures


@click.command("replay")
@click.argument("history", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="Where the scores go, as CSV.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw forecasts, reality and alerts.")
@with_context
def command(context: Context, *, history: Path, output: Path | None, plot: Path | None) -> None:
    """Run a recorded HISTORY (CSV, also .gz) through exactly the daemon's pipeline.

    At every row only the past is known; training happens on the recorded clock. The columns "split" and
    "label" are never read. OUTPUT gets a row for each row of HISTORY. Its probabilities of a time ahead speak
    of what comes after the row, as forecasts are scored; what a daemon shows includes now, so that there a
    longer time is never less likely.
    """
    if plot is not None:
        check_drawable(plot)
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
        bar = stack.enter_context(Bar())
        replay, scored = Replay(recording, settings), []
        for judged in replay.run(lambda rows, stage: bar.show(stage, rows / len(recording))):
            if write is not None:
                write(score_lines(judged))
            if plot is not None:
                scored.append(judged.scores)
    for line in summary(recording, replay.findings):
        click.echo(line)
    if plot is not None:
        _draw(plot, recording.timestamps, scored, settings.horizons, replay.findings.alerts)
        click.echo(str(plot))


def _draw(
    path: Path, times: Floats, scored: Sequence[Scores], horizons: Sequence[int], alerts: Sequence[Alert]
) -> None:
    probabilities = np.concatenate([scores.probabilities for scores in scored])
    levels = np.concatenate([scores.levels for scores in scored])
    came = exceedances(times, levels, horizons)[:, :, 0]
    figures = [
        horizon_figures(horizon, said, true)
        for horizon, said, true in zip(horizons, probabilities.T, came.T, strict=True)
    ]
    draw_replay(
        path,
        timestamps=times,
        probabilities=np.concatenate([scores.shown for scores in scored]),
        levels=levels,
        horizons=horizons,
        alerts=alerts,
        anomaly=np.concatenate([scores.anomaly for scores in scored]),
        reliability={each.horizon: each.reliability for each in figures if each is not None},
    )


def summary(recording: Recording, findings: ReplayFindings) -> Iterator[str]:
    """What an operator wants to know, line by line."""
    times = recording.timestamps
    weeks = max(float(times[-1] - times[0]), 1.0) / 604_800.0
    rows, length = count_of(len(recording), "row"), show_age(float(times[-1] - times[0]))
    yield f"{rows} from {_when(times[0])} to {_when(times[-1])} ({length})"
    published = sum(why == "published" for _, why in findings.trainings)
    yield f"{count_of(len(findings.trainings), 'training')}, {published} published"
    alerts = sorted(findings.alerts, key=lambda alert: alert.start)
    # Of less than a day, a rate by the week would be an invention.
    rate = f", {len(alerts) / weeks:.2f} a week" if weeks > 1 / 7 else ""
    yield f"{count_of(len(alerts), 'alert')}{rate}"
    for alert in alerts:
        yield f"  {alert_line(alert)}"


def _when(timestamp: float) -> str:
    return datetime.datetime.fromtimestamp(timestamp, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
