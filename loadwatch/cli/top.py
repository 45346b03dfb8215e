"""``loadwatch top``: the status, live, with lines of history; in a pipe a line for each sample."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import show_share
from loadwatch.cli.remote import Remote, remote_of, remote_options
from loadwatch.cli.time_options import DURATION
from loadwatch.errors import ServiceError
from loadwatch.times import format_moment, local_zone

LEAST_INTERVAL: Final = 0.2
SPAN_KEYS: Final = {"h": "hour", "6": "six_hours", "d": "day", "w": "week"}
LOOKS: Final = {"\x1b[D": 1, "\x1b[C": -1, "\x1bOD": 1, "\x1bOC": -1}
"""What the arrows to the left and right send, by the mode of the terminal: characters to look back."""
SERIES_SECONDS: Final = 5.0
"""How often the curves are asked for; their points are ten seconds long, the rest is asked every interval."""


@click.command("top")
@remote_options
@click.option(
    "--interval",
    type=DURATION,
    help="Time between two looks, such as 2s; by default the daemon's sampling interval.",
)
@click.option(
    "--span",
    type=click.Choice(["hour", "six_hours", "day", "week"]),
    default="hour",
    show_default=True,
    help="Of history.",
)
@click.option("--once", is_flag=True, help="Print one screen and end.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many lines, in a pipe.")
@with_context
def command(
    context: Context,
    *,
    url: str | None,
    cacert: Path | None,
    insecure: bool,
    interval: float | None,
    span: str,
    once: bool,
    count: int | None,
) -> None:
    """Show the status live, with history; press q to quit.

    The keys h, 6, d and w show the last hour, six hours, day and week; left and right look back in them. A
    character of a line is the highest value of its time; a full one is 100 %, or else the highest of all.

    Where standard output is not a terminal, a line is printed for each sample.
    """
    remote = remote_of(context, url, cacert, insecure=insecure)
    document = remote.status(span)
    with remote.understood():
        seconds = max(LEAST_INTERVAL, document["interval_seconds"] if interval is None else interval)
        if once:
            from loadwatch.cli.screen import new_console, show_status  # noqa: PLC0415 - rich costs a moment

            show_status(document, new_console())
        elif sys.stdout.isatty() and sys.stdin.isatty():
            LiveView(remote, document, span, seconds).run()
        else:
            _print_lines(remote, seconds, count)


class LiveView:
    """The full screen: what it shows, and what its keys do."""

    def __init__(self, remote: Remote, document: dict[str, Any], span: str, seconds: float) -> None:
        self._remote, self._document, self._span, self._seconds = remote, document, span, seconds
        self._series_due = time.monotonic() + SERIES_SECONDS
        self._trouble = ""
        self._back = 0

    def run(self) -> None:
        """Draw until somebody presses q."""
        from loadwatch.cli.live import LiveScreen  # noqa: PLC0415 - rich costs a moment

        with LiveScreen() as screen, _keys() as keyboard:
            while True:
                self._back = screen.draw(self._document, self._trouble, self._back)
                key = keyboard.wait(self._seconds, screen.resized)
                if key in {"q", "\x1b", "\x03"}:
                    return
                if key in LOOKS:
                    self._back = max(0, self._back + LOOKS[key])
                    continue
                if key in SPAN_KEYS:
                    self._span, self._back = SPAN_KEYS[key], 0
                    self._series_due = 0.0
                self._look()

    def _look(self) -> None:
        """Ask the daemon; where it does not answer, keep what was known and say so."""
        now = time.monotonic()
        wants_series = now >= self._series_due
        try:
            document = self._remote.status(self._span if wants_series else None)
        except ServiceError as error:
            self._trouble = str(error)
            return
        self._trouble = ""
        if wants_series:
            self._series_due = now + SERIES_SECONDS
        else:
            document["series"] = self._document.get("series")
        self._document = document


_READ_AT_ONCE: Final = 64


class _Keyboard:
    """Single keys, without waiting for Enter."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._typed = ""

    def wait(self, seconds: float, resized: Any) -> str:
        """The next key within ``seconds``; empty when time is up or the terminal got another size."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._descriptor], [], [], 0.0 if self._typed else min(left, 0.1))
            if ready:
                self._typed += os.read(self._descriptor, _READ_AT_ONCE).decode("ascii", "replace")
            if self._typed:
                length = 3 if self._typed[:2] in {"\x1b[", "\x1bO"} else 1
                key, self._typed = self._typed[:length], self._typed[length:]
                return key
            if resized():
                return ""
        return ""


@contextlib.contextmanager
def _keys() -> Iterator[_Keyboard]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield _Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _print_lines(remote: Remote, seconds: float, count: int | None) -> None:
    """A line for each new sample, for as long as somebody reads."""
    printed, last = 0, None
    while count is None or printed < count:
        document = remote.status()
        verdict = document["verdict"]
        if verdict is not None and verdict["timestamp"] != last:
            last = verdict["timestamp"]
            click.echo(line(document))
            printed += 1
        if printed != count:
            time.sleep(seconds)


def line(document: dict[str, Any]) -> str:
    """The verdict in one line: time, state, probability by horizon, anomaly score, the words of it."""
    verdict = document["verdict"]
    parts = [format_moment(verdict["timestamp"], local_zone()), f"{document['state']:<11}"]
    for each in verdict["high_load"]:
        horizon = each["horizon_seconds"]
        name = "now" if horizon == 0 else f"{horizon}s"
        parts.append(f"{name}={_share(each['probability'])}{'!' if each['flag'] else ''}")
    anomaly = verdict["anomaly"]
    parts.append(f"anomaly={_share(anomaly['score'])}{'!' if anomaly['flag'] else ''}")
    return "  ".join([*parts, document["detail"]]).rstrip()


def _share(share: float | None) -> str:
    return "unknown" if share is None else show_share(share).replace(" ", "")
