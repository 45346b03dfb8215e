"""Times in the rows of files."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_LAST_SECOND: Final = 1e11  # the year 5138; a larger number counts milliseconds or less


def time_format(first: str) -> Callable[[str], float]:
    """How to read the times of a file, from the first one: all others must be of the same form."""
    try:
        float(first)
    except ValueError:
        try:
            zoned = datetime.fromisoformat(first.strip()).tzinfo is not None
        except ValueError:
            return _epoch  # which says what is expected
        return lambda text: _iso(text, zoned=zoned)
    return _epoch


def _epoch(text: str) -> float:
    try:
        timestamp = float(text)
    except ValueError:
        raise ValueError(
            f"{shown(text)} is no time; expected seconds since 1970 or ISO 8601, one of them in all rows"
        ) from None
    if not 0 <= timestamp < _LAST_SECOND:
        raise ValueError(f"{shown(text)} is no time in seconds since 1970 (are these milliseconds?)")
    return timestamp


def _iso(text: str, *, zoned: bool) -> float:
    try:
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
