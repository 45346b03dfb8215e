"""``loadwatch run``: the daemon."""

import faulthandler
import json
from dataclasses import replace

import click

from loadwatch import config as configuration
from loadwatch.cli.context import CHECKS, Context, with_context


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
        "web.listen_address": json.dumps(addresses) if addresses else None,
        "web.config_file": config_file,
        "web.systemd_socket": "true" if systemd_socket else None,
        "web.textfile_directory": textfile,
    }
    flags = tuple(f"{key}={value}" for key, value in given.items() if value is not None)
    context = replace(context, overrides=(*context.overrides, *flags))
    config = context.config
    context.start_logging(config.log.level)
    # The watchdog of systemd ends a hung daemon by SIGABRT: the journal then shows where each thread stood.
    faulthandler.enable()
    # Here and not above: --help and a wrong configuration need none of the daemon.
    from loadwatch.daemon.service import Daemon  # noqa: PLC0415

    def reload() -> configuration.Config:
        return configuration.load(context.config_path, overrides=context.overrides, checks=CHECKS)

    Daemon(config, context.state_directory, reload=reload).run()
