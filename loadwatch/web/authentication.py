"""Basic authentication whose wrong passwords cost the attacker time, and us next to nothing.

bcrypt is slow on purpose, some 70 ms at its usual cost, so a password is checked once and the result kept.
What is not kept yet waits in a short queue for the one thread that checks, and that thread rests nineteen
times as long as each wrong password took it: guessing can claim a twentieth of one CPU, whatever its rate.
Guessers do not keep others out of the queue either: an address with fewer refusals goes first, and takes
the place of one with more when the queue is full.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import importlib
import ipaddress
import itertools
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Generic, TypeVar

from loadwatch.errors import ConfigurationError
from loadwatch.web.connections import Connection
from loadwatch.web.responses import Response, plain

_WAITING_AT_MOST: Final = 4
_WAITING_PER_SOURCE: Final = 2
_REST_FACTOR: Final = 19.0
_LONGEST_REST_SECONDS: Final = 2.0  # or a costly hash would keep the others out altogether
_REFUSAL_SECONDS: Final = 1.0
_STRIKES: Final = 10
_KEPT: Final = 512
_SOURCES_KEPT: Final = 4096
# bcrypt looks no further, and the library refuses what is longer.
_LONGEST: Final = 72
_NOBODY: Final = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Recent(OrderedDict[Key, Value], Generic[Key, Value]):
    """The ``limit`` entries that were used last."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def note(self, key: Key, value: Value) -> None:
        """Remember ``value``, and forget what was used longest ago if that is one too many."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)


@dataclass(eq=False, slots=True)
class _Check:
    """A password that waits to be checked; ``right`` is None where it lost its place to another.

    hashed: what it must fit, empty for a user that there is not.
    """

    password: str = field(repr=False)
    hashed: str = field(repr=False)
    digest: bytes = field(repr=False)
    source: str
    place: int
    right: "asyncio.Future[bool | None]"


class Authenticator:
    """Lets in who knows a password of the users that ``admit_only`` names; at first that is nobody.

    What was found out about a password holds for as long as its user keeps the same hash.
    """

    def __init__(self) -> None:
        self._users: Mapping[str, str] = {}
        self._check_password: Callable[[bytes, bytes], bool] = lambda _password, _hashed: False
        self._key = secrets.token_bytes(32)
        self._accepted: _Recent[bytes, None] = _Recent(_KEPT)
        self._refused: _Recent[bytes, None] = _Recent(_KEPT)
        self._strikes: _Recent[str, int] = _Recent(_SOURCES_KEPT)
        self._trusted: _Recent[str, None] = _Recent(_SOURCES_KEPT)
        self._queue: list[_Check] = []
        self._places = itertools.count()
        self._checking: asyncio.Task[None] | None = None
        self._rested_at = 0.0
        self._worker = ThreadPoolExecutor(1, "web-password")
        self.checks = 0

    def admit_only(self, users: Mapping[str, str]) -> None:
        """Let these in, and no longer those before; ``users`` maps user to bcrypt hash.

        Raises:
            ConfigurationError: bcrypt is not installed.

        """
        if users:
            try:
                self._check_password = importlib.import_module("bcrypt").checkpw
            except ImportError as error:
                raise ConfigurationError(
                    "basic_auth_users: the package bcrypt is missing; install loadwatch[secure]"
                ) from error
        self._users = users

    def knows(self, authorization: str, client: Connection) -> bool:
        """Whether this password has been found right before."""
        credentials = _credentials(authorization)
        digest = self._digest(*credentials)[0] if credentials else b""
        if digest not in self._accepted:
            return False
        self._accepted.note(digest, None)
        self._trusted.note(_source(client.host), None)
        return True

    def distrusts(self, host: str) -> bool:
        """Whether many passwords were refused there, and never one right."""
        source = _source(host)
        return source not in self._trusted and self._strikes.get(source, 0) >= _STRIKES

    def admit(self, authorization: str, client: Connection) -> Response | Awaitable[Response | None]:
        """None for the right password, else a refusal, at once or when it has been found out."""
        credentials = _credentials(authorization)
        if credentials is None:
            # A browser's first question, before it asks its user: no guess, and answered without delay.
            return _refusal()
        return self._decide(*credentials, client)

    def close(self) -> None:
        """Check no more."""
        if self._checking:
            self._checking.cancel()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _digest(self, user: str, password: str) -> tuple[bytes, str]:
        """What a password is remembered by, and the hash of its user, empty where there is no such user."""
        hashed = self._users.get(user, "")
        # Keyed and hashed: neither the passwords nor anything to try them on stays in memory.
        text = f"{len(user)}:{user}:{hashed}:{password}"
        return hmac.digest(self._key, text.encode(), hashlib.sha256), hashed

    async def _decide(self, user: str, password: str, client: Connection) -> Response | None:
        digest, hashed = self._digest(user, password)
        source = _source(client.host)
        right = False if digest in self._refused else await self._checked(password, hashed, digest, source)
        if right:
            self._trusted.note(source, None)
            return None
        client.refused = True
        self._strikes.note(source, self._strikes.get(source, 0) + 1)
        await asyncio.sleep(_REFUSAL_SECONDS)
        if right is None:
            return plain(HTTPStatus.TOO_MANY_REQUESTS, "Too many unknown passwords.", Retry_After="10")
        return _refusal()

    async def _checked(self, password: str, hashed: str, digest: bytes, source: str) -> bool | None:
        """Whether the password is right; None where others had to be checked first."""
        right: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Check(password, hashed, digest, source, next(self._places), right))
        crowd = [check for check in self._queue if check.source == source]
        if len(crowd) > _WAITING_PER_SOURCE or len(self._queue) > _WAITING_AT_MOST:
            last = max(crowd if len(crowd) > _WAITING_PER_SOURCE else self._queue, key=self._order)
            self._queue.remove(last)
            last.right.set_result(None)
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(self._work())
        return await right

    def _order(self, check: _Check) -> tuple[bool, int, int]:
        return check.source not in self._trusted, self._strikes.get(check.source, 0), check.place

    async def _work(self) -> None:
        """Check what waits, one after the other."""
        while self._queue:
            await asyncio.sleep(max(0.0, self._rested_at - time.monotonic()))
            if not self._queue:
                return
            check = min(self._queue, key=self._order)
            self._queue.remove(check)
            right = check.digest in self._accepted or await self._verify(check.password, check.hashed)
            (self._accepted if right else self._refused).note(check.digest, None)
            check.right.set_result(right)

    async def _verify(self, password: str, hashed: str) -> bool:
        loop = asyncio.get_running_loop()
        start = time.monotonic()
        self.checks += 1
        fits = await loop.run_in_executor(self._worker, self._fits, password, hashed or self._nobody())
        right = fits and bool(hashed)
        if not right:
            end = time.monotonic()
            self._rested_at = end + min(_LONGEST_REST_SECONDS, _REST_FACTOR * (end - start))
        return right

    def _nobody(self) -> str:
        """A hash that takes as long as those of the users, so that names cannot be found out by the clock."""
        highest_cost = max((int(hashed.split("$")[2]) for hashed in self._users.values()), default=10)
        return f"$2b${highest_cost:02}${_NOBODY}"

    def _fits(self, password: str, hashed: str) -> bool:
        secret = password.encode()[:_LONGEST]
        return b"\0" not in secret and self._check_password(secret, hashed.encode())


def _source(host: str) -> str:
    """Where a guess comes from: an address, or of IPv6 the network that one customer is given whole."""
    if ":" not in host:
        return host
    return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))


def _credentials(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (user, password) if colon else None


def _refusal() -> Response:
    return plain(HTTPStatus.UNAUTHORIZED, WWW_Authenticate='Basic realm="loadwatch", charset="UTF-8"')
