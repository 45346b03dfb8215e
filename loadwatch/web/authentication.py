"""Basic authentication whose wrong passwords cost the attacker time, and us next to nothing.

bcrypt is slow on purpose, some 70 ms at its usual cost, so a password is checked once and the result kept.
What is not kept yet waits in a short queue for the one thread that checks, and that thread rests nineteen
times as long as each wrong password took it: guessing can claim a twentieth of one CPU, whatever its rate.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import importlib
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final

from loadwatch.errors import ConfigurationError
from loadwatch.web.responses import Response, plain

_WAITING_AT_MOST: Final = 4
_WAITING_PER_HOST: Final = 2
_REST_FACTOR: Final = 19.0
_LONGEST_REST_SECONDS: Final = 2.0  # or a costly hash would keep the others out altogether
_REFUSAL_SECONDS: Final = 1.0
_KEPT: Final = 512
# bcrypt looks no further, and the library refuses what is longer.
_LONGEST: Final = 72
_NOBODY: Final = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


class Authenticator:
    """Lets in who knows a password of ``users``, which maps user to bcrypt hash."""

    def __init__(self, users: Mapping[str, str]) -> None:
        try:
            self._check_password = importlib.import_module("bcrypt").checkpw
        except ImportError as error:
            raise ConfigurationError(
                "basic_auth_users: the package bcrypt is missing; install loadwatch[secure]"
            ) from error
        self._users = users
        # An unknown user takes as long as a known one, so that names cannot be found out by the clock.
        highest_cost = max((int(hashed.split("$")[2]) for hashed in users.values()), default=10)
        self._nobody = f"$2b${highest_cost:02}${_NOBODY}"
        self._key = secrets.token_bytes(32)
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()
        self._rested_at = 0.0
        self._worker = ThreadPoolExecutor(1, "web-password")
        self.checks = 0
        self.refusals = 0

    def admit(self, authorization: str, host: str) -> Response | Awaitable[Response | None] | None:
        """None for a password known to be right, else a refusal, at once or when it has been found out."""
        credentials = _credentials(authorization)
        if credentials is None:
            return _refusal()
        user, password = credentials
        # Keyed and hashed: neither the passwords nor anything to try them on stays in memory.
        digest = hmac.digest(self._key, f"{len(user)}:{user}:{password}".encode(), hashlib.sha256)
        if digest in self._accepted:
            self._accepted.move_to_end(digest)
            return None
        return self._decide(digest, user, password, host)

    def close(self) -> None:
        """Check no more."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _decide(self, digest: bytes, user: str, password: str, host: str) -> Response | None:
        if digest in self._refused:
            return await self._refuse()
        if self._waiting.total() >= _WAITING_AT_MOST or self._waiting[host] >= _WAITING_PER_HOST:
            await asyncio.sleep(_REFUSAL_SECONDS)
            return plain(HTTPStatus.TOO_MANY_REQUESTS, "Too many unknown passwords.", Retry_After="10")
        self._waiting[host] += 1
        try:
            async with self._turn:
                right = digest in self._accepted or await self._verify(user, password)
        finally:
            self._waiting -= Counter({host: 1})
        _remember(self._accepted if right else self._refused, digest)
        return None if right else await self._refuse()

    async def _verify(self, user: str, password: str) -> bool:
        await asyncio.sleep(max(0.0, self._rested_at - time.monotonic()))
        hashed = self._users.get(user, self._nobody)
        loop = asyncio.get_running_loop()
        start = time.monotonic()
        self.checks += 1
        right = await loop.run_in_executor(self._worker, self._matches, password, hashed)
        right = right and user in self._users
        if not right:
            end = time.monotonic()
            self._rested_at = end + min(_LONGEST_REST_SECONDS, _REST_FACTOR * (end - start))
        return right

    def _matches(self, password: str, hashed: str) -> bool:
        secret = password.encode()[:_LONGEST]
        return b"\0" not in secret and bool(self._check_password(secret, hashed.encode()))

    async def _refuse(self) -> Response:
        self.refusals += 1
        await asyncio.sleep(_REFUSAL_SECONDS)
        return _refusal()


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


def _remember(results: OrderedDict[bytes, None], digest: bytes) -> None:
    results[digest] = None
    if len(results) > _KEPT:
        results.popitem(last=False)
