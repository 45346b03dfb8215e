"""HTTP for all who ask a server: commands a daemon, the import a Prometheus, the sampler exporters.

The server may be broken or hostile, so a request is bounded in every way. It ends within a deadline, name
resolution included; it brings at most so many bytes; it follows no redirect, because a password would go
along to wherever that leads; it goes through no proxy; and whatever goes wrong is one ``HttpError`` in one
line, without a control character of the server's.
"""

import base64
import contextlib
import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

from loadwatch.errors import LoadwatchError, UsageError

Kind = Literal["unreachable", "certificate", "tls", "late", "malformed", "too_large", "redirect", "refused"]

_REFUSAL_BYTES: Final = 10_000
_LONGEST_QUOTE: Final = 300
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_UNIX: Final = "unix"
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110


class HttpError(LoadwatchError):
    """A request that brought nothing to use.

    kind: ``refused`` where the server answered with the error ``status`` and its ``body``, ``redirect`` where
    it sent us elsewhere, else what kept the answer from being one.
    """

    def __init__(self, message: str, kind: Kind, status: int = 0, body: bytes = b"") -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.body = body

    @property
    def said(self) -> str:
        """The first line of the server's own words, short and fit for a terminal."""
        return quoted(self.body.decode("utf-8", "replace").strip().partition("\n")[0])


