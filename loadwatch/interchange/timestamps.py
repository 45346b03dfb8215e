"""Times in the rows of files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_LAST_SECOND: Final = 1e11  # the year 5138; a larger number counts milliseconds or less


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a file writes its times; zoned: whether they say which moment they mean."""

    read: Callable[[str], float]
    zoned: bool


def time_format(first: str) -> TimeFormat:
    """How to read the times of a file, from the first one: all others must be of the same form."""
    try:
        float(first)
    except ValueError:
        try:
            zoned = datetime.fromisoformat(first.strip()).tzinfo is not None
        except ValueError:
            return TimeFormat(_epoch, zoned=True)  # which says what is expected
        return TimeFormat(lambda text: _iso(text, zoned=zoned), zoned)
    return TimeFormat(_epoch, zoned=True)


def plain_number(text: str) -> float:
    """What ``float`` reads, without the digits of other scripts and the underscores that it takes too.

    Raises:
        ValueError: it is no number.

    """
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def _epoch(text: str) -> float:
    try:
        timestamp = plain_number(text)
    except ValueError:
        raise ValueError(
            f"{shown(text)} is no time; expected seconds since 1970 or ISO 8601, one of them in all rows"
        ) from None
    if not 0 <= timestamp < _LAST_SECOND:
        raise ValueError(f"{shown(text)} is no time in seconds since 1970 (are these milliseconds?)")
    return timestamp


def _iso(text: str, *, zoned: bool) -> float:
    try:
        if not text.isascii():
            raise ValueError(text)
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{shown(text)} is not ISO 8601 like the times before it") from None
    if (moment.tzinfo is not None) != zoned:
        raise ValueError(f"{shown(text)}: either all times have a zone or none")
    return (moment if zoned else moment.replace(tzinfo=UTC)).timestamp()


def plain(timestamp: float) -> str:
    """Epoch seconds as short as they are exact."""
    return str(int(timestamp)) if timestamp.is_integer() else repr(timestamp)


def shown(text: str) -> str:
    """A cell as it may appear in a message: quoted, short, without control characters."""
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
