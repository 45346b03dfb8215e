"""Times on the command line: how people write them, how they are shown."""

import time
from typing import Literal

from loadwatch.records import Span
from loadwatch.times import format_moment, local_zone, parse_moment


def read_moment(text: str, toward: Literal["past", "future"] = "past") -> float:
    """Epoch seconds of a moment as a person wrote it, in the zone of this host."""
    return parse_moment(text, now=time.time(), zone=local_zone(), toward=toward)


def show_moment(timestamp: float | None) -> str:
    """The same the other way; "now" for what has not ended."""
    return "now" if timestamp is None else format_moment(timestamp, local_zone())


def show_span(span: Span) -> str:
    """From and to."""
    return f"{show_moment(span.start)} to {show_moment(span.end)}"
