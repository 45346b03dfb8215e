"""``loadwatch check-config``: check the configuration and show what is in force."""

import json
from pathlib import Path
from typing import Any

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.config import in_force
from loadwatch.labels.rule import DEFAULT_RULE, DEFAULT_WORD


@click.command("check-config")
@click.option("--json", "as_json", is_flag=True, help="Print the settings in force as JSON.")
@with_context
def command(context: Context, *, as_json: bool) -> None:
    """Check the configuration and show what is in force.

    Exits with 78 and names every fault where something is wrong.
    """
    settings = in_force(context.config)
    if as_json:
        click.echo(json.dumps(settings, indent=2, default=_plain))
        return
    for key, value in settings.items():
        click.echo(f"{key} = {json.dumps(value, default=_plain)}")
        if value == DEFAULT_WORD:
            click.echo(f"# that is: {DEFAULT_RULE}")
    click.echo(f"state directory: {context.state_directory}")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else vars(value)
