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
    "--span", type=click.Choice(["hour", "day"]), default="hour", show_default=True, help="Of history."
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
    """Show the status live, with history; press q to quit, h for the last hour, d for the last day.

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

    def run(self) -> None:
        """Draw until somebody presses q."""
        from loadwatch.cli.live import LiveScreen  # noqa: PLC0415 - rich costs a moment

        with LiveScreen() as screen, _keys() as keyboard:
            while True:
                screen.draw(self._document, self._span, self._trouble)
                key = keyboard.wait(self._seconds, screen.resized)
                if key in {"q", "\x1b", "\x03"}:
                    return
                if key in {"h", "d"}:
                    self._span = {"h": "hour", "d": "day"}[key]
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


class _Keyboard:
    """Single keys, without waiting for Enter."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def wait(self, seconds: float, resized: Any) -> str:
        """The next key within ``seconds``; empty when time is up or the terminal got another size."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._descriptor], [], [], min(left, 0.1))
            if ready:
                return os.read(self._descriptor, 1).decode("ascii", "replace")
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
