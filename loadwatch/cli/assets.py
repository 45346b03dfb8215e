"""``loadwatch assets``: what is shipped for systemd, shells, Prometheus, Alertmanager and Grafana."""

from pathlib import Path

import click

from loadwatch import assets


@click.group("assets", no_args_is_help=True)
def command() -> None:
    """Unit, configuration, manual, completion, rules and dashboards to put where they belong."""


@command.command("list")
def list_assets() -> None:
    """List the shipped files."""
    for asset in assets.list_assets():
        click.echo(f"{asset.name:<58} {asset.description}")


@command.command("export", short_help="Write shipped files under a folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("names", nargs=-1)
@click.option("--replace", is_flag=True, help="Overwrite files that differ.")
@click.option(
    "--grafana-url",
    default=assets.DEFAULT_GRAFANA_URL,
    show_default=True,
    help="Where the dashboard_url of alerts leads.",
)
@click.option(
    "--project-url",
    default=assets.DEFAULT_PROJECT_URL,
    show_default=True,
    help="Where the runbook_url of alerts leads: the manual of a daemon that your people can reach, or the "
    "page that shows your copy of the manual.",
)
def export(folder: Path, names: tuple[str, ...], *, replace: bool, **urls: str) -> None:
    """Write the shipped files, or only NAMES (a file or a folder such as "grafana"), under FOLDER."""
    for path in assets.export(folder, names or None, replace=replace, **urls):
        click.echo(str(path))
