"""Where messages go: the URLs of the configuration and of the file that only the service reads."""

import hashlib
import importlib.util
import re
import stat
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadwatch.config.readers import MOST_URLS, SecretUrl, read_secret_url
from loadwatch.errors import ConfigurationError
from loadwatch.escaping import printable
from loadwatch.files import read_bounded

LIBRARY: Final = "apprise"
LARGEST_FILE: Final = 64 * 1024
_KEY_DIGITS: Final = 8
_SHORTEST_SECRET: Final = 3
"""Shorter parts of an URL stand in any sentence, and are no secret."""
_LONGEST_WORDS: Final = 300


@dataclass(frozen=True, slots=True)
class Recipient:
    """One service that takes messages. ``name`` is for people and shows nothing of the URL but its scheme.

    ``key`` tells it from others through restarts; nothing of the URL can be read in it.
    """

    url: str = field(repr=False)
    name: str
    key: str

    def masked(self, words: str) -> str:
        """What somebody said about the delivery, without anything of the URL, in one short line."""
        _, _, secret = self.url.partition("://")
        parts = {secret, *re.split(r"[/:@?&=,+#]", secret)}
        for part in sorted(parts, key=len, reverse=True):
            for shown in (part, urllib.parse.unquote(part)):
                if len(shown) >= _SHORTEST_SECRET:
                    words = re.sub(re.escape(shown), "…", words, flags=re.IGNORECASE)
        return printable(" ".join(words.split()))[:_LONGEST_WORDS]


def recipients_of(urls: Iterable[SecretUrl], file: Path | None) -> tuple[Recipient, ...]:
    """All recipients that are configured, in their order, none twice.

    Raises:
        ConfigurationError: the file cannot be used, or the library that sends is not installed.

    """
    unique = list(dict.fromkeys([*urls, *(read_file(file) if file is not None else ())]))
    if unique:
        _require_library()
    return tuple(
        Recipient(
            each.url,
            f"{number} {each.url.partition('://')[0].lower()}",
            hashlib.sha256(each.url.encode()).hexdigest()[:_KEY_DIGITS],
        )
        for number, each in enumerate(unique, start=1)
    )


def read_file(path: Path) -> list[SecretUrl]:
    """The URLs in a file, one a line; empty lines and those that begin with # are for people.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or a line is no URL; none is quoted.

    """
    shown = printable(str(path))
    try:
        mode = path.stat().st_mode
        if mode & stat.S_IRWXO:
            raise ConfigurationError(
                f"everybody on this host may use {shown}, which holds passwords: chmod o-rwx {shown}"
            )
        lines = read_bounded(path, LARGEST_FILE).decode().splitlines()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {shown}: {error.strerror}; it has to be there and readable for the service, by its "
            "owner or as a credential of systemd"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"cannot read {shown}: it is no text in UTF-8") from error
    urls = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                urls.append(read_secret_url(text))
            except ValueError as error:
                raise ConfigurationError(f"line {number} of {shown}: {error}") from None
    if not 1 <= len(urls) <= MOST_URLS:
        raise ConfigurationError(f"{shown} has {len(urls)} URLs, expected 1 to {MOST_URLS}, one a line")
    return urls


def _require_library() -> None:
    # Found and not imported: it would stay in the memory of the daemon, and only a child ever sends.
    if importlib.util.find_spec(LIBRARY) is None:
        raise ConfigurationError(
            f"to send messages takes the library {LIBRARY}, which is not installed: "
            "pip install 'loadwatch[notify]' into the environment of loadwatch, or take the setting out"
        )
