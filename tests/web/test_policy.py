"""TLS, client certificates, passwords and limits, over real connections."""

import base64
import http.client
import os
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest
from web.certificates import Authority, make_authority
from web.clients import Starter, eventually, everything, get, raw

from loadwatch.errors import ConfigurationError
from loadwatch.web import WebServer
from loadwatch.web.policy import RequestLimit

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadwatch.web.server._REFRESH_MILLISECONDS", 20)
    monkeypatch.setattr("loadwatch.web.authentication._REFUSAL_SECONDS", 0.2)


def write(path: Path, text: str) -> Path:
    """Replace the file in one step, as tools that rotate certificates do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
    return path


def tls_config(folder: Path, certificate: Path, key: Path, more: str = "") -> Path:
    text = f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n{more}"
    return write(folder / "web.yml", text)


def ask(
    server: WebServer, context: ssl.SSLContext, path: str = "/metrics"
) -> tuple[int, dict[str, object] | None]:
    """The status of a request over TLS, and the server's certificate."""
    address = urlsplit(server.urls[0])
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=10, context=context
    )
    connection.connect()
    peer = connection.sock.getpeercert()  # type: ignore[union-attr]
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status, peer


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_is_served_and_plain_text_is_not(start: Starter, authority: Authority, tmp_path: Path) -> None:
    """TLS 1.2 or newer; who speaks plainly to the port gets nothing."""
    server = start(config_file=tls_config(tmp_path, *authority.issue("server")))
    assert server.urls[0].startswith("https://")
    context = ssl.create_default_context(cafile=authority.certificate)
    assert ask(server, context)[0] == 200
    with raw(server) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in everything(plain)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(authority.certificate)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        ask(server, old)


def test_only_verified_client_certificates_pass(start: Starter, authority: Authority, tmp_path: Path) -> None:
    """None is refused in the handshake, a stranger's too; ours passes if it bears an allowed name."""
    more = (
        "  client_auth_type: RequireAndVerifyClientCert\n"
        f"  client_ca_file: {authority.certificate}\n"
        "  client_allowed_sans: [prometheus.example]\n"
    )
    server = start(config_file=tls_config(tmp_path, *authority.issue("server"), more))
    stranger = make_authority(tmp_path / "stranger")
    for issued, expected in (
        (None, None),
        (stranger.issue("client", alternative="DNS:prometheus.example"), None),
        (authority.issue("other", alternative="DNS:other.example"), 403),
        (authority.issue("client", alternative="DNS:prometheus.example"), 200),
    ):
        context = ssl.create_default_context(cafile=authority.certificate)
        if issued:
            context.load_cert_chain(*issued)
        if expected is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, context)
        else:
            assert ask(server, context)[0] == expected


def test_a_renewed_certificate_is_used_without_a_restart(
    start: Starter, authority: Authority, tmp_path: Path
) -> None:
    """The files are replaced, the next connection sees the new certificate; no connection is lost."""
    certificate, key = authority.issue("rotating")
    server = start(config_file=tls_config(tmp_path, certificate, key))
    context = ssl.create_default_context(cafile=authority.certificate)
    _, before = ask(server, context)
    authority.issue("rotating")

    def renewed() -> bool:
        status, now = ask(server, context)
        assert status == 200
        assert before is not None
        assert now is not None
        return now["serialNumber"] != before["serialNumber"]

    assert eventually(renewed)


def test_a_wrong_change_keeps_the_old_and_is_counted(start: Starter, tmp_path: Path) -> None:
    """A slip in the file opens no door and closes none; once corrected it is taken."""
    path = write(tmp_path / "web.yml", f"basic_auth_users: {{alice: {HASH}}}")
    server = start(config_file=path)
    write(path, "basic_auth_user: {}")
    assert eventually(lambda: server.faults()["config_refused"] == 1)
    assert get(server, Authorization=basic("alice", "secret")).status == 200
    assert get(server).status == 401
    write(path, "")
    assert eventually(lambda: get(server).status == 200)
    assert server.faults()["config_refused"] == 1


@pytest.mark.parametrize(
    "content", ["tls_server_config: {cert_file: no.pem, key_file: no.key}", "nonsense: 1"]
)
def test_a_wrong_file_stops_the_start(start: Starter, tmp_path: Path, content: str) -> None:
    """Nothing is served with less protection than was asked for."""
    with pytest.raises(ConfigurationError):
        start(config_file=write(tmp_path / "web.yml", content))


