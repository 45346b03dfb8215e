"""What a well-behaved client gets."""

import json
import os
import socket
import time
import zlib
from http import HTTPStatus

import pytest
from web.clients import Answers, Starter, eventually, get, raw

from loadwatch.config.addresses import parse_address
from loadwatch.errors import ConfigurationError, ServiceError
from loadwatch.web import WebServer
from loadwatch.web.routes import Routes
from loadwatch.web.status import DOCUMENTATION


def test_metrics_are_served_as_the_exporter_made_them(server: WebServer, answers: Answers) -> None:
    """The body and the content type are the exporter's; nobody keeps the page."""
    response = get(server)
    assert response.content == answers.page
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"


def test_the_format_is_asked_for_by_accept(server: WebServer, answers: Answers) -> None:
    """Prometheus' own header leads to OpenMetrics; its details do not multiply what is kept."""
    get(server, Accept="application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.4")
    assert answers.asked == ["metrics application/openmetrics-text"]


def test_a_storm_of_scrapes_costs_few_pages(server: WebServer, answers: Answers) -> None:
    """A page is kept for a quarter of a second."""
    start = time.monotonic()
    for _ in range(50):
        get(server)
    assert len(answers.asked) <= 1 + (time.monotonic() - start) / 0.25


def test_status_is_json_and_carries_series_on_request(server: WebServer) -> None:
    """The small answer is for programs, the one with curves for the page."""
    assert json.loads(get(server, "/api/v1/status").content) == {"state": "fine"}
    assert json.loads(get(server, "/api/v1/status?series=day").content)["series"] == {"span": "day"}
    assert get(server, "/api/v1/status?series=year").status == HTTPStatus.BAD_REQUEST


def test_health_and_readiness_are_told_apart(server: WebServer, answers: Answers) -> None:
    """Alive while the process answers; ready only with a fresh verdict."""
    answers.is_ready = False
    assert get(server, "/-/healthy").status == HTTPStatus.OK
    assert get(server, "/-/ready").status == HTTPStatus.SERVICE_UNAVAILABLE
    answers.is_ready = True
    assert get(server, "/-/ready").status == HTTPStatus.OK


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready"])
def test_head_answers_as_get_without_a_body(server: WebServer, path: str) -> None:
    """Load balancers ask by HEAD."""
    full, head = get(server, path), get(server, path, "HEAD")
    assert (head.status, head.content) == (full.status, b"")
    assert head.headers["Content-Length"] == full.headers["Content-Length"]


