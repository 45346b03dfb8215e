"""Exporters that answer as they are told, on loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Talk = Callable[[socket.socket], None]


class Exporter:
    """A server that reads a request and then talks as told; ``talk`` may be exchanged."""

    def __init__(self, talk: bytes | Talk, *, listener: socket.socket | None = None) -> None:
        self.talk = talk
        self.requests = 0
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/metrics"

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            try:
                client.recv(65536)
                self.requests += 1
                if callable(self.talk):
                    self.talk(client)
                else:
                    client.sendall(self.talk)
            except OSError:
                pass  # who asked has had enough

    def close(self) -> None:
        self._listener.close()


@contextmanager
def exporting(talk: bytes | Talk) -> Iterator[Exporter]:
    exporter = Exporter(talk)
    try:
        yield exporter
    finally:
        exporter.close()


def page(text: str | bytes, kind: str = "text/plain; version=0.0.4", more: str = "") -> bytes:
    """An answer with this body."""
    body = text.encode() if isinstance(text, str) else text
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def hang(client: socket.socket) -> None:
    """Say nothing for as long as the other side waits."""
    client.recv(1)


def endless(client: socket.socket) -> None:
    """A page that never ends."""
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"requests_total 1\n" * 4096
    while True:
        client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))


def dripping(client: socket.socket) -> None:
    """A byte now and then, so that no single read of it is late."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    gone = threading.Event()
    while not gone.wait(0.01):
        client.sendall(b"#")