def test_inline_certificates_work(start: Starter, authority: Authority, tmp_path: Path) -> None:
    """The toolkit takes PEM texts in the file as well."""
    certificate, key = (path.read_text().replace("\n", "\n    ") for path in authority.issue("inline"))
    text = f"tls_server_config:\n  cert: |\n    {certificate}\n  key: |\n    {key}\n"
    server = start(config_file=write(tmp_path / "web.yml", text))
    assert ask(server, ssl.create_default_context(cafile=authority.certificate))[0] == 200


def test_passwords_protect_every_path(start: Starter, tmp_path: Path) -> None:
    """Right passes; wrong, missing, unknown and garbled do not."""
    server = start(config_file=write(tmp_path / "web.yml", f"basic_auth_users: {{alice: {HASH}}}"))
    for path in ("/", "/metrics", "/api/v1/status", "/-/ready", "/nowhere"):
        refused = get(server, path)
        assert (refused.status, refused.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert get(server, Authorization=basic("alice", "secret")).status == 200
    for wrong in (
        basic("alice", "wrong"),
        basic("bob", "secret"),
        basic("alice", "secret\0"),
        basic("alice", "x" * 100),
        "Basic !!!",
        "Basic " + base64.b64encode(b"alice").decode(),
        "Bearer secret",
    ):
        assert get(server, Authorization=wrong).status == 401


@pytest.mark.slow
def test_wrong_passwords_cost_the_attacker_time_and_us_little(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty guesses at once: almost none is even tried, while who knows the password is served at once."""
    costly = bcrypt.hashpw(b"secret", bcrypt.gensalt(8)).decode()
    server = start(config_file=write(tmp_path / "web.yml", f"basic_auth_users: {{alice: {costly}}}"))
    assert get(server, Authorization=basic("alice", "secret")).status == 200
    authenticator = server._policy_file._authenticator  # type: ignore[union-attr]
    with ThreadPoolExecutor(40) as attackers:
        begin = time.monotonic()
        guesses = [
            attackers.submit(lambda n=n: get(server, Authorization=basic("alice", f"guess{n}")).status)
            for n in range(40)
        ]
        assert eventually(lambda: authenticator.checks > 1)
        scrape = time.monotonic()
        assert get(server, Authorization=basic("alice", "secret")).status == 200
        assert time.monotonic() - scrape < 0.5
        assert {guess.result() for guess in guesses} == {401, 429}
        assert time.monotonic() - begin >= 0.2
    assert authenticator.checks <= 1 + 4


def test_a_repeated_wrong_password_is_not_checked_again(start: Starter, tmp_path: Path) -> None:
    """A scraper with an old password asks for days; it costs one check."""
    server = start(config_file=write(tmp_path / "web.yml", f"basic_auth_users: {{alice: {HASH}}}"))
    for _ in range(3):
        assert get(server, Authorization=basic("alice", "old")).status == 401
    authenticator = server._policy_file._authenticator  # type: ignore[union-attr]
    assert authenticator.checks == 1


def test_configured_headers_go_with_every_answer(start: Starter, tmp_path: Path) -> None:
    """They replace our own of the same name."""
    text = (
        "http_server_config: {headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=1}}"
    )
    headers = get(start(config_file=write(tmp_path / "web.yml", text))).headers
    assert headers.get_all("X-Frame-Options") == ["sameorigin"]
    assert headers["Strict-Transport-Security"] == "max-age=1"


def test_the_rate_limit_of_the_file_holds(start: Starter, tmp_path: Path) -> None:
    """A burst passes, the rest is told to come later."""
    server = start(config_file=write(tmp_path / "web.yml", "rate_limit: {interval: 1h, burst: 3}"))
    assert [get(server).status for _ in range(5)] == [200, 200, 200, 429, 429]


def test_tokens_come_back_with_time() -> None:
    """One each interval, never more than the burst."""
    times = iter([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 100.0, 100.0, 100.0, 100.0])
    bucket = RequestLimit(1.0, 2, now=lambda: next(times))
    assert [bucket.take() for _ in range(9)] == [True, True, False, True, False, True, True, False, False]


def test_garbage_on_a_tls_port_costs_one_connection(
    start: Starter, authority: Authority, tmp_path: Path
) -> None:
    """Random bytes and half a handshake are dropped; the next client is served."""
    server = start(config_file=tls_config(tmp_path, *authority.issue("server")))
    for garbage in (os.urandom(512), b"\x16\x03\x01\x02\x00\x01", b"\x00" * 64):
        with raw(server) as rude:
            rude.sendall(garbage)
    assert ask(server, ssl.create_default_context(cafile=authority.certificate))[0] == 200
