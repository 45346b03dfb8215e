"""``loadwatch run``: the daemon."""

import faulthandler

import click

from loadwatch import config as configuration
from loadwatch.cli.context import CHECKS, Context, with_context


@click.command("run")
@with_context
def command(context: Context) -> None:
    """Watch this host: sample, judge, learn, serve metrics.

    Runs in the foreground until SIGTERM or Ctrl-C; SIGHUP reloads the configuration.
    """
    config = context.config
    context.start_logging(config.log.level)
    # The watchdog of systemd ends a hung daemon by SIGABRT: the journal then shows where each thread stood.
    faulthandler.enable()
    # Here and not above: --help and a wrong configuration need none of the daemon.
    from loadwatch.daemon.service import Daemon  # noqa: PLC0415

    def reload() -> configuration.Config:
        return configuration.load(context.config_path, overrides=context.overrides, checks=CHECKS)

    Daemon(config, context.state_directory, reload=reload).run()
