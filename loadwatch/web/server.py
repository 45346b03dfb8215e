"""The HTTP server: Tornado's parser, streams and loop on a thread of their own."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from tornado import httputil
from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.ioloop import PeriodicCallback
from tornado.iostream import IOStream

from loadwatch.errors import ServiceError
from loadwatch.web.connections import Acceptor, Connection, Connections, Limits, Lingering
from loadwatch.web.exchange import Exchange
from loadwatch.web.hosts import AllowedHosts
from loadwatch.web.listen import bind_all, close_all, everybody_reaches, passed_by_systemd, url_of
from loadwatch.web.logs import BOUNDED, route_tornado_logs
from loadwatch.web.policy import PolicyFile
from loadwatch.web.responses import Response
from loadwatch.web.routes import Providers, Routes

_REFRESH_MILLISECONDS: Final = 2_000
_CLOSE_SECONDS: Final = 1.0


class WebServer(httputil.HTTPServerConnectionDelegate):
    """Serves the routes on every address until closed.

    ``addresses`` as ``parse_address`` reads them, or with ``systemd_socket`` the sockets that systemd passed;
    ``route_prefix`` such as ``/loadwatch`` goes before every path; ``config_file`` is the web configuration
    with TLS and authentication, looked at every two seconds; ``allowed_hosts`` are names by which it may
    be asked, beside its own. Port 0 takes a free one, see ``urls``; ``listening`` has them for people, with a
    word on which everybody reaches.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        providers: Providers,
        *,
        config_file: Path | None = None,
        systemd_socket: bool = False,
        route_prefix: str = "/",
        allowed_hosts: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._addresses = addresses
        self._systemd_socket = systemd_socket
        self._config_file = config_file
        self._policy_file: PolicyFile | None = None
        self._prefix = f"/{route_prefix.strip('/')}".rstrip("/")
        self._routes = Routes(providers, prefix=self._prefix)
        self._limits = limits or Limits()
        self._lingering = Lingering(lambda seconds, act: asyncio.get_running_loop().call_later(seconds, act))
        self._connections = Connections(self._limits, plan=self._plan_sweep, lingering=self._lingering)
        self._sweep: asyncio.TimerHandle | None = None
        self._parameters = HTTP1ConnectionParameters(
            max_header_size=self._limits.header_bytes,
            max_body_size=self._limits.body_bytes,
            body_timeout=self._limits.answer,
        )
        self._hosts = AllowedHosts(allowed_hosts, addresses)
        self._foreign_hosts = 0
        self._exhausted = 0
        self._sockets: list[socket.socket] = []
        self._thread: threading.Thread | None = None
        self._acceptor: Acceptor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.urls: list[str] = []
        self.listening = ""

    def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigurationError: the web configuration is wrong; lists every fault.
            ServiceError: an address cannot be bound; says which, why and what to do.

        """
        if self._config_file is not None:
            self._policy_file = PolicyFile(self._config_file)
        self._sockets = passed_by_systemd() if self._systemd_socket else bind_all(self._addresses)
        self.urls = [url_of(each, tls=self._tls() is not None, prefix=self._prefix) for each in self._sockets]
        self.listening = " ".join(
            f"{url}{everybody_reaches(each)}" for url, each in zip(self.urls, self._sockets, strict=True)
        )
        running = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(running,), name="web", daemon=True)
        self._thread.start()
        running.wait()

    @property
    def alive(self) -> bool:
        """Whether the serving thread runs; it ends only by ``close`` or by a bug."""
        return self._thread is not None and self._thread.is_alive()

    def faults(self) -> Mapping[str, int]:
        """How often each kind of trouble came up since the start, for ``loadwatch_web_faults_total``."""
        return {
            "connection_evicted": self._connections.evicted,
            "connection_turned_away": self._acceptor.turned_away if self._acceptor else 0,
            "connection_expired": self._connections.expired,
            "descriptors_exhausted": self._exhausted,
            "host_refused": self._foreign_hosts,
            "config_refused": self._policy_file.failures if self._policy_file else 0,
        }

    def close(self) -> None:
        """Stop serving; open connections are cut. Returns within a second."""
        if self._loop is not None and self._stop is not None and self.alive:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                raise ServiceError("the web server did not stop within a second; its thread is stuck")
        close_all(self._sockets)

    def _run(self, running: threading.Event) -> None:
        try:
            asyncio.run(self._serve(running))
        finally:
            running.set()

    async def _serve(self, running: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._report)
        self._stop = asyncio.Event()
        route_tornado_logs()
        self._hosts.look_up_own_name()
        self._acceptor = Acceptor(
            self._sockets,
            self._tls,
            welcome=self._is_welcome,
            serve=self._serve_connection,
            exhausted=self._make_room,
            lingering=self._lingering,
        )
        refresh = PeriodicCallback(self._refresh, _REFRESH_MILLISECONDS)
        if self._policy_file:  # else there is nothing to read again, and each waking costs
            refresh.start()
        running.set()
        try:
            await self._stop.wait()
        finally:
            refresh.stop()
            self._acceptor.stop()
            self._connections.close()
            self._lingering.close()
            if self._policy_file:
                self._policy_file.close()

    def _plan_sweep(self, seconds: float) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = asyncio.get_running_loop().call_later(seconds, self._connections.sweep)

    def _tls(self) -> ssl.SSLContext | None:
        return self._policy_file.policy.tls if self._policy_file else None

    def _refresh(self) -> None:
        if self._policy_file:
            self._policy_file.refresh()

    def _report(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        BOUNDED.write(logging.ERROR, "web_bug", what=context.get("message"), error=error)

    def _is_welcome(self, host: str) -> bool:
        """Whether a connection from there may, where all are taken, have the place of another."""
        return not (self._policy_file and self._connections.full and self._policy_file.distrusts(host))

    def _serve_connection(self, stream: IOStream, host: str) -> None:
        connection = self._connections.admit(stream, host)
        HTTP1ServerConnection(stream, self._parameters, connection).start_serving(self)

    def _make_room(self) -> None:
        self._exhausted += 1
        self._lingering.close()
        self._connections.evict(linger=False)

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> Exchange:
        """A connection awaits its next request (called by Tornado)."""
        connection = _connection_of(server_conn)
        self._connections.wait_for_request(connection)
        return Exchange(self, connection, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection is gone (called by Tornado)."""
        self._connections.discard(_connection_of(server_conn))

    def began(self, connection: Connection) -> None:
        """A complete request is here."""
        self._connections.answer(connection)

    def admit(
        self, connection: Connection, version: str, headers: httputil.HTTPHeaders
    ) -> Response | Awaitable[Response | None] | None:
        """Whether the client may ask."""
        hosts = headers.get_list("Host")
        if refusal := self._hosts.malformed(version, hosts):
            return refusal
        policy = self._policy_file.policy if self._policy_file else None
        if policy and policy.guarded:
            return policy.admit(connection, headers)
        if refusal := self._hosts.foreign(hosts):
            self._foreign_hosts += 1
            BOUNDED.write(logging.WARNING, "host_refused", host=hosts[0], setting="web.allowed_hosts")
            return refusal
        return policy.admit(connection, headers) if policy else None

    def answer(self, target: str, accept: str) -> Response:
        """The answer to a GET."""
        return self._routes.answer(target, accept)

    def extra_headers(self) -> Mapping[str, str]:
        """Headers for every answer, as configured."""
        return self._policy_file.policy.headers if self._policy_file else {}


def _connection_of(server_conn: object) -> Connection:
    return cast("Connection", cast("HTTP1ServerConnection", server_conn).context)
