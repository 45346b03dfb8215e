"""``loadwatch train``: learn from the stored history now; also the daemon's own training child."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Final

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.judgement import judgement
from loadwatch.cli.remote import check_state_directory
from loadwatch.daemon.malloc import KEPT_WHILE_TRAINING, LARGE_BYTES, spare_memory
from loadwatch.daemon.orders import order_for
from loadwatch.errors import TrainingError
from loadwatch.history import History
from loadwatch.json_documents import document, of_figures, of_record
from loadwatch.labels.rule import Rule
from loadwatch.model.store import ModelStore
from loadwatch.pictures import check_drawable, draw_training
from loadwatch.pipeline import Scorer
from loadwatch.state_directory import claimed
from loadwatch.training.order import Order, Outcome
from loadwatch.training.priority import exit_with_parent, lower_priority
from loadwatch.training.run import train

DRAWN_SECONDS: Final = 7200.0
"""How much of the newest history the units are shown, for the picture of what they answer."""


@click.command("train")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Draw loss, activations and weights (PNG, SVG, PDF)."
)
@click.option("by_order", "--order", is_flag=True, hidden=True, help="Read the order from standard input.")
@with_context
def command(context: Context, *, as_json: bool, plot: Path | None, by_order: bool) -> None:
    """Learn from the stored history now, and publish the model if it is no worse than the one in use."""
    if by_order:
        _obey(sys.stdin, sys.stdout)
        return
    check_state_directory(context)
    spare_memory(LARGE_BYTES, KEPT_WHILE_TRAINING)
    order = order_for(context.config, context.state_directory, time.time())
    if plot is not None:
        check_drawable(plot)  # now, and not after minutes of training
    with claimed(context.state_directory):
        outcome = train_for_a_person(order, quiet=as_json)
    if as_json:
        training = of_record(outcome) | {"figures": of_figures(outcome.figures)}
        del training["unstored"]  # a model as base64, from a child to its daemon
        click.echo(document(training=training))
    else:
        for line in words_of(outcome):
            click.echo(line)
    if outcome.result == "too_little":
        raise TrainingError(f"not yet enough to learn from: {outcome.why}; the first model goes on")
    if plot is not None:
        _draw(plot, order, outcome)


def train_for_a_person(order: Order, *, quiet: bool) -> Outcome:
    """Train as ordered with a bar on the terminal; make a first model before where there is none."""
    from loadwatch.cli.progress import Bar  # noqa: PLC0415 - the daemon's child draws no bars

    with Bar(quiet=quiet) as bar:

        def show(stage: str, share: float, loss: float | None = None) -> None:
            bar.show(stage, share, "" if loss is None else f"loss {loss:.4f}")

        if ModelStore(Path(order.state_directory) / "models").current() is None:
            # As after an import into an empty place: make the first model as the daemon would.
            train(replace(order, bootstrap=True), show)
        return train(order, show)


def words_of(outcome: Outcome) -> Iterator[str]:
    """What came of a training, line by line, the verdict first."""
    if outcome.version:
        yield outcome.why
        what = "what is usual was learned" if outcome.result == "rejected" else "learned"
        rows = f"{outcome.rows:,} rows in {outcome.duration_seconds:.1f} s"
        yield f"{outcome.version}: {what} from {rows}"
        yield from judgement(outcome.figures)


def _draw(path: Path, order: Order, outcome: Outcome) -> None:
    """A picture of the new model at work on the newest samples."""
    state = Path(order.state_directory)
    model = ModelStore(state / "models").load(outcome.version)
    losses = outcome.figures.get("losses")
    if not losses:
        raise TrainingError(f"nothing to draw: no network was put to work ({outcome.why})")
    with contextlib.closing(History.read(state / "history.db")) as history:
        recent = history.recording(order.now - DRAWN_SECONDS, order.now)
    features = Scorer(Rule.parse(order.rule), model).extend(recent).features
    X = model.forecast.normaliser.apply(features)
    draw_training(path, network=model.forecast.network, X=X, losses=losses)
    click.echo(str(path))


def _obey(source: IO[str], target: IO[str]) -> None:
    """Be the daemon's training child: JSON in, JSON lines out, out of everybody's way."""
    exit_with_parent(os.getppid())
    spare_memory(LARGE_BYTES, KEPT_WHILE_TRAINING)
    order = Order(**json.loads(source.read()))
    # The first model takes a second of CPU, and on a busy host it is wanted most: it does not stand back.
    if not order.bootstrap:
        lower_priority()
    last = ""

    def report(stage: str, share: float, loss: float | None = None) -> None:  # noqa: ARG001 - told so
        nonlocal last
        if stage != last:
            last = stage
            print(json.dumps({"stage": stage}), file=target, flush=True)

    print(json.dumps({"outcome": asdict(train(order, report))}), file=target, flush=True)
