"""``loadwatch check-config``: check the configuration and show what is in force."""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.config import Config, in_force, reference
from loadwatch.config.own_signals import as_written
from loadwatch.config.readers import Recurrence, SecretUrl
from loadwatch.errors import ConfigurationError, HistoryError
from loadwatch.history import History
from loadwatch.json_documents import document
from loadwatch.labels.rule import DEFAULT_RULE, DEFAULT_WORD, Rule
from loadwatch.signals import OwnSignal
from loadwatch.times import format_duration


@click.command("check-config")
@click.option("--json", "as_json", is_flag=True, help="Print the settings in force as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing unless something is wrong.")
@with_context
def command(context: Context, *, as_json: bool, quiet: bool) -> None:
    """Check the configuration as the daemon does, and show what is in force.

    Exits with 78 and names every fault where something is wrong.
    """
    config = context.daemon_config()
    _check_signals(context, config)
    if quiet:
        return
    settings = in_force(config)
    if as_json:
        plain = json.loads(json.dumps(settings, default=_plain))
        click.echo(document(settings=plain, state_directory=str(context.state_directory)))
        return
    defaults = {setting.key: setting.default for setting in reference()}
    for key, value in settings.items():
        click.echo(f"{key} = {json.dumps(_written(value, defaults[key]), default=_plain)}")
        if value == DEFAULT_WORD:
            click.echo(f"# that is: {DEFAULT_RULE}")
    click.echo(f"state directory: {context.state_directory}")


def _check_signals(context: Context, config: Config) -> None:
    """Refuse a rule over signals that this host neither measures nor has stored, and what it cannot store."""
    stored: tuple[str, ...] = ()
    unstorable = ""
    looked = ""
    try:
        with contextlib.closing(History.read(context.history_path)) as history:
            stored = history.signals()
            unstorable = history.why_unstorable(own.name for own in config.signals)
    except HistoryError as error:
        looked = f"\n  (no stored signals were looked at: {error})"
    if unstorable:
        raise ConfigurationError(f"signals: {unstorable}")
    try:
        Rule.parse(config.high_load.when, signals={*config.measured, *stored})
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}{looked}") from error


def _written(value: Any, default: Any) -> Any:
    """As one writes it into the file: durations as their defaults are written, nothing as an empty text."""
    if isinstance(value, tuple) and any(isinstance(each, Recurrence) for each in value):
        return [
            {
                "cron": each.cron,
                "for": format_duration(each.seconds),
                "timezone": each.timezone,
                "why": each.why,
            }
            for each in value
        ]
    if isinstance(value, list | tuple) and isinstance(default, list) and default:
        return [_written(each, default[0]) for each in value]
    if isinstance(default, str) and isinstance(value, int | float) and not isinstance(value, bool):
        return format_duration(value)
    return "" if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, OwnSignal):
        return as_written(value)
    return str(value) if isinstance(value, Path | SecretUrl) else asdict(value)
