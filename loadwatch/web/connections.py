"""Accepting connections and getting rid of them: nobody holds one for ever, nobody holds them all.

Tornado reads and writes the connections, but leaves four things to its users that a host under attack, or
merely out of file descriptors, needs: a limit of connections, deadlines on each phase of one, eviction when
the limit is reached, and an accept loop that rests when the kernel refuses another descriptor.
"""

import contextlib
import errno
import math
import os
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream, UnsatisfiableReadError
from tornado.netutil import ssl_wrap_socket

_ACCEPTED_AT_ONCE: Final = 16
_REST_SECONDS: Final = 0.1
_LINGER_SECONDS: Final = 1.0
_LINGERING_AT_MOST: Final = 256
_READ_CHUNK: Final = 4096
_SWEEP_SECONDS: Final = 0.5
_TOO_LARGE: Final = b"The head of a request has at most 8 KiB here.\n"
_HEAD_REFUSED: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_TOO_LARGE), _TOO_LARGE)
)
_OUT_OF_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much patience one client gets.

    ``first_request`` bounds the TLS handshake and the headers of a new connection; ``idle`` the time from an
    answer to the next complete request; ``answer`` the time to take in an answer; all in seconds.
    """

    connections: int = 256
    first_request: float = 10.0
    idle: float = 120.0
    answer: float = 10.0
    # One less than a number of whole chunks: at a full buffer Tornado waits for the socket, although the rest
    # of the head may lie there decrypted already.
    header_bytes: int = 2 * _READ_CHUNK - 1
    body_bytes: int = 64 * 1024


@dataclass(slots=True, eq=False)
class Connection:
    """One client: ``proven`` once it got a good answer, ``refused`` once it turned out to be no good.

    waiting: we wait for its request.
    """

    stream: IOStream
    host: str
    since: float
    deadline: float
    proven: bool = False
    refused: bool = False
    waiting: bool = True

    def __str__(self) -> str:
        return self.host


class Lingering:
    """Clients that we are done with, let go a while later: who is sent off at once is back at once.

    later: calls a function after so many seconds.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._later = later
        self._held: deque[int] = deque()

    def hold(self, descriptor: int) -> None:
        """Take over a descriptor; where too many are held, close the one that was held longest."""
        self._held.append(descriptor)
        if len(self._held) > _LINGERING_AT_MOST:
            os.close(self._held.popleft())
        else:
            self._later(_LINGER_SECONDS, self._let_go)

    def close(self) -> None:
        """Close them all."""
        while self._held:
            os.close(self._held.popleft())

    def _let_go(self) -> None:
        if self._held:
            os.close(self._held.popleft())


class _Explaining:
    """A stream that says why before it ends at a head that is too large; Tornado's end without a word."""

    lingering: Lingering

    def close(self: Any, exc_info: Any = False) -> None:
        """Answer 431 where that is why; the answer must be read before the connection is reset."""
        # The pattern is what a head is read by; what follows it is read in other ways.
        if isinstance(exc_info, UnsatisfiableReadError) and self._read_regex and not self.closed():
            with contextlib.suppress(OSError):  # the client is gone
                self.write_to_fd(memoryview(_HEAD_REFUSED))
                descriptor = os.dup(self.socket.fileno())
                self.socket.shutdown(socket.SHUT_WR)
                self.lingering.hold(descriptor)
        super().close(exc_info)  # type: ignore[misc]


class _PlainStream(_Explaining, IOStream):
    pass


class _TlsStream(_Explaining, SSLIOStream):
    pass


