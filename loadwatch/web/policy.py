"""Who may ask, and over what: the web configuration file put into force, and again when it changes."""

import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tornado.httputil import HTTPHeaders
from tornado.iostream import SSLIOStream

from loadwatch.errors import ConfigurationError
from loadwatch.web.authentication import Authenticator
from loadwatch.web.config import WebConfig, read_config
from loadwatch.web.connections import Connection
from loadwatch.web.responses import Response, plain
from loadwatch.web.tls import build_context, matches_names

log: Final = logging.getLogger(__name__)
States = tuple[tuple[int, int, int] | None, ...]


class RequestLimit:
    """Lets a request pass each ``interval`` seconds, and ``burst`` of them at once after a pause."""

    def __init__(self, interval: float, burst: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._burst = burst
        self._now = now
        self._tokens = float(burst)
        self._filled_at = now()

    def take(self) -> bool:
        """Whether a request may pass now."""
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) / self._interval)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Policy:
    """One configuration in force; the authenticator and what it knows outlive it."""

    def __init__(self, config: WebConfig, authenticator: Authenticator) -> None:
        self.config = config
        self.tls: ssl.SSLContext | None = build_context(config.tls) if config.tls else None
        self.headers: Mapping[str, str] = config.headers
        self._names = config.tls.client_allowed_sans if config.tls else ()
        self._authenticator = authenticator
        # One for those whose password is known and one for strangers, who could use up a common one.
        self._limits = {
            known: RequestLimit(config.rate_interval, config.rate_burst) for known in (True, False)
        }

    @property
    def guarded(self) -> bool:
        """Whether it takes a password, or a certificate of the name asked for, to read anything."""
        return bool(self.tls or self.config.users)

    def admit(
        self, connection: Connection, headers: HTTPHeaders
    ) -> Response | Awaitable[Response | None] | None:
        """A refusal, at once or later; None lets the request pass."""
        if self._names and not self._is_named(connection):
            return plain(HTTPStatus.FORBIDDEN, "The client certificate bears none of the allowed names.")
        authorization = headers.get("Authorization", "")
        known = not self.config.users or self._authenticator.knows(authorization, connection)
        if self.config.rate_interval and not self._limits[known].take():
            return plain(HTTPStatus.TOO_MANY_REQUESTS, Retry_After="1")
        return None if known else self._authenticator.admit(authorization, connection)

    def _is_named(self, connection: Connection) -> bool:
        stream = connection.stream
        peer = stream.socket.getpeercert() if isinstance(stream, SSLIOStream) else None
        return matches_names(peer, self._names)


class PolicyFile:
    """The policy of a file; a wrong change keeps the last good one and is counted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._complaint = ""
        self.failures = 0
        self._authenticator = Authenticator()
        self.policy, self._seen = self._load()

    def refresh(self) -> None:
        """Look whether the file, or one that it names, has changed, and if so put it into force."""
        if self._seen == self._states(self.policy.config):
            return
        try:
            policy, self._seen = self._load()
        except ConfigurationError as error:
            # Tried again at the next look, as a certificate may come after the file that names it; said once.
            if str(error) != self._complaint:
                self._complaint = str(error)
                self.failures += 1
                log.error("event=web_config_refused action=kept_old error=%r", self._complaint)
            return
        self.policy = policy
        self._complaint = ""
        log.info("event=web_config_reloaded path=%s", self._path)

    def distrusts(self, host: str) -> bool:
        """Whether many passwords were refused there, and never one right."""
        return self._authenticator.distrusts(host)

    def close(self) -> None:
        """Release the thread that checks passwords."""
        self._authenticator.close()

    def _load(self) -> tuple[Policy, States]:
        # The states first: what changes while it is being read is then read again.
        before = _state(self._path)
        config = read_config(self._path)
        states = (before, *self._states(config)[1:])
        policy = Policy(config, self._authenticator)
        self._authenticator.admit_only(config.users)
        return policy, states

    def _states(self, config: WebConfig) -> States:
        tls = config.tls
        named = (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ()
        return tuple(_state(path) for path in (self._path, *named) if path is not None)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None  # reading it will say what is wrong
    return found.st_ino, found.st_mtime_ns, found.st_size
