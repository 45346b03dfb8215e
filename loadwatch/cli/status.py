"""``loadwatch status``: whether this host is fine, why, and how far to trust that."""

import json
import sys
import urllib.error
import urllib.request
from typing import Any

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.moments import show_moment
from loadwatch.errors import ServiceError
from loadwatch.times import format_duration

BAR_WIDTH = 20


@click.command("status")
@click.option("--url", help="The daemon to ask, by default the one of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole status document.")
@click.option("--check", is_flag=True, help="Print nothing; exit with 0 only if there is a fresh verdict.")
@with_context
def command(context: Context, *, url: str | None, as_json: bool, check: bool) -> None:
    """Show the verdict per horizon, what drives it, and how far to trust it."""
    status = fetch(url or url_of(context))
    verdict = status["verdict"]
    if check:
        sys.exit(0 if verdict and verdict["fresh"] else 1)
    if as_json:
        click.echo(json.dumps(status))
        return
    for line in lines(status):
        click.echo(line)


def url_of(context: Context) -> str:
    """Where the daemon of this configuration serves."""
    address = context.config.web.listen_address[0]
    host, _, port = address.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared
    return f"http://{host}:{port}{context.config.web.route_prefix.rstrip('/')}"


def fetch(url: str) -> dict[str, Any]:
    """The status document of a daemon.

    Raises:
        ServiceError: nobody answers there, or not as a loadwatch does.

    """
    try:
        with urllib.request.urlopen(f"{url}/api/v1/status", timeout=5) as answer:  # noqa: S310 - the user's URL
            document = json.load(answer)
    except (urllib.error.URLError, OSError) as error:
        raise ServiceError(
            f"no loadwatch answers at {url}: {error}; is it running? (loadwatch run)"
        ) from error
    except ValueError as error:
        raise ServiceError(f"{url} answers, but not as a loadwatch does: {error}") from error
    if not isinstance(document, dict) or "verdict" not in document:
        raise ServiceError(f"{url} answers, but not as a loadwatch does; check --url")
    return document


def lines(status: dict[str, Any]) -> list[str]:
    """The status as a screen of text."""
    verdict, training, worth = status["verdict"], status["training"], status["worth"]
    shown = [f"{status['host']}: {status['headline']}", f"  {status['detail']}" if status["detail"] else ""]
    if verdict is None:
        return shown
    shown.append("")
    for each in verdict["high_load"]:
        horizon = each["horizon_seconds"]
        when = "now" if horizon == 0 else f"in {format_duration(horizon)}"
        probability = each["probability"]
        chance = "unknown" if probability is None else f"{probability:6.1%} {bar(probability)}"
        shown.append(f"  high load {when:<7} {chance} {'RAISED' if each['flag'] else ''}")
    anomaly = verdict["anomaly"]["score"]
    score = "unknown (not enough history yet)" if anomaly is None else f"{anomaly:6.2f} {bar(anomaly)}"
    shown.append(f"  anomaly           {score} {'RAISED' if verdict['anomaly']['flag'] else ''}")
    for name, parts in verdict["contributions"].items():
        reasons = ", ".join(f"{part['signal']} {part['value']:+.2f}" for part in parts[:3])
        shown.append(f"  {name.replace('_', ' ')} is moved by {reasons}")
    shown.append("")
    model = status["model"]
    if model:
        shown.append(
            f"  model {model['version']} ({model['origin']}), {show_moment(model['trained_timestamp'])}"
        )
    next_training = training["next_timestamp"]
    shown.append(
        f"  training {training['state']}"
        + ("" if next_training is None else f", next {show_moment(next_training)}")
        + (f", {training['failures']} failed" if training["failures"] else "")
    )
    raised = sum(worth["raised_this_week"].values())
    shown.append(f"  {raised} alerts in seven days; sample {verdict['age_seconds']:.0f} s old")
    return shown


def bar(share: float) -> str:
    """A bar of text for a value from 0 to 1."""
    full = round(min(max(share, 0.0), 1.0) * BAR_WIDTH)
    return "█" * full + "·" * (BAR_WIDTH - full)
