"""``loadwatch check``: the verdict as a monitoring plugin says it, for Nagios, Icinga and scripts.

Output and exit codes are those of the Monitoring Plugins Development Guidelines: one line on standard output,
``LOADWATCH STATUS: text | performance data``; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Whatever keeps us from
knowing is UNKNOWN, a wrong option too: its usual exit code would be taken for CRITICAL.
"""

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.main import in_words
from loadwatch.cli.remote import remote_of, remote_options
from loadwatch.escaping import printable

OK, WARNING, CRITICAL, UNKNOWN = range(4)
NAMES: Final = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

EXIT_CODES: Final = {
    "fine": OK,
    "maintenance": OK,
    "expected": WARNING,
    "anomaly": WARNING,
    "filling": WARNING,
    "high_load": CRITICAL,
    "stale": UNKNOWN,
    "unknown": UNKNOWN,
}
"""By the state of the status document; a state that only a newer daemon knows is unknown here."""


class Plugin(click.Command):
    """A command whose every failure is one line on standard output and exit code 3."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the command line."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            _end_as_unknown(error.format_message())

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            _end_as_unknown(in_words(error))


@click.command("check", cls=Plugin)
@remote_options
@with_context
def command(context: Context, *, url: str | None, cacert: Path | None, insecure: bool) -> None:
    """Say the verdict in the output and exit codes of monitoring plugins, for Nagios, Icinga and cron.

    Exit codes: 0 fine or in maintenance, 1 high load expected, an anomaly, or something filling up, 2 under
    high load, 3 unknown: no fresh verdict, or no answer. Performance data: the probability of high load now
    and within each horizon, the anomaly score, the level of the rule (above 1 is high load), and the age of
    the verdict.
    """
    remote = remote_of(context, url, cacert, insecure=insecure)
    document = remote.status()
    with remote.understood():
        code = EXIT_CODES.get(document["state"], UNKNOWN)
        text = f"{document['headline']}. {document['detail']}"
        line = _line(code, text, list(performance_data(document["verdict"])))
    click.echo(line)
    sys.exit(code)


def performance_data(verdict: Mapping[str, Any] | None) -> Iterator[str]:
    """``label=value[unit];warning;critical;minimum;maximum`` of each figure of a verdict; U where unknown.

    Thresholds are given where one figure alone decides. The flags do not: theirs have a hysteresis, and move
    with the weekly budget.

    >>> list(performance_data({"high_load": [{"horizon_seconds": 60, "probability": 0.25}],
    ...     "anomaly": {"score": None}, "rule": {"level": 0.5}, "age_seconds": 1.5}))
    ['high_load_60s=0.2500;;;0;1', 'anomaly=U;;;0;1', 'rule=0.5000;;~:1', 'age=1.5000s;;;0']
    """
    if verdict is None:
        return
    for each in verdict["high_load"]:
        yield f"high_load_{each['horizon_seconds']:d}s={_number(each['probability'])};;;0;1"
    yield f"anomaly={_number(verdict['anomaly']['score'])};;;0;1"
    yield f"rule={_number((verdict['rule'] or {}).get('level'))};;~:1"
    yield f"age={_number(verdict['age_seconds'], 's')};;;0"


def _number(value: float | None, unit: str = "") -> str:
    """Digits alone, without an exponent, as the guidelines want it; an unknown value has no unit."""
    return "U" if value is None or not math.isfinite(value) else f"{value:.4f}{unit}"


def _line(code: int, text: str, figures: Sequence[str] = ()) -> str:
    """The one line; a bar would begin the performance data."""
    words = re.sub(r"\s+", " ", text).strip().replace("|", r"\x7c")
    return f"LOADWATCH {NAMES[code]}: {printable(words)}" + (f" | {' '.join(figures)}" if figures else "")


def _end_as_unknown(text: str) -> NoReturn:
    click.echo(_line(UNKNOWN, text))
    sys.exit(UNKNOWN)
