"""What a rude client gets: little, briefly, and never at the cost of others."""

import logging
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web.certificates import make_authority
from web.clients import Answers, Starter, eventually, everything, get, raw
from web.hostile import besiege

from loadwatch.web import Limits, WebServer
from loadwatch.web.connections import Connections, Lingering

NOBODY_LINGERS = Lingering(lambda _seconds, act: act())
IMPATIENT = Limits(connections=32, first_request=0.4, idle=0.8, answer=0.4)


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"G" * 20_000,
        os.urandom(2_000) + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    ],
    ids=range(14),
)
def test_malformed_requests_get_4xx_or_nothing(
    start: Starter, request_text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Never a traceback, on the wire or in the log, and the next client is served."""
    server = start(limits=IMPATIENT)
    with caplog.at_level(logging.INFO), raw(server) as rude:
        rude.sendall(request_text)
        answer = everything(rude)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in answer
    assert get(server).status == 200
    assert caplog.records == []


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [9_000, 100_000])
def test_a_head_that_is_too_large_is_told_so(start: Starter, tmp_path: Path, size: int, tls: bool) -> None:
    """Over 8 KiB, such as by a heap of cookies, the answer is 431 with a line, and the connection ends."""
    options: dict[str, Any] = {}
    if tls:
        certificate, key = make_authority(tmp_path / "authority").issue("server")
        options["config_file"] = tmp_path / "web.yml"
        options["config_file"].write_text(
            f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n"
        )
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * size + b"\r\n\r\n"
    with (
        raw(start(**options)) as rude,
        ssl._create_unverified_context().wrap_socket(rude) if tls else rude as client,
    ):
        client.sendall(head)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b"\r\n\r\nThe head of a request has at most 8 KiB here.\n")


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static//app.js",
        "//metrics",
        "/%6detrics",
        "/metrics%00",
        "/static/__init__.py",
        "http://elsewhere/metrics",
        "*",
        "/" + "a" * 7_000,
    ],
)
def test_path_tricks_are_not_found(server: WebServer, target: str) -> None:
    """Paths are compared as they are written; nothing of the file system can be reached or guessed."""
    with raw(server) as rude:
        rude.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = everything(rude)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.split(b"\r\n\r\n", 1)[1] == b"Not Found\n"


@given(garbage=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_random_bytes_never_break_the_server(server: WebServer, garbage: bytes) -> None:
    """Whatever arrives, the answer is an HTTP error or silence."""
    with raw(server) as rude:
        rude.sendall(garbage + b"\r\n\r\n")
        rude.shutdown(socket.SHUT_WR)
        answer = everything(rude)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert server.alive


def test_a_body_is_refused(server: WebServer) -> None:
    """A GET that brings a body is told so, a small body is dropped, a large one not even read."""
    with raw(server) as rude:
        rude.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
        )
        assert everything(rude).startswith(b"HTTP/1.1 413 ")
    with raw(server) as rude:
        rude.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        answer = everything(rude)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_a_connection_that_says_nothing_is_dropped(start: Starter) -> None:
    """And so is one that sends its headers a byte at a time: the deadline is for the whole request."""
    server = start(limits=IMPATIENT)
    with raw(server) as silent, raw(server) as slow:
        begin = time.monotonic()
        slow.settimeout(0.05)
        for byte in b"GET /metrics HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
            try:
                slow.sendall(bytes([byte]))
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - begin < 3.0
        assert everything(silent) == b""
    assert server.faults()["connection_expired"] == 2


def test_a_client_that_never_reads_is_dropped(start: Starter, answers: Answers) -> None:
    """It asks and asks and takes in nothing: one answer waits for it, for a while, then it is cut off."""
    answers.page = b"x" * 500_000
    server = start(limits=IMPATIENT)
    with raw(server) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
        assert eventually(lambda: len(server._connections) == 1)
        assert eventually(lambda: len(server._connections) == 0, seconds=3.0)
    assert server.faults()["connection_expired"] == 1


@pytest.mark.slow
def test_a_scraper_may_keep_its_connection(start: Starter) -> None:
    """Who got a good answer is given the longer patience; letting it go after that is no fault."""
    server = start(limits=Limits(first_request=0.3, idle=3.0))
    with raw(server) as scraper:
        for _ in range(2):
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while b"loadwatch_ready" not in received:
                received += scraper.recv(65536)
            pause = time.monotonic() + 1.0
            assert eventually(lambda until=pause: time.monotonic() > until)
        assert everything(scraper) == b""
    assert not any(server.faults().values())


def test_deadlines_are_kept_without_waking_a_server_at_rest() -> None:
    """A sweep is planned only while somebody is there, seldom, and soon after a deadline."""

    class Stream:
        def close(self) -> None:
            closed.append(now)

    now, planned, closed = 0.0, [], []  # type: ignore[var-annotated]
    connections = Connections(
        Limits(),
        plan=lambda seconds: planned.append(now + seconds),
        lingering=NOBODY_LINGERS,
        now=lambda: now,
    )
    connections.sweep()
    assert planned == []
    scraper = connections.admit(Stream(), "scraper")  # type: ignore[arg-type]
    scraper.proven = True
    for second in range(60):
        now = float(second)
        if planned and now >= planned[-1]:
            connections.sweep()
        connections.answer(scraper)
        connections.wait_for_request(scraper)
    assert len(planned) < 16
    connections.admit(Stream(), "silent")  # type: ignore[arg-type]
    while not closed:
        now = planned[-1]
        connections.sweep()
    assert 69.0 < closed[0] < 71.0
    while len(connections):
        now = planned[-1]
        connections.sweep()
    assert 179.0 < closed[1] < 181.0
    assert max(planned) == now


def test_who_is_missed_least_is_evicted_first() -> None:
    """Answering before waiting, proven before unproven, few before many of one host, young before old."""

    class Stream:
        def __init__(self) -> None:
            self.closed = False

        def close(self) -> None:
            self.closed = True

    times = iter(range(100))
    connections = Connections(
        Limits(connections=5), plan=lambda _: None, lingering=NOBODY_LINGERS, now=lambda: float(next(times))
    )
    streams = [Stream() for _ in range(9)]
    hosts = ["scraper", "busy", "attacker", "attacker", "other"]
    opened = [connections.admit(stream, host) for stream, host in zip(streams[:5], hosts, strict=True)]
    opened[0].proven = True
    connections.answer(opened[1])
    for newcomer in streams[5:]:
        connections.admit(newcomer, "late")
    assert [stream.closed for stream in streams[:5]] == [False, False, True, True, False]
    assert [stream.closed for stream in streams[5:]] == [True, True, False, False]
    assert len(connections) == 5


def test_running_out_of_descriptors_is_survived(
    start: Starter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel refuses another connection for a while: no busy loop, no traceback, then all is well."""
    server = start()
    listener = server._sockets[0]
    refusals = []

    class Poor:
        """The listening socket on a host out of descriptors."""

        def fileno(self) -> int:
            return listener.fileno()

        def close(self) -> None:
            listener.close()

        def accept(self) -> tuple[socket.socket, object]:
            if len(refusals) < 3:
                refusals.append(time.monotonic())
                raise OSError(24, "Too many open files")
            return listener.accept()

    acceptor = server._acceptor
    assert acceptor is not None
    assert server._loop is not None
    poor = Poor()

    def swap() -> None:
        acceptor._loop.remove_handler(listener)
        acceptor._sockets = [poor]  # type: ignore[list-item]
        acceptor._listen(poor)  # type: ignore[arg-type]

    server._loop.call_soon_threadsafe(swap)
    assert get(server).status == 200
    assert server.faults()["descriptors_exhausted"] == 3
    assert refusals[-1] - refusals[0] >= 0.15
    assert caplog.records == []


@pytest.mark.slow
def test_a_siege_does_not_delay_a_scrape(start: Starter) -> None:
    """A short one for every run; ``benchmarks/bench_http.py`` holds it for a minute at full strength."""
    server = start(limits=Limits(connections=64, first_request=1.0, idle=2.0, answer=1.0))
    siege = besiege(server, slow=100, deaf=40, seconds=4.0)
    assert siege.percentile(0.9) < 0.1
    assert siege.growth_bytes < 20 * 2**20
    assert len(server._connections) <= 64
    assert siege.lifetimes
    assert max(siege.lifetimes) < 3.5
