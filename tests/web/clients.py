"""Answers that a test sets, and clients from polite to rude."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from loadwatch.web import Providers, WebServer

Starter = Callable[..., WebServer]


class Answers:
    """Providers whose answers a test sets, and which count how often they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.page = b"loadwatch_ready 1\n"
        self.is_ready = True

    def providers(self) -> Providers:
        return Providers(metrics=self.metrics, status=self.status, series=self.series, ready=self.ready)

    def metrics(self, accept: str) -> tuple[bytes, str]:
        self.asked.append(f"metrics {accept}".strip())
        return self.page, "text/plain; version=0.0.4; charset=utf-8"

    def status(self) -> dict[str, Any]:
        self.asked.append("status")
        return {"state": "fine"}

    def series(self, span: str) -> dict[str, Any]:
        self.asked.append(f"series {span}")
        return {"span": span}

    def ready(self) -> bool:
        return self.is_ready


def get(
    server: WebServer, path: str = "/metrics", method: str = "GET", **headers: str
) -> http.client.HTTPResponse:
    """Ask once; ``response.content`` holds the body."""
    address = urlsplit(server.urls[0])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = connection.getresponse()
    response.content = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


@contextmanager
def raw(server: WebServer) -> Iterator[socket.socket]:
    """A socket to be rude with."""
    address = urlsplit(server.urls[0])
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        yield connection


def everything(connection: socket.socket) -> bytes:
    """All that the server says until it closes."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true before the deadline; looks often, sleeps little."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
