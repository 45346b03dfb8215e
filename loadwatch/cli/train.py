"""``loadwatch train``: learn from the stored history now; also the daemon's own training child."""

import json
import os
import sys
import time
from dataclasses import asdict
from typing import IO

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.daemon.orders import order_for
from loadwatch.errors import TrainingError
from loadwatch.training.manners import give_way
from loadwatch.training.run import Order, Outcome, train


@click.command("train")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("by_order", "--order", is_flag=True, hidden=True, help="Read the order from standard input.")
@with_context
def command(context: Context, *, as_json: bool, by_order: bool) -> None:
    """Learn from the stored history now, and publish the model if it is no worse than the one in use."""
    if by_order:
        _obey(sys.stdin, sys.stdout)
        return
    order = order_for(context.config, context.state_directory, time.time())
    outcome = _train_for_a_person(order, quiet=as_json)
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
    else:
        click.echo(f"{outcome.result}: {outcome.why or outcome.version}")
    if outcome.result == "too_little":
        raise TrainingError(f"no model yet: {outcome.why}")


def _train_for_a_person(order: Order, *, quiet: bool) -> Outcome:
    with click.progressbar(length=1000, label="training", file=sys.stderr, hidden=quiet) as bar:

        def show(stage: str, share: float) -> None:
            bar.label = stage
            bar.update(max(0, int(1000 * share) - bar.pos))

        return train(order, show)


def _obey(source: IO[str], target: IO[str]) -> None:
    """Be the daemon's training child: JSON in, JSON lines out, out of everybody's way."""
    give_way(os.getppid())
    order = Order(**json.loads(source.read()))
    last = ""

    def report(stage: str, _share: float) -> None:
        nonlocal last
        if stage != last:
            last = stage
            print(json.dumps({"stage": stage}), file=target, flush=True)

    print(json.dumps({"outcome": asdict(train(order, report))}), file=target, flush=True)
