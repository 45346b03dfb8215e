"""Sending by Apprise, in a process of its own: nothing of it stays in the memory of the daemon.

An order is JSON: ``{"url": ..., "title": ..., "body": ..., "urgency": ...}``, or ``{"check": [url, ...]}``.
What is answered are lines of JSON: ``{"begun": true}`` before anything leaves this host, then
``{"sent": true}`` or ``{"sent": false, "why": ...}``; of a check ``{"unusable": [index, ...]}``.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO

LARGEST_ORDER: Final = 256 * 1024
_LONGEST_WORDS: Final = 500


class _LastWords(logging.Handler):
    """Keeps what the library says went wrong, the last of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.words = record.getMessage()[:_LONGEST_WORDS]


def obey(orders: TextIO) -> None:
    """Do as the order on ``orders`` says and print the answers."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no answer
    order = json.loads(orders.read(LARGEST_ORDER))
    for answer in [_check(order["check"])] if "check" in order else _send(order):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _send(order: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import apprise  # noqa: PLC0415 - loadwatch[notify], and only where something is sent

    heard = _listen(apprise.logger)
    messenger = apprise.Apprise(asset=apprise.AppriseAsset(app_id="loadwatch"))
    if not messenger.add(order["url"]):
        yield {"sent": False, "why": "Apprise knows no such service, or something is missing in its URL"}
        return
    yield {"begun": True}
    sent = messenger.notify(
        title=order["title"],
        body=order["body"],
        notify_type=order["urgency"],
        body_format=apprise.NotifyFormat.TEXT,
    )
    yield {"sent": True} if sent else {"sent": False, "why": heard.words or "the service did not take it"}


def _check(urls: list[str]) -> dict[str, Any]:
    import apprise  # noqa: PLC0415 - see above

    _listen(apprise.logger)
    usable = [apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None for url in urls]
    return {"unusable": [index for index, good in enumerate(usable) if not good]}


def _listen(logger: logging.Logger) -> _LastWords:
    handler = _LastWords()
    logger.addHandler(handler)
    logger.propagate = False
    return handler
