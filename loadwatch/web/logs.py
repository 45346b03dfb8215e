"""What clients can make us log, Tornado's lines too: in our form, without tracebacks, and not as they like.

What a client does wrong is not the operator's news: it goes to debug. What our own code does wrong goes to
error. Of each kind there is one line an hour at most, with the number of those left out before it.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from loadwatch.escaping import quoted

log: Final = logging.getLogger("loadwatch.web")
_QUIET_SECONDS: Final = 3600.0


class BoundedLog:
    """Writes one line an hour of each event, whatever happens."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def write(self, level: int, event: str, **facts: object) -> None:
        """Log ``event`` with its facts, unless that was done a while ago."""
        if not log.isEnabledFor(level):
            return
        now = self._now()
        if now - self._last.get(event, -_QUIET_SECONDS) < _QUIET_SECONDS:
            self._left_out[event] = self._left_out.get(event, 0) + 1
            return
        self._last[event] = now
        left_out = self._left_out.pop(event, 0)
        said = " ".join(f"{name}={quoted(fact)}" for name, fact in facts.items())
        log.log(level, "event=%s %s%s", event, said, f" left_out={left_out}" if left_out else "")


BOUNDED: Final = BoundedLog()


class _Rerouted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        level = logging.ERROR if record.name == "tornado.application" else logging.DEBUG
        error = record.exc_info[1] if record.exc_info else None
        BOUNDED.write(level, record.name.replace(".", "_"), message=record.getMessage(), error=error)
        return False


_FILTER: Final = _Rerouted()


def route_tornado_logs() -> None:
    """Send what Tornado logs through our logger; does nothing the second time."""
    for name in ("tornado.general", "tornado.application", "tornado.access"):
        logging.getLogger(name).addFilter(_FILTER)
