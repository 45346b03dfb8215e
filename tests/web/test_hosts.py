"""The server answers to its own names only, so that no web page can read it by giving it another."""

import logging
import socket
from pathlib import Path

import bcrypt
import pytest
from web.clients import Starter, everything, get, raw

from loadwatch import config
from loadwatch.errors import ConfigurationError
from loadwatch.web import WebServer

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def status(server: WebServer, *lines: str, version: str = "1.1") -> int:
    """Of a request with these header lines."""
    with raw(server) as client:
        head = "".join(f"{line}\r\n" for line in (*lines, "Connection: close"))
        client.sendall(f"GET /metrics HTTP/{version}\r\n{head}\r\n".encode())
        return int(everything(client).split(b" ", 2)[1])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.:10074",
        "app.localhost",
        "127.0.0.1:10074",
        "192.0.2.7",
        "[::1]:10074",
        socket.gethostname(),
        f"{socket.gethostname().upper()}:80",
    ],
)
def test_its_own_names_and_every_address_are_answered(server: WebServer, host: str) -> None:
    """A name can be pointed here by whoever owns it, an address by nobody."""
    assert status(server, f"Host: {host}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebind.example",
        "localhost.rebind.example",
        "127.0.0.1.rebind.example",
        "127.1",
        "a",
        "xn--e1afmkfd.example",
    ],
)
def test_names_of_others_are_refused(server: WebServer, host: str) -> None:
    """421, and not a byte of the page; also for what does not exist, so that nothing can be probed."""
    assert status(server, f"Host: {host}") == 421
    assert get(server, "/nowhere", Host=host).status == 421
    assert b"loadwatch_ready" not in get(server, Host=host).content  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Host: localhost", "Host: localhost"),
        ("Host: localhost", "Host: rebind.example"),
        ("Host:",),
        ("Host: localhost, rebind.example",),
        ("Host: local host",),
        ("Host: user@localhost",),
        ("Host: [::1",),
        ("Host: localhost:port",),
    ],
)
def test_a_request_has_one_host_that_can_be_read(server: WebServer, lines: tuple[str, ...]) -> None:
    """None, two or nonsense is 400: what a proxy in front read as one may have been the other."""
    assert status(server, *lines) == 400


def test_the_oldest_clients_need_none(server: WebServer) -> None:
    """HTTP/1.0 has no such header; load balancers still check health by it."""
    assert status(server, version="1.0") == 200
    assert status(server, "Host: rebind.example", version="1.0") == 421


def test_names_are_allowed_by_configuration(start: Starter) -> None:
    """One name, all below one, or any."""
    server = start(allowed_hosts=("web-3.Example.com", ".example.net"))
    for host in ("web-3.example.com", "a.example.net:80", "a.b.example.net"):
        assert status(server, f"Host: {host}") == 200
    for host in ("web-4.example.com", "example.net", "evilexample.net", "example.net.rebind.example"):
        assert status(server, f"Host: {host}") == 421
    assert status(start(allowed_hosts=("*",)), "Host: any.example") == 200


def test_a_name_it_listens_on_is_its_own(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was configured once need not be configured twice."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    monkeypatch.setattr("loadwatch.web.server.bind_all", lambda _: [listener])
    server = start("monitor.example:10074")
    assert status(server, "Host: monitor.example:10074") == 200


def test_behind_a_password_every_name_will_do(start: Starter, tmp_path: Path) -> None:
    """A page that made its name ours has no password for it: a scraper by any alias may come."""
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users: {{alice: {HASH}}}\n")
    server = start(config_file=file)
    assert status(server, "Host: alias.example") == 401
    right = "Authorization: Basic YWxpY2U6c2VjcmV0"
    assert status(server, "Host: alias.example", right) == 200
    assert status(server, "Host: alias.example", "Host: alias.example", right) == 400


def test_refused_names_are_counted_and_said_once(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    """The operator who scrapes by an alias finds the setting in the log; nobody fills the log that way."""
    with caplog.at_level(logging.DEBUG, "loadwatch.web"):
        for place in range(20):
            assert status(server, f"Host: rebind-{place}.example") == 421
    assert server.faults()["host_refused"] == 20
    assert len(caplog.records) <= 1


@pytest.mark.parametrize("value", ["http://a", "a:80", "a b", "a/b", "", ".", "*.a", "[::1]"])
def test_what_is_no_name_is_refused_as_a_setting(tmp_path: Path, value: str) -> None:
    """A port or a scheme in it would never match: better said at once."""
    with pytest.raises(ConfigurationError, match="allowed_hosts"):
        config.load(None, environment={}, overrides=[f'web.allowed_hosts=["{value}"]'])
    assert config.load(None, environment={}, overrides=["web.allowed_hosts=[]"]).web.allowed_hosts == ()
