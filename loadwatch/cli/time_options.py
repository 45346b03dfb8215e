"""Times on the command line: how people write them, how they are shown.

The option types refuse what they cannot read while the command line is parsed: before a daemon is asked, a
history opened or anything written.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import click

from loadwatch.errors import TimeFormatError, UsageError
from loadwatch.records import Span
from loadwatch.times import LAST_MOMENT, Toward, format_moment, local_zone, parse_duration, parse_moment

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A length of time, in seconds; ``positive`` refuses 0."""

    name = "duration"

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of what was typed."""
        if not isinstance(value, str):
            return float(value)
        try:
            seconds = parse_duration(value)
        except TimeFormatError as error:
            self.fail(str(error), param, ctx)
        if self._positive and seconds <= 0:
            self.fail(f"{value} is no time at all; write something above zero, such as 30m", param, ctx)
        return seconds


class Moment(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A point in time, in epoch seconds; a time of day alone is the nearest one ``toward`` past or future."""

    name = "moment"

    def __init__(self, toward: Toward = "past") -> None:
        self._toward: Toward = toward

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Epoch seconds of what was typed."""
        if not isinstance(value, str):
            return float(value)
        try:
            return read_moment(value, self._toward)
        except TimeFormatError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, slots=True)
class Since:
    """Where a span begins: so many seconds before its end, or at a moment in epoch seconds."""

    kind: Literal["before the end", "at"]
    seconds: float

    def start(self, end: float) -> float:
        """The beginning of the span that ends at ``end``, in epoch seconds."""
        return end - self.seconds if self.kind == "before the end" else self.seconds


class SinceType(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """The beginning of a span: a length such as 7d, or a moment."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Since:
        """What was typed; a length is meant from the end of the span."""
        if isinstance(value, Since):
            return value
        try:
            return Since("before the end", parse_duration(value))
        except TimeFormatError:
            pass
        try:
            return Since("at", read_moment(value))
        except TimeFormatError as error:
            self.fail(f"{error}; or a length such as 7d", param, ctx)


DURATION: Final = Duration()
LENGTH: Final = Duration(positive=True)
MOMENT: Final = Moment()
MOMENT_AHEAD: Final = Moment("future")
SINCE: Final = SinceType()


def read_moment(text: str, toward: Toward = "past") -> float:
    """Epoch seconds of a moment as a person wrote it, in the zone of this host."""
    return parse_moment(text, now=time.time(), zone=local_zone(), toward=toward)


def span_since(since: Since, end: float) -> Span:
    """The span from ``since`` to ``end``.

    Raises:
        UsageError: it would end before it begins.

    """
    span = Span(since.start(end), end)
    if span.start >= span.end:
        raise UsageError(f"nothing lies between {show_span(span)}; check --since")
    return span


def span_between(start: float, end: float | None, length: float | None) -> Span:
    """The span of ``--from`` with either ``--to`` or ``--for``; all commands with a span read it so.

    Raises:
        UsageError: neither or both are there, or it would end before it begins or after all calendars.

    """
    if (end is None) == (length is None):
        raise UsageError("say how far it goes: either --to with its end, or --for with its length")
    span = Span(start, start + (length or 0.0) if end is None else end)
    if span.end > LAST_MOMENT:
        raise UsageError(
            "that span would end after the year 9999; check --for, or say when it ends with --to"
        )
    if not span.start < span.end:
        raise UsageError(f"that span ends before it begins: {show_span(span)}; check --from and --to")
    return span


def span_options(
    *, toward: Toward, required: bool, default_start: str | None = None
) -> Callable[[Command], Command]:
    """Give a command ``--from``, ``--to`` and ``--for`` as ``start``, ``end`` and ``length``."""
    moment = Moment(toward)

    def decorate(command: Command) -> Command:
        for option in (
            click.option("--for", "length", type=LENGTH, help="Its length instead, e.g. 2h or 30m."),
            click.option("--to", "end", type=moment, help="When it ends."),
            click.option(
                "--from",
                "start",
                type=moment,
                required=required,
                default=default_start,
                show_default=default_start is not None,
                help='When it begins, e.g. 14:05, "2 hours ago" or "in 1h".',
            ),
        ):
            command = option(command)
        return command

    return decorate


def show_moment(timestamp: float | None) -> str:
    """The same the other way; "now" for what has not ended."""
    return "now" if timestamp is None else format_moment(timestamp, local_zone())


def show_span(span: Span) -> str:
    """From and to."""
    return f"{show_moment(span.start)} to {show_moment(span.end)}"
