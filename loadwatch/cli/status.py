"""``loadwatch status``: whether this host is fine, why, and how far to trust that."""

import json
import sys
from pathlib import Path

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.remote import remote_of, remote_options


@click.command("status")
@remote_options
@click.option("--json", "as_json", is_flag=True, help="Print the whole status document.")
@click.option(
    "--check",
    is_flag=True,
    help="Print nothing; exit with 0 only if there is a fresh verdict from all it needs.",
)
@with_context
def command(
    context: Context, *, url: str | None, cacert: Path | None, insecure: bool, as_json: bool, check: bool
) -> None:
    """Show the verdict per horizon, what drives it, and how far to trust it."""
    remote = remote_of(context, url, cacert, insecure=insecure)
    document = remote.status()
    if as_json:
        click.echo(json.dumps(document))
        return
    with remote.understood():
        if check:
            verdict = document["verdict"]
            sys.exit(0 if verdict and verdict["fresh"] else 1)
        # Here and not above: scripts that ask for JSON or an exit code need not load a terminal library.
        from loadwatch.cli.screen import new_console, show_status  # noqa: PLC0415

        show_status(document, new_console())
