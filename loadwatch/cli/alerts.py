"""``loadwatch alerts``: what was alerted, why, and what it was worth."""

import contextlib
import time

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import count_of, show_age
from loadwatch.cli.time_options import SINCE, Since, show_moment, span_since
from loadwatch.culprits import culprit_words
from loadwatch.json_documents import document, of_alert
from loadwatch.judge.statistics import is_false, summarise, with_labels
from loadwatch.records import Alert, Span


@click.command("alerts")
@click.option("--since", type=SINCE, default="30d", show_default=True, help="A length, or a moment.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_context
def command(context: Context, *, since: Since, as_json: bool) -> None:
    """List past alerts: when, how long, why, whether confirmed.

    What an alert really was, say by the number it begins with: loadwatch label --alert 41 normal
    """
    span = span_since(since, time.time())
    with contextlib.closing(context.read_history()) as history:
        labels = history.labels(span)
        alerts = [with_labels(alert, labels) for alert in history.alerts(span)]
        first = history.span(span)
    if as_json:
        click.echo(document(alerts=[of_alert(alert) for alert in alerts]))
        return
    for alert in alerts:
        click.echo(f"{alert.identity:>5}  {alert_line(alert)}")
        if alert.culprits is not None and (words := culprit_words(alert.culprits)):
            click.echo(f"{'':>5}  {words}")
    period = Span(first.start if first else span.end, span.end)
    worth = summarise(alerts, period)
    weekly = "" if worth.per_week is None else f", {worth.per_week:.1f} a week"
    hits = "" if worth.hit_rate is None else f"; {worth.hit_rate:.0%} of forecasts came true"
    click.echo(f"{count_of(len(alerts), 'alert')}{weekly}{hits}")


def alert_line(alert: Alert) -> str:
    """One alert in one line."""
    length = "open" if alert.end is None else show_age(alert.end - alert.start)
    ahead = f"in {alert.horizon / 60:.0f} min" if alert.foretold else "now"
    lead = "" if alert.lead_seconds is None else f"came true after {alert.lead_seconds / 60:.0f} min"
    truth = "" if alert.end is None else "false alarm" if is_false(alert) else "confirmed"
    reasons = [f"{part.signal} {part.value:+.2f}" for part in alert.signals[:3]]
    what = f"{alert.verdict.replace('_', ' ')} {ahead}"
    span = f"{show_moment(alert.start)} to {show_moment(alert.end):<{len(show_moment(alert.start))}}"
    line = f"{span}  {length:<10}  {what:<19}  {truth:<11}  {', '.join(filter(None, [*reasons, lead]))}"
    return line.rstrip()
