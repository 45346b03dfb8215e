"""Tornado's log lines, told in ours.

What a client does wrong is not the operator's news: it goes to debug. What our own code does wrong is one
line at error, without the traceback that a client could otherwise make us write as often as it likes.
"""

import logging
from typing import Final

log: Final = logging.getLogger("loadwatch.web")


class _Rerouted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        level = logging.ERROR if record.name == "tornado.application" else logging.DEBUG
        error = record.exc_info[1] if record.exc_info else None
        log.log(level, "event=tornado message=%r error=%r", record.getMessage(), error)
        return False


_FILTER: Final = _Rerouted()


def route_tornado_logs() -> None:
    """Send what Tornado logs through our logger; does nothing the second time."""
    for name in ("tornado.general", "tornado.application", "tornado.access"):
        logging.getLogger(name).addFilter(_FILTER)