class Connections:
    """The open connections.

    plan: called with the seconds after which ``sweep`` is to be called, and once more whenever that must be
    sooner. So a server at rest sleeps, where a sweep every so often would wake it for nothing.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        plan: Callable[[float], None],
        lingering: Lingering,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._plan = plan
        self._lingering = lingering
        self._planned = math.inf
        self.evicted = 0
        self.expired = 0
        self._now = now
        self._open: set[Connection] = set()
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether the next one takes the place of another."""
        return len(self._open) >= self.limits.connections

    def admit(self, stream: IOStream, host: str) -> Connection:
        """Register a new connection, if need be in the place of another."""
        if self.full:
            self.evict(linger=True)
        now = self._now()
        connection = Connection(stream, host, now, now + self.limits.first_request)
        self._open.add(connection)
        self._held[host] += 1
        self._watch(connection.deadline, now)
        return connection

    def wait_for_request(self, connection: Connection) -> None:
        """The last answer is out; who got a good one may take some time for the next request."""
        patience = self.limits.idle if connection.proven else self.limits.first_request
        self._enter(connection, waiting=True, patience=patience)

    def answer(self, connection: Connection) -> None:
        """A complete request is here; from now on the client must take in the answer."""
        self._enter(connection, waiting=False, patience=self.limits.answer)

    def discard(self, connection: Connection) -> None:
        """Forget a connection that has been closed."""
        if connection in self._open:
            self._open.remove(connection)
            self._held -= Counter({connection.host: 1})

    def evict(self, *, linger: bool) -> None:
        """Close the connection that will be missed least, to make room.

        linger: let a client that was refused wait, where there are descriptors to do so.

        One that was refused or never got an answer rather than one that got a good one; one of the client
        with the most; one that waits for its client rather than one that answers; of these the longest there.
        """
        if not self._open:
            return
        held = self._held
        victim = min(
            self._open, key=lambda c: (c.proven, not c.refused, -held[c.host], not c.waiting, c.since)
        )
        self.evicted += 1
        if linger and victim.refused:
            self._lingering.hold(os.dup(victim.stream.socket.fileno()))
        self._close(victim)

    def sweep(self) -> None:
        """Close every connection that is past its deadline."""
        now = self._now()
        for connection in [each for each in self._open if each.deadline < now]:
            # A scraper that stays away is no fault, and must not look like one in the metrics.
            self.expired += not (connection.proven and connection.waiting)
            self._close(connection)
        self._planned = math.inf
        if self._open:
            self._watch(min(connection.deadline for connection in self._open), now)

    def close(self) -> None:
        """Close them all."""
        for connection in list(self._open):
            self._close(connection)

    def _enter(self, connection: Connection, *, waiting: bool, patience: float) -> None:
        connection.waiting = waiting
        connection.since = self._now()
        connection.deadline = connection.since + patience
        self._watch(connection.deadline, connection.since)

    def _watch(self, deadline: float, now: float) -> None:
        """See to it that a sweep follows soon after this deadline; several deadlines share one."""
        if deadline < self._planned:
            self._planned = max(deadline, now) + _SWEEP_SECONDS
            self._plan(self._planned - now)

    def _close(self, connection: Connection) -> None:
        self.discard(connection)
        connection.stream.close()


class Acceptor:
    """Accepts on the listening sockets, wraps TLS around where there is some, and hands over the streams.

    Who is not ``welcome`` gets no stream.
    """

    def __init__(
        self,
        sockets: Iterable[socket.socket],
        tls: Callable[[], ssl.SSLContext | None],
        welcome: Callable[[str], bool],
        serve: Callable[[IOStream, str], None],
        exhausted: Callable[[], None],
        lingering: Lingering,
    ) -> None:
        self._sockets = list(sockets)
        self._tls = tls
        self._welcome = welcome
        self._serve = serve
        self._exhausted = exhausted
        self._loop = IOLoop.current()
        self._stopped = False
        self._lingering = lingering
        self.turned_away = 0
        for listener in self._sockets:
            self._listen(listener)

    def stop(self) -> None:
        """Accept no more, and close the listening sockets."""
        self._stopped = True
        for listener in self._sockets:
            self._loop.remove_handler(listener)
            listener.close()

    def _listen(self, listener: socket.socket) -> None:
        if not self._stopped:
            self._loop.add_handler(listener, self._accept, IOLoop.READ)

    def _accept(self, listener: Any, _events: int) -> None:
        # Not until there are no more: those already here get their turn in between.
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    # The listener stays readable: without a rest this would be a busy loop.
                    self._exhausted()
                    self._loop.remove_handler(listener)
                    self._loop.call_later(_REST_SECONDS, self._listen, listener)
                    return
                continue  # the client was gone before we took the connection
            self._start(accepted, address)

    def _start(self, accepted: socket.socket, address: Any) -> None:
        accepted.setblocking(False)
        host = str(address[0]) if address else "local"
        if not self._welcome(host):
            self.turned_away += 1
            self._lingering.hold(accepted.detach())
            return
        context = self._tls()
        try:
            if context is None:
                stream: _PlainStream | _TlsStream = _PlainStream(accepted, read_chunk_size=_READ_CHUNK)
            else:
                wrapped = ssl_wrap_socket(accepted, context, server_side=True, do_handshake_on_connect=False)
                stream = _TlsStream(wrapped, read_chunk_size=_READ_CHUNK)
            stream.lingering = self._lingering
            # Head and body are written one after the other: do not hold the second back for an ACK.
            stream.set_nodelay(True)
        except OSError:
            accepted.close()  # gone before it began; nobody is left to tell
            return
        self._serve(stream, host)
