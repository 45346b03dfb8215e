"""``loadwatch notify``: who is told of alerts, whether messages arrive; and the daemon's child."""

import socket
import sys
from pathlib import Path
from typing import Any

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.remote import remote_of, remote_options
from loadwatch.errors import NotificationError, UsageError


@click.command("notify")
@remote_options
@click.option("--test", is_flag=True, help="Send a message to each recipient now, as the daemon would.")
@click.option("by_order", "--order", is_flag=True, hidden=True, help="Read the order from standard input.")
@with_context
def command(
    context: Context, *, url: str | None, cacert: Path | None, insecure: bool, test: bool, by_order: bool
) -> None:
    """Show who is told of alerts and how that goes; with --test send a message to each.

    Who is told stands in alerts.notify and alerts.notify_file; the test reads them as they are now, and needs
    the rights to. Shown is nothing of a URL but its scheme.
    """
    if by_order:
        from loadwatch.notifications.sending import obey  # noqa: PLC0415 - the library is for the child alone

        obey(sys.stdin)
        return
    if test:
        _test(context)
        return
    remote = remote_of(context, url, cacert, insecure=insecure)
    document = remote.status()
    with remote.understood():
        for line in _words(document):
            click.echo(line)


def _test(context: Context) -> None:
    from loadwatch.daemon.messenger import Messenger  # noqa: PLC0415 - only a test sends
    from loadwatch.notifications.message import Place, message_for_test  # noqa: PLC0415 - the same
    from loadwatch.notifications.recipients import recipients_of  # noqa: PLC0415 - the same
    from loadwatch.times import local_zone  # noqa: PLC0415 - the same

    alerts = context.config.alerts
    recipients = recipients_of(alerts.notify, alerts.notify_file)
    if not recipients:
        raise UsageError("nobody is told of alerts: set alerts.notify or alerts.notify_file")
    message = message_for_test(Place(socket.gethostname(), local_zone(), context.config.web.external_url))
    messenger, failed = Messenger(), 0
    for recipient in recipients:
        try:
            messenger.deliver(recipient, message)
        except NotificationError as error:
            failed += 1
            click.echo(f"{recipient.name}: not delivered: {error}")
        else:
            click.echo(f"{recipient.name}: delivered")
    if failed:
        raise NotificationError(f"{failed} of {len(recipients)} messages were not delivered")


def _words(document: dict[str, Any]) -> list[str]:
    from loadwatch.cli.status_text import notification_facts  # noqa: PLC0415 - a child needs no words

    facts = notification_facts(document.get("notifications", ()), document["now_timestamp"])
    return facts or ["nobody is told of alerts: set alerts.notify or alerts.notify_file"]
