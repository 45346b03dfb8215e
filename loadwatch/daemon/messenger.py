"""Delivers a message through a child process, within a deadline; nothing of a URL leaves here in words."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from loadwatch.daemon.child import Child
from loadwatch.errors import ConfigurationError, NotificationError
from loadwatch.notifications.message import Message
from loadwatch.notifications.recipients import Recipient

COMMAND: Final = ("notify", "--order")
DEADLINE_SECONDS: Final = 60.0
"""For one message to one recipient: to start takes a second, or many where the host suffers."""
CHECK_SECONDS: Final = 20.0

log = logging.getLogger(__name__)


class UnknownDeliveryError(NotificationError):
    """It is not known whether a message was delivered."""


class Messenger:
    """Sends one message at a time."""

    def __init__(self, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._deadline = deadline_seconds
        self._child = Child(COMMAND, what="sending process", failure=NotificationError)

    def deliver(self, recipient: Recipient, message: Message) -> None:
        """Send ``message`` and return once the service has taken it.

        Raises:
            UnknownDeliveryError: the child began and ended without an answer, so nobody knows.
            NotificationError: the service did not take it, or it was never sent.

        """
        answers: list[dict[str, Any]] = []
        try:
            self._child.run(
                {"url": recipient.url, **asdict(message)},
                timeout_seconds=self._deadline,
                heard=answers.append,
            )
        except NotificationError as error:
            if not answers:
                raise NotificationError(recipient.masked(str(error))) from None
            if "sent" not in answers[-1]:
                raise UnknownDeliveryError(recipient.masked(str(error))) from None
        if not answers or "sent" not in answers[-1]:
            raise UnknownDeliveryError("the sending process ended without an answer")
        if not answers[-1]["sent"]:
            raise NotificationError(recipient.masked(str(answers[-1]["why"])))

    def check(self, recipients: Sequence[Recipient]) -> None:
        """Let the library say whether it can use all the URLs; nothing is sent.

        Where it cannot be asked, because the host suffers perhaps, that is no reason not to watch it.

        Raises:
            ConfigurationError: it cannot use some.

        """
        answers: list[dict[str, Any]] = []
        try:
            order = {"check": [recipient.url for recipient in recipients]}
            self._child.run(order, timeout_seconds=CHECK_SECONDS, heard=answers.append)
            unusable = [recipients[index].name for index in answers[-1]["unusable"]]
        except (NotificationError, LookupError) as error:
            words = str(error)
            for recipient in recipients:
                words = recipient.masked(words)
            log.warning("the URLs of who is told of alerts are not checked: %s", words)
            return
        if unusable:
            raise ConfigurationError(
                f"Apprise cannot use URL {', '.join(unusable)}: it knows no such service, or something is "
                "missing; see the list of services in Apprise's documentation"
            )

    def stop(self) -> None:
        """End a sending that is under way and start no more."""
        self._child.stop()
