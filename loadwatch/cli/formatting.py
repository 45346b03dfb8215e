"""Numbers for a terminal: values in the unit people use, bars, and lines of history.

Everything here is plain text, in block characters or, where the terminal knows none, in ASCII.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SHOWN_NAMES: Final = 60

Values = Sequence[float | None]

_BINARY: Final = ("B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s")
_DECIMAL: Final = ("", "k", "M", "G")


@dataclass(frozen=True, slots=True)
class Palette:
    """The characters a terminal can show: eighths of a bar across, and levels of a line."""

    eighths: str
    rest: str
    levels: str
    unknown: str

    def bar(self, share: float | None, width: int) -> tuple[str, str]:
        """The filled and the empty part of a bar of ``width`` characters; both together are that long.

        >>> BLOCKS.bar(0.5, 5)
        ('██▌', '──')
        """
        if share is None:
            return "", self.unknown * width
        steps = len(self.eighths)
        full, part = divmod(round(min(max(share, 0.0), 1.0) * width * steps), steps)
        filled = self.eighths[-1] * full + (self.eighths[part - 1] if part else "")
        return filled, self.rest * (width - len(filled))

    def line(self, values: Values, width: int, top: float | None = None) -> str:
        """A line of history, oldest left: each character is the highest of the values in its share of time.

        The highest and not the mean, because a short peak is what somebody looks for. ``top`` is the value of
        a full character, by default the highest of all.

        >>> BLOCKS.line([0.0, 0.5, None, 1.0], 4)
        '▁▅ █'
        """
        parts = highest_of(values, width)
        highest = top or max((value for value in parts if value is not None), default=0.0) or 1.0
        return "".join(self._level(value, highest) for value in parts)

    def _level(self, value: float | None, highest: float) -> str:
        if value is None:
            return " "
        return self.levels[round(min(max(value / highest, 0.0), 1.0) * (len(self.levels) - 1))]


BLOCKS: Final = Palette("▏▎▍▌▋▊▉█", "─", "▁▂▃▄▅▆▇█", "·")
ASCII: Final = Palette("#", "-", "_.:-=+*#", ".")


def palette_for(encoding: str | None) -> Palette:
    """The characters that survive in this encoding."""
    return BLOCKS if (encoding or "").lower().startswith("utf") else ASCII


def show_value(value: float | None, unit: str) -> str:
    """A signal's value as people read it.

    >>> show_value(0.071, "ratio"), show_value(65536.0, "bytes_per_second"), show_value(3.25, "1")
    ('7.1 %', '64.0 KiB/s', '3.25')
    >>> show_value(0.0042, "seconds"), show_value(1.5, "seconds")
    ('4.2 ms', '1.50 s')
    """
    if value is None:
        return "unknown"
    if unit == "ratio":
        return show_share(value)
    if unit in {"bytes", "bytes_per_second"}:
        rate = _scaled(value, 1024.0, _BINARY)
        return rate if unit == "bytes_per_second" else rate.removesuffix("/s")
    if unit == "1":
        return f"{value:.2f}"
    if unit == "seconds":
        return f"{value:.2f} s" if value >= 1.0 else f"{1000.0 * value:.1f} ms"
    suffix = "/s" if unit == "per_second" else ""
    return f"{_scaled(value, 1000.0, _DECIMAL)}{suffix}"


def show_share(share: float) -> str:
    """A share in per cent, exact near the ends where it matters.

    >>> show_share(0.0004), show_share(0.071), show_share(0.42), show_share(0.9996), show_share(1.0)
    ('<0.1 %', '7.1 %', '42 %', '>99.9 %', '100 %')
    """
    if 0.0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1.0:
        return ">99.9 %"
    digits = 1 if 0.0 < share < 0.0995 or 0.985 <= share < 1.0 else 0
    return f"{100.0 * share:.{digits}f} %"


def count_of(number: int, thing: str) -> str:
    """So many things, in the right number.

    >>> count_of(0, "alert"), count_of(1, "alert"), count_of(1234, "row")
    ('no alerts', '1 alert', '1,234 rows')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else f"no {thing}s"


def listed(names: Sequence[str]) -> str:
    """Names after each other, no more than a person reads.

    >>> listed(["cpu", "memory"])
    'cpu, memory'
    """
    more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
    return f"{', '.join(names[:SHOWN_NAMES])}{more}"


def show_age(seconds: float) -> str:
    """A length of time in its one or two largest units.

    >>> show_age(0.4), show_age(75), show_age(5400), show_age(200_000)
    ('0 s', '75 s', '90 min', '2 d 7 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def show_horizon(seconds: float) -> str:
    """How far ahead a forecast looks.

    >>> show_horizon(0), show_horizon(60), show_horizon(5400)
    ('now', 'within 1 min', 'within 90 min')
    """
    if seconds == 0:
        return "now"
    return (
        f"within {seconds / 60:.0f} min"
        if seconds % 60 == 0 and seconds < 6000
        else f"within {show_age(seconds)}"
    )


def _scaled(value: float, step: float, units: Sequence[str]) -> str:
    power = 0
    if abs(value) >= step:
        power = min(int(math.log(abs(value), step)), len(units) - 1)
    scaled = value / step**power
    digits = 0 if power == 0 and (value == int(value) or abs(value) >= 100) else 1
    space = " " if units[power] else ""
    return f"{scaled:.{digits}f}{space}{units[power]}".rstrip()


def highest_of(values: Values, width: int) -> list[float | None]:
    """The highest known value in each of ``width`` shares of equal time, as the characters of a line show it.

    >>> highest_of([0.0, 0.5, None, 1.0], 2)
    [0.5, 1.0]
    """
    return [
        max((value for value in part if value is not None), default=None) for part in _shares(values, width)
    ]


def _shares(values: Values, width: int) -> list[Values]:
    """The values in ``width`` shares of equal time, the newest last; fewer values than that stand right."""
    if len(values) < width:
        return [[]] * (width - len(values)) + [[value] for value in values]
    edges = [round(place * len(values) / width) for place in range(width + 1)]
    return [values[edges[place] : edges[place + 1]] for place in range(width)]
