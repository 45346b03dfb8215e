"""Durations and points in time as people write them: strict, and an error says what would have been right."""

import math
import os
import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loadwatch.errors import TimeFormatError
from loadwatch.escaping import quoted

Toward = Literal["past", "future"]

_SECONDS: Final = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NAMES: Final = {
    "w": ("w", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hour", "hours"),
    "m": ("m", "min", "minute", "minutes"),
    "s": ("s", "sec", "second", "seconds"),
    "ms": ("ms", "millisecond", "milliseconds"),
}
_UNITS: Final = {name: unit for unit, names in _NAMES.items() for name in names}
_DAY: Final = 86_400.0
_ORDER: Final = {unit: place for place, unit in enumerate(_SECONDS)}

# The digits are ASCII on purpose: \d would take any script's, and a lookalike in a setting should be refused.
_PART: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)")
_TIME_OF_DAY: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_NAMED_DAY: Final = re.compile(r"(today|yesterday|tomorrow)(?:\s+(?:at\s+)?(\S+))?")
_EPOCH: Final = re.compile(r"@?([0-9]{9,11}(?:\.[0-9]+)?)|@([0-9]+(?:\.[0-9]+)?)")
_ISO_LIKE: Final = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ].*)?", re.IGNORECASE)
LAST_MOMENT: Final = 253_402_300_799.0
"""The end of the year 9999: beyond it calendars fail."""
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}

DURATION_FORMS: Final = '"250ms", "5s", "15m", "2h", "14d", "1w", "1h30m" or "90 minutes"'
MOMENT_FORMS: Final = (
    '"14:05", "yesterday 14:05", "2 hours ago", "in 30m", "2h" from now, "now", a date and time such as '
    '"2026-03-01 14:05" or "2026-03-01T14:05:00+01:00", or seconds since 1970'
)


def parse_duration(text: str) -> float:
    """Seconds in a duration such as ``15m`` or ``1h30m``.

    Units fall from weeks to milliseconds and come at most once each, so that ``30m1h`` and ``5m5m``, which
    are mostly slips, are refused; so is a number without a unit.

    >>> parse_duration("1h30m"), parse_duration("250ms"), parse_duration("2 hours")
    (5400.0, 0.25, 7200.0)

    Raises:
        TimeFormatError: the text is none of the accepted forms.

    """
    total, position, last = 0.0, 0, -1
    lowered = text.strip().lower()
    while position < len(lowered):
        part = _PART.match(lowered, position)
        unit = _UNITS.get(part[2]) if part else None
        if part is None or unit is None:
            raise TimeFormatError(
                f"cannot read the duration {quoted(text)}{_hint(lowered)}: write {DURATION_FORMS}"
            )
        if _ORDER[unit] <= last:
            raise TimeFormatError(
                f"cannot read the duration {quoted(text)}: "
                "its units must fall, each at most once, as in 1h30m"
            )
        total += float(part[1]) * _SECONDS[unit]
        last, position = _ORDER[unit], part.end()
    if last < 0 or not math.isfinite(total):
        raise TimeFormatError(f"cannot read the duration {quoted(text)}: write {DURATION_FORMS}")
    # Sums such as 0.1 s + 1 ms are meant in decimals; a microsecond is finer than any clock used here.
    return round(total, 6)


def _hint(text: str) -> str:
    return " (a number needs a unit)" if re.fullmatch(r"[0-9.]+", text) else ""


def format_duration(seconds: float) -> str:
    """The shortest exact writing of a duration, to the millisecond: ``5400`` becomes ``1h30m``.

    ``parse_duration`` reads it back. A negative duration is written with a minus, which is not read back.

    >>> format_duration(5400), format_duration(0.25), format_duration(14 * 86400), format_duration(0)
    ('1h30m', '250ms', '14d', '0s')
    """
    left = round(abs(seconds) * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_SECONDS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if seconds < 0 and parts else "") + "".join(parts) if parts else "0s"


def parse_moment(text: str, *, now: float, zone: tzinfo, toward: Toward = "past") -> float:
    """Epoch seconds of a point in time as people write it.

    A time without an offset is meant in ``zone``; a date alone is its midnight. A time of day alone is the
    last one up to ``now``, or, with ``toward="future"``, the next one: at half past midnight "23:50" was ten
    minutes past for who labels, and is still to come for who plans. A length alone is so long ago, or ahead.

    >>> parse_moment("2 hours ago", now=1_700_007_200.0, zone=UTC)
    1700000000.0

    Raises:
        TimeFormatError: no accepted form, or a local time that a change of clocks skipped or doubled.

    """
    words = " ".join(text.lower().split())
    moment = _relative(words, now, toward)
    if moment is None:
        moment = _on_a_day(words, text, now, zone, toward)
    # Beyond these, calendars and databases fail in ways nobody could trace back to a slip on the keyboard.
    if not 0 <= moment <= LAST_MOMENT:
        raise _outside(text)
    return moment