@dataclass(frozen=True, slots=True)
class Access:
    """How a server lets us in; what is empty is not used. ``bearer_token`` takes the place of a password.

    insecure: accept any certificate of the server; others: further headers as ``NAME: VALUE``, such as the
    tenant that Mimir and Cortex ask for.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False
    others: tuple[str, ...] = field(default=(), repr=False)

    def headers(self) -> dict[str, str]:
        """What each request must carry.

        Raises:
            UsageError: a bearer token that no header can hold, or a further header that is none.

        """
        found = dict(map(_header, self.others))
        if self.bearer_token:
            if not (self.bearer_token.isascii() and self.bearer_token.isprintable()):
                raise UsageError("the bearer token must be one line of ASCII; is its file the right one?")
            found["Authorization"] = f"Bearer {self.bearer_token}"
        elif self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            found["Authorization"] = f"Basic {pair}"
        return found

    def context(self) -> ssl.SSLContext:
        """TLS that verifies the server unless told otherwise.

        Raises:
            UsageError: a file that cannot be read or holds no certificate.

        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            files = [str(file) for file in (self.ca_file, self.certificate_file, self.key_file) if file]
            raise UsageError(f"cannot use the certificates in {', '.join(files)}: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _header(text: str) -> tuple[str, str]:
    name, separator, value = (part.strip() for part in text.partition(":"))
    if not (separator and value and _HEADER_NAME.fullmatch(name) and value.isascii() and value.isprintable()):
        # Without the value, which may be a password.
        found = f"the name {quoted(name)!r} and a value of {len(value)} characters"
        raise UsageError(f"expected a header such as 'X-Scope-OrgID: team-a', in ASCII; found {found}")
    return name, value


ANONYMOUS: Final = Access()


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: ``path`` is what goes before every path asked for, empty or ``/like/this``.

    scheme: ``http``, ``https``, or ``unix`` where ``host`` is the path of a socket.
    """

    scheme: str
    host: str
    port: int
    path: str
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``http[s]://[user:password@]host[:port][/path]``.

        Raises:
            UsageError: it is something else; the message quotes no password.

        """
        try:
            if not text.isprintable() or " " in text:
                raise ValueError("a space or control character")
            parts = urllib.parse.urlsplit(text)
            if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
                raise ValueError("not of this form")
            host = parts.hostname.encode("idna").decode()
            port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
            user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
            path = urllib.parse.quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        except ValueError as error:
            raise UsageError(
                f"{quoted(_without_password(text))} is no address of a server: expected "
                "http://host:port or https://host:port, with a path behind it if need be"
            ) from error
        return cls(parts.scheme, host, port, path, user, password)

    @classmethod
    def unix(cls, socket_path: str, path: str) -> "Address":
        """HTTP over the socket at ``socket_path``."""
        return cls(_UNIX, socket_path, 0, urllib.parse.quote(path, safe="/%:@!$&'()*+,;=~"))

    def __str__(self) -> str:
        """The address without user and password."""
        if self.scheme == _UNIX:
            return f"unix://{self.host}:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def page_location(text: str) -> Address | Path:
    """Where a page is: on a server, on one behind a Unix socket, or in a file.

    >>> str(page_location("http://127.0.0.1:9113/metrics")), str(page_location("unix:///run/app.sock"))
    ('http://127.0.0.1:9113/metrics', 'unix:///run/app.sock:/metrics')
    >>> str(page_location("file:///run/metrics/app.prom"))
    '/run/metrics/app.prom'

    Raises:
        UsageError: it is none of these, or holds a password.

    """
    scheme, _, rest = text.partition("://")
    if text.isprintable() and scheme in {_UNIX, "file"} and rest.startswith("/"):
        if scheme == "file":
            return Path(rest)
        socket_path, colon, path = rest.partition(":")
        if not colon or path.startswith("/"):
            return Address.unix(socket_path, path or "/metrics")
    if scheme in _DEFAULT_PORTS:
        address = Address.parse(text)
        if address.username or address.password:
            raise UsageError(f"{address} is given with a password, which a page of metrics should not need")
        return address
    raise UsageError(
        f"{quoted(text)} is no place of a page: expected http://127.0.0.1:PORT/metrics, "
        "unix:///path/of.socket:/metrics or file:///path/of/file.prom"
    )


def is_local(address: Address) -> bool:
    """Whether only this host can answer there."""
    if address.scheme == _UNIX or address.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return False


class HttpClient:
    """Asks the server at ``address``, for at most ``deadline`` seconds and ``limit`` bytes a request."""

    def __init__(self, address: Address, access: Access = ANONYMOUS, *, deadline: float, limit: int) -> None:
        self.address = address
        self._headers = {"Accept": "application/json", "Connection": "close", **access.headers()}
        self._tls = access.context() if address.scheme == "https" else None
        self._deadline = deadline
        self._limit = limit

    def get_json(self, path: str) -> Any:
        """The document at ``path``, which begins with a slash.

        Raises:
            HttpError: there is none, or none came in time.

        """
        return self._document("GET", path, None, {})

    def post_json(self, path: str, fields: Mapping[str, str]) -> Any:
        """The answer to a form with these fields; errors as of ``get_json``."""
        form = urllib.parse.urlencode(fields).encode()
        return self._document("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})

    def get_text(self, accept: str) -> tuple[bytes, str]:
        """What is at the address itself, and the content type it comes with; ``accept`` says which we read.

        Raises:
            HttpError: there is none, none came in time, or it is compressed, which nobody asked for.

        """
        # Identity: a few kilobytes of an answer must not unfold to gigabytes.
        headers = {**self._headers, "Accept": accept, "Accept-Encoding": "identity"}
        return self._ask("GET", self.address.path or "/", None, headers)

    def _document(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        answer, _ = self._ask(method, self.address.path + path, body, {**self._headers, **headers})
        try:
            return json.loads(answer.decode())
        except (ValueError, RecursionError) as error:
            raise self._error("malformed", f"its answer is no JSON ({error})") from error

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[bytes, str]:
        connection = self._connection()
        opened: list[socket.socket] = []
        answer: Future[tuple[bytes, str]] = Future()
        end = time.monotonic() + self._deadline

        def work() -> None:
            try:
                connection.connect()
                opened.append(connection.sock)
                if time.monotonic() < end:  # else nobody waits, and nobody will wake this thread again
                    connection.request(method, path, body, headers)
                    answer.set_result(self._body_of(connection))
            except Exception as error:  # noqa: BLE001 - told by the thread that waits
                answer.set_exception(error)
            finally:
                connection.close()

        # A timeout of the socket bounds one read; a server that sends a byte a second would never reach it.
        threading.Thread(target=work, name="http-request", daemon=True).start()
        try:
            return answer.result(self._deadline)
        except HttpError:
            raise
        except Exception as error:
            for each in opened:
                with contextlib.suppress(OSError):  # closed meanwhile
                    each.shutdown(socket.SHUT_RDWR)
            raise self._in_words(error) from error

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.address.host, self.address.port
        if self.address.scheme == _UNIX:
            return _UnixConnection(host, self._deadline)
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=self._deadline)
        return http.client.HTTPSConnection(host, port, timeout=self._deadline, context=self._tls)

    def _body_of(self, connection: http.client.HTTPConnection) -> tuple[bytes, str]:
        response = connection.getresponse()
        good = response.status == HTTPStatus.OK
        limit = self._limit if good else _REFUSAL_BYTES
        body = response.read(limit + 1)
        if good and len(body) > limit:
            raise self._error("too_large", f"its answer is larger than {limit / 2**20:g} MiB")
        if good and response.length:
            raise http.client.IncompleteRead(body, response.length)
        encoding = response.getheader("Content-Encoding", "identity")
        if good and encoding.strip().lower() != "identity":
            raise self._error("malformed", f"its answer is compressed ({quoted(encoding)}), unasked")
        if good:
            return body, response.getheader("Content-Type", "")
        what = f"HTTP {response.status} {quoted(response.reason)}".rstrip()
        if 300 <= response.status < 400:
            where = quoted(response.getheader("Location", "another address"))
            raise self._error("redirect", f"{what}: it sends us to {where}, which is not followed")
        raise self._error("refused", what, response.status, body[:_REFUSAL_BYTES])

    def _in_words(self, error: Exception) -> HttpError:
        """The error that every other one becomes; what is none of the request's goes on as it is."""
        match error:
            case ssl.SSLCertVerificationError():
                return self._error("certificate", f"its certificate is not trusted: {error.verify_message}")
            case ssl.SSLError():
                return self._error("tls", f"it does not speak TLS: {error.reason or error}")
            case TimeoutError():
                return self._error("late", f"no whole answer within {self._deadline:g} s")
            case http.client.RemoteDisconnected() | http.client.IncompleteRead():
                return self._error("unreachable", "it hung up before its answer was whole")
            case OSError():
                return self._error("unreachable", error.strerror or str(error))
            case http.client.HTTPException() | ValueError():
                said = f"{type(error).__name__}: {error}"
                return self._error("malformed", f"its answer breaks the rules of HTTP ({said})")
        raise error

    def _error(self, kind: Kind, what: str, status: int = 0, body: bytes = b"") -> HttpError:
        return HttpError(f"{self.address}: {quoted(what)}", kind, status, body)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket at a path."""

    def __init__(self, socket_path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._socket_path = socket_path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)


def quoted(text: str) -> str:
    """Foreign words as they may stand in a message: one short line, control characters escaped."""
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[:_LONGEST_QUOTE]
    )
    return f"{shown}…" if len(text) > _LONGEST_QUOTE else shown


def _without_password(text: str) -> str:
    before, at, after = text.rpartition("@")
    return f"{before.partition('://')[0]}://…@{after}" if at else text
