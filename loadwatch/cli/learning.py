"""After an import: learn from what came, here or in the daemon that already watches."""

import time

import click

from loadwatch.cli.context import Context
from loadwatch.cli.train import train_for_a_person, words_of
from loadwatch.daemon.orders import order_for
from loadwatch.daemon.retraining import ASKED
from loadwatch.history import History, StateLock


def learn_from_import(context: Context, history: History) -> None:
    """Train on the stored history; where a daemon runs there, ask it to, so that no two train at once.

    Our own training holds the daemon's lock: one that is started meanwhile does not make a model beside ours.
    """
    lock = StateLock(context.state_directory)
    if not lock.try_acquire():
        history.set_state(ASKED, time.time())
        click.echo("the running daemon learns from them now; loadwatch status tells when it has")
        return
    try:
        order = order_for(context.config, context.state_directory, time.time())
        outcome = train_for_a_person(order, quiet=False)
    finally:
        lock.release()
    if outcome.result == "too_little":
        click.echo(f"not yet enough to learn from: {outcome.why}")
    for line in words_of(outcome):
        click.echo(line)