def _relative(words: str, now: float, toward: Toward) -> float | None:
    """The moment where no calendar is needed to find it, else None."""
    if words == "now":
        return now
    if epoch := _EPOCH.fullmatch(words):
        return float(epoch[1] or epoch[2])
    if words.endswith(" ago"):
        return now - parse_duration(words.removesuffix(" ago"))
    if words.startswith("in "):
        return now + parse_duration(words.removeprefix("in "))
    try:
        length = parse_duration(words)
    except TimeFormatError:
        return None
    return now + length if toward == "future" else now - length


def _on_a_day(words: str, text: str, now: float, zone: tzinfo, toward: Toward) -> float:
    today = datetime.fromtimestamp(now, zone).date()
    if named := _NAMED_DAY.fullmatch(words):
        day = today + timedelta(days=_DAYS[named[1]])
        return _on_the_wall(day, _time_of_day(named[2] or "0:00", text), zone, text)
    if _TIME_OF_DAY.fullmatch(words):
        return _nearest(_time_of_day(words, text), today, now, zone, toward, text)
    return _iso(text, zone)


def _time_of_day(words: str, text: str) -> time:
    match = _TIME_OF_DAY.fullmatch(words)
    if match is None:
        raise _unreadable(text)
    try:
        return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError as error:
        raise TimeFormatError(f"cannot read the time {quoted(text)}: {error}") from error


def _nearest(moment: time, today: date, now: float, zone: tzinfo, toward: Toward, text: str) -> float:
    candidate = _on_the_wall(today, moment, zone, text)
    if toward == "past" and candidate > now:
        return _on_the_wall(today - timedelta(days=1), moment, zone, text)
    if toward == "future" and candidate < now:
        return _on_the_wall(today + timedelta(days=1), moment, zone, text)
    return candidate


def _iso(text: str, zone: tzinfo) -> float:
    if not _ISO_LIKE.fullmatch(text.strip()):
        raise _unreadable(text)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise TimeFormatError(f"cannot read the time {quoted(text)}: {error}") from error
    if moment.year < 1970:  # near year 1 the arithmetic below would overflow
        raise _outside(text)
    if moment.tzinfo is None:
        return _on_the_wall(moment.date(), moment.time(), zone, text)
    return moment.timestamp()


def _on_the_wall(day: date, moment: time, zone: tzinfo, text: str) -> float:
    """Epoch seconds at which a clock on the wall showed this; refused where it never did, or did twice."""
    first = datetime.combine(day, moment, zone)
    second = first.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.timestamp()
    shown = first.replace(tzinfo=None).isoformat(" ", "minutes")
    # Where clocks went forward, the two readings of a missing time lie the wrong way round (PEP 495).
    if first.timestamp() > second.timestamp():
        raise TimeFormatError(
            f"the time {quoted(text)} ({shown}) never was in {zone}: clocks went forward over it"
        )
    raise TimeFormatError(
        f"the time {quoted(text)} ({shown}) was twice in {zone}, when clocks went back: "
        f"write {first.isoformat()} or {second.isoformat()}"
    )


def _unreadable(text: str) -> TimeFormatError:
    return TimeFormatError(f"cannot read the time {quoted(text)}: write {MOMENT_FORMS}")


def _outside(text: str) -> TimeFormatError:
    return TimeFormatError(f"cannot read the time {quoted(text)}: it lies outside the years 1970 to 9999")


def format_moment(timestamp: float, zone: tzinfo) -> str:
    """The moment to the second with its offset, as ``parse_moment`` reads it back in any zone.

    One that no calendar has is shown in epoch seconds.

    >>> format_moment(1_700_000_000.0, UTC)
    '2023-11-14 22:13:20+00:00'
    """
    if not 0 <= timestamp <= LAST_MOMENT - _DAY:  # a day less, for zones east of UTC
        return f"@{timestamp:.0f}"
    return datetime.fromtimestamp(timestamp, zone).isoformat(" ", "seconds")


def local_zone(localtime: Path = Path("/etc/localtime")) -> tzinfo:
    """The zone of this host with its changes of clocks: ``TZ``, else ``/etc/localtime``, else UTC.

    ``datetime.astimezone()`` would give only today's offset, wrong for times on the other side of a change.
    """
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        if name:
            return ZoneInfo(name)
        with localtime.open("rb") as stream:
            _, _, key = str(localtime.resolve()).partition("zoneinfo/")
            return ZoneInfo.from_file(stream, key=key or "local")
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return UTC
