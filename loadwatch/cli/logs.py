"""The daemon's log on standard error. A module of its own: no other command pays for the library."""

import logging
import os
import sys

from loadwatch.escaping import printable


class OneLine(logging.Formatter):
    """Each message is one line of printable text: no name and no path in it makes another line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in the library
        """The line before a traceback, if there is one."""
        lines = super().formatMessage(record).split("\n  ")  # as our own messages list faults
        return " | ".join(map(printable, lines))


def start_logging(level: str) -> None:
    """Send log lines to standard error, without a time where the journal adds one."""
    under_systemd = "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        OneLine("%(levelname)s %(message)s" if under_systemd else "%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # APScheduler reports each run of each job; we log what went wrong ourselves.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
