"""How settings are read: any value in; a checked one out, or a ValueError that says what was expected."""

import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadwatch.config.addresses import parse_address
from loadwatch.escaping import quoted
from loadwatch.times import parse_duration

Reader = Callable[[object], Any]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A maintenance window that comes back: ``cron`` says when it starts, ``seconds`` how long it lasts."""

    cron: str
    seconds: float
    timezone: str = "UTC"
    why: str = ""


@dataclass(frozen=True, slots=True)
class SecretUrl:
    """An URL with tokens or passwords anywhere in it: shown is its scheme alone."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        """The scheme, and that there is more."""
        return f"{self.url.partition('://')[0].lower()}://…"


MOST_URLS: Final = 20
LONGEST_URL: Final = 2000


def duration(minimum: str, maximum: str) -> Reader:
    """The reader of a duration within these bounds, in seconds."""
    low, high = parse_duration(minimum), parse_duration(maximum)

    def read(value: object) -> float:
        if not isinstance(value, str):
            raise ValueError(f'expected a duration such as "{minimum}" (in quotes, with a unit)')
        seconds = parse_duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"expected {minimum} to {maximum}")
        return seconds

    return read


def number(minimum: float, maximum: float) -> Reader:
    """The reader of a finite number within these bounds."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise ValueError(f"expected a number from {minimum:g} to {maximum:g}")
        return float(value)

    return read


def read_text(value: object) -> str:
    """Text that is not blank; it may have several lines."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected some text in quotes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("expected text in UTF-8") from None
    return value


def read_name(value: object) -> str:
    """Text of printable characters."""
    text = read_text(value)
    if not text.isprintable():
        raise ValueError("expected text of printable characters")
    return text


def choice(*choices: str) -> Reader:
    """The reader of one of these words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return value

    return read


def read_flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def read_path(value: object) -> Path:
    """A path."""
    return Path(read_name(value))


def read_route(value: object) -> str:
    """A path of an URL, with or without its outer slashes."""
    text = read_name(value)
    parts = text.strip("/").split("/")
    if not _ROUTE.fullmatch(text) or (text.strip("/") and not {"", ".", ".."}.isdisjoint(parts)):
        raise ValueError('expected a path of letters, digits and . _ ~ - such as "/loadwatch"')
    return text


_ROUTE: Final = re.compile(r"[A-Za-z0-9._~/-]+")


def read_optional_path(value: object) -> Path | None:
    """A path, or None for an empty text."""
    return None if value == "" else read_path(value)


def read_texts(value: object) -> tuple[str, ...]:
    """One text or a list of them."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise ValueError('expected text, or a list such as ["a", "b"]')
    return tuple(read_name(item) for item in items)


def read_addresses(value: object) -> tuple[str, ...]:
    """One address to listen on, or a list of them."""
    addresses = read_texts(value)
    for address in addresses:
        parse_address(address)
    return addresses


def read_hosts(value: object) -> tuple[str, ...]:
    """Names of hosts without a port, ``.suffix`` for all below it, ``*`` for any; possibly none."""
    names = () if value == [] else read_texts(value)
    for name in names:
        if not _HOST.fullmatch(name):
            raise ValueError(
                'expected names such as "web-3.example.com", ".example.com" or "*", without a port'
            )
    return names


_HOST: Final = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def read_secret_url(value: object) -> SecretUrl:
    """One URL of a service that takes messages; what is wrong with it is said without quoting it."""
    if not isinstance(value, str) or not _SERVICE.fullmatch(value) or not value.isprintable():
        raise ValueError("expected an URL such as mailto://... or json://..., in printable characters")
    if len(value) > LONGEST_URL:
        raise ValueError(f"expected at most {LONGEST_URL} characters in an URL")
    return SecretUrl(value)


_SERVICE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,30}://\S.*")


def read_secret_urls(value: object) -> tuple[SecretUrl, ...]:
    """One URL of a service that takes messages, or a list of them; possibly none, none twice."""
    items = [value] if isinstance(value, str) and value else value or []
    if not isinstance(items, list) or len(items) > MOST_URLS:
        raise ValueError(f"expected an URL, or a list of at most {MOST_URLS} of them")
    urls = []
    for number, item in enumerate(items, start=1):
        try:
            urls.append(read_secret_url(item))
        except ValueError as error:
            raise ValueError(f"number {number}: {error}") from None
    return tuple(dict.fromkeys(urls))


def read_optional_page(value: object) -> str:
    """The URL of a page without its last slash, or an empty text."""
    if value == "":
        return ""
    parts = urllib.parse.urlsplit(read_name(value))
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError('expected an URL such as "https://web-3.example.com/loadwatch"')
    if parts.username or parts.password:
        raise ValueError("expected an URL without user and password: it is sent in messages")
    return parts.geturl().rstrip("/")


def read_horizons(value: object) -> tuple[int, ...]:
    """Whole seconds in rising order."""
    read = duration("0s", "1d")
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not 1 <= len(items) <= 6:
        raise ValueError('expected one to six durations such as ["0s", "1m", "15m"]')
    seconds = [read(item.strip() if isinstance(item, str) else item) for item in items]
    if any(number != int(number) for number in seconds) or sorted(set(seconds)) != seconds:
        raise ValueError("expected whole seconds, each once, in rising order")
    return tuple(int(number) for number in seconds)


def read_recurrences(value: object) -> tuple[Recurrence, ...]:
    """Maintenance windows that come back."""
    if not isinstance(value, list):
        raise ValueError('expected a list such as [{ cron = "0 3 * * sun", for = "2h" }]')
    windows = []
    for number, item in enumerate(value, start=1):
        if not isinstance(item, dict) or not {"cron", "for"} <= item.keys() <= _RECURRENCE_READERS.keys():
            raise ValueError(
                f"window {number}: expected a table with cron, for, and perhaps timezone and why, "
                f"not {quoted(item)}"
            )
        parts = {"timezone": "UTC", "why": "", **item}
        try:
            read = {key: reader(parts[key]) for key, reader in _RECURRENCE_READERS.items()}
        except ValueError as error:
            raise ValueError(f"window {number}: {error}") from error
        windows.append(Recurrence(read["cron"], read["for"], read["timezone"], read["why"]))
    return tuple(windows)


def part_reader(name: str, read: Reader) -> Reader:
    """The reader of a value that is part of another, whose errors name it."""

    def read_part(value: object) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{name} = {quoted(value)}: {error}") from error

    return read_part


_RECURRENCE_READERS: Final[Mapping[str, Reader]] = {
    "cron": part_reader("cron", read_name),
    "for": part_reader("for", duration("1m", "7d")),
    "timezone": part_reader("timezone", read_name),
    "why": part_reader("why", lambda value: "" if value == "" else read_name(value)),
}
