"""``loadwatch run``: the daemon."""

import faulthandler
import json
import logging
import os
from dataclasses import replace

import click

from loadwatch import config as configuration
from loadwatch.cli.context import Context, with_context
from loadwatch.cli.logs import start_logging
from loadwatch.errors import LoadwatchError

log = logging.getLogger(__name__)


@click.command("run")
@click.option(
    "addresses",
    "--web.listen-address",
    multiple=True,
    metavar="HOST:PORT",
    help="Where to serve, as web.listen_address; repeatable.",
)
@click.option(
    "config_file", "--web.config.file", metavar="FILE", help="TLS and passwords, as web.config_file."
)
@click.option(
    "systemd_socket", "--web.systemd-socket", is_flag=True, help="Serve on the sockets systemd hands over."
)
@click.option(
    "textfile", "--write-textfile", metavar="DIR", help="Also write loadwatch.prom, for node_exporter."
)
@with_context
def command(
    context: Context,
    *,
    addresses: tuple[str, ...],
    config_file: str | None,
    systemd_socket: bool,
    textfile: str | None,
) -> None:
    """Watch this host: sample, judge, learn, serve metrics.

    Runs in the foreground until SIGTERM or Ctrl-C; SIGHUP reloads the configuration.
    """
    given = {
        "web.listen_address": addresses or None,
        "web.config_file": config_file,
        "web.systemd_socket": systemd_socket or None,
        "web.textfile_directory": textfile,
    }
    # As JSON, which TOML reads as the same: a file may be called 2.
    flags = tuple(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items() if value is not None
    )
    context = replace(context, overrides=(*context.overrides, *flags))
    config = context.daemon_config()
    start_logging(config.log.level)
    # The watchdog of systemd ends a hung daemon by SIGABRT: the journal then shows where each thread stood.
    faulthandler.enable()
    # Here and not above: --help and a wrong configuration need none of the daemon.
    from loadwatch.daemon.service import Daemon  # noqa: PLC0415

    path = context.config_path or configuration.default_path()

    def reload() -> configuration.Config:
        # A file that was there and is gone is an error, and not a wish for the defaults.
        found = context.config_path or configuration.default_path() or path
        return replace(context, config_path=found).daemon_config()

    daemon = Daemon(config, context.state_directory, reload=reload)
    exit_code = 0
    try:
        daemon.run()
    except LoadwatchError as error:
        if not daemon.hangs:
            raise
        log.error("%s", error)
        exit_code = error.exit_code
    if daemon.hangs:
        # Everything is stored and closed; the interpreter would wait for the thread that hangs.
        logging.shutdown()
        os._exit(exit_code)