@pytest.mark.parametrize(
    "path", ["/metric", "/metrics/", "/static/", "/static/nothing.js", "/api/v1", "/favicon.ico"]
)
def test_other_paths_are_not_found(server: WebServer, path: str) -> None:
    """No path but the documented ones answers, unlike in the library's own server."""
    assert get(server, path).status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(server: WebServer, method: str) -> None:
    """The server only reads; other methods are told so."""
    response = get(server, "/metrics", method)
    assert (response.status, response.headers["Allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD")


def test_every_answer_carries_the_security_headers(server: WebServer) -> None:
    """Also errors: no script from elsewhere, no framing, no guessing of types, no referrer."""
    for path in ("/", "/metrics", "/nowhere"):
        headers = get(server, path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "deny"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers


def test_static_files_are_fetched_once(server: WebServer) -> None:
    """A browser that has the file gets three digits instead."""
    first = get(server, "/")
    assert first.headers["Content-Type"] == "text/html; charset=utf-8"
    again = get(server, "/", If_None_Match=first.headers["ETag"])
    assert (again.status, again.content) == (HTTPStatus.NOT_MODIFIED, b"")


def test_the_manual_is_served_and_the_page_leads_there(server: WebServer) -> None:
    """Documentation needs no way out of the host: what the link on the page names is answered here."""
    manual = get(server, f"/{DOCUMENTATION}")
    assert (manual.status, manual.headers["Content-Type"]) == (HTTPStatus.OK, "text/html; charset=utf-8")
    assert f'href="{DOCUMENTATION}"'.encode() in get(server, "/").content


def test_long_answers_are_compressed_on_request(server: WebServer, answers: Answers) -> None:
    """Prometheus asks for gzip; a short page is not worth it."""
    answers.page = b"loadwatch_signal 1\n" * 1000
    response = get(server, Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert zlib.decompress(response.content, wbits=31) == answers.page
    assert "Content-Encoding" not in get(server, "/-/healthy", Accept_Encoding="gzip").headers


def test_an_answer_is_compressed_once_a_sample(answers: Answers) -> None:
    """Later scrapes of the same sample get the very bytes that the first was sent."""
    times = iter([0.0, 10.0, 20.0])
    routes = Routes(answers.providers(), now=lambda: next(times))
    answers.page = b"loadwatch_signal 1\n" * 1000
    first, second = (routes.answer("/metrics", "").compressed for _ in range(2))
    assert first is second
    answers.page += b"loadwatch_signal 2\n"
    assert routes.answer("/metrics", "").compressed != first


def test_a_route_prefix_goes_before_every_path(start: Starter) -> None:
    """Behind a proxy that passes the prefix on; the bare prefix leads to the page."""
    server = start(route_prefix="/monitor/loadwatch/")
    assert server.urls[0].endswith("/monitor/loadwatch/")
    assert get(server, "/monitor/loadwatch/metrics").status == HTTPStatus.OK
    assert get(server, "/metrics").status == HTTPStatus.NOT_FOUND
    moved = get(server, "/monitor/loadwatch")
    assert (moved.status, moved.headers["Location"]) == (308, "/monitor/loadwatch/")


def test_several_addresses_and_ipv6(start: Starter) -> None:
    """Each address is served, and each has its URL."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this host has no IPv6 loopback")
    server = start("127.0.0.1:0", "[::1]:0")
    assert [url.split(":")[0] for url in server.urls] == ["http", "http"]
    for url in list(server.urls):
        server.urls[:] = [url]
        assert get(server).status == HTTPStatus.OK


def test_listening_on_all_addresses_is_said(start: Starter) -> None:
    """The log never calls it loopback what everybody reaches; the URL is one that works on this host."""
    everybody, loopback = start("0.0.0.0:0"), start("127.0.0.1:0")
    assert everybody.listening == f"{everybody.urls[0]} (on all IPv4 addresses)"
    assert everybody.urls[0].startswith("http://127.0.0.1:")
    assert loopback.listening == loopback.urls[0]


def test_a_taken_address_is_named_with_what_to_do(start: Starter, server: WebServer) -> None:
    """One clear line, and nothing stays bound."""
    port = server.urls[0].rsplit(":", 1)[1].strip("/")
    with pytest.raises(ServiceError, match=f"127.0.0.1:{port}.*already in use.*ss -ltnp.*web.listen_address"):
        start("127.0.0.1:0", f"127.0.0.1:{port}")


def test_a_foreign_address_is_named_with_what_to_do(start: Starter) -> None:
    """192.0.2.1 is kept for documentation; no host has it."""
    with pytest.raises(ServiceError, match=r"cannot listen on 192\.0\.2\.1:0: .*; set web.listen_address"):
        start("192.0.2.1:0")


@pytest.mark.parametrize(
    "text", ["", "10074", "localhost", "::1:10074", "[::1]", "a:b", "a:70000", "a:-1", "a:1²"]
)
def test_addresses_that_are_none_are_refused(text: str) -> None:
    """Better refused at start than bound to something else."""
    with pytest.raises(ConfigurationError, match="expected HOST:PORT"):
        parse_address(text)


def test_sockets_of_systemd_are_served(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``.socket`` unit holds the port; we take it over from the environment's description."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        monkeypatch.setattr("loadwatch.web.listen._FIRST_PASSED_DESCRIPTOR", listener.fileno())
        server = start(systemd_socket=True)
        assert get(server).status == HTTPStatus.OK
        listener.detach()


def test_a_missing_socket_of_systemd_is_said(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand with the option for a ``.socket`` unit: one clear line."""
    monkeypatch.delenv("LISTEN_PID", raising=False)
    with pytest.raises(ServiceError, match="none was passed"):
        start(systemd_socket=True)


def test_closing_takes_under_a_second_with_clients_open(start: Starter) -> None:
    """A stop is not held up by clients, and frees the port and the thread."""
    server = start()
    with raw(server) as idle, raw(server) as half:
        half.sendall(b"GET /metrics HTT")
        assert eventually(lambda: len(server._connections) == 2)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 1.0
        assert not server.alive
        assert idle.recv(1) == b""
    server.close()  # closing twice is harmless


def test_a_failing_page_costs_one_answer(server: WebServer, answers: Answers) -> None:
    """A bug behind one route is a 500 without details; the next request is served."""

    def fail(accept: str) -> tuple[bytes, str]:
        raise RuntimeError("/secret/path")

    answers.metrics = fail  # type: ignore[method-assign]
    server._routes._providers = answers.providers()
    response = get(server)
    assert response.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert b"secret" not in response.content
    assert get(server, "/-/healthy").status == HTTPStatus.OK
