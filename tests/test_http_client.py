"""The one HTTP client of all commands against servers that are broken or hostile."""

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web.certificates import make_authority

from loadwatch.errors import UsageError
from loadwatch.http_client import Access, Address, HttpClient, HttpError, quoted

Talk = Callable[[socket.socket], None]
LIMIT = 1_000_000
ME = Access("me", "s:é")


class Server:
    """A server on loopback that reads a request and then talks as it is told; keeps what it was asked."""

    def __init__(self, talk: bytes | Talk) -> None:
        self.heads: list[bytes] = []
        self._talk = talk if callable(talk) else lambda client: client.sendall(talk)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    self.heads.append(client.recv(65536))
                    self._talk(client)
                except OSError:
                    pass  # the client has had enough, which is what most tests are about

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def serving(talk: bytes | Talk) -> Iterator[Server]:
    server = Server(talk)
    yield server
    server.close()


def ask(server: Server, deadline: float = 10.0) -> Any:
    return HttpClient(Address.parse(server.url), ME, deadline=deadline, limit=LIMIT).get_json("/x")


def answer(body: bytes, code: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {code}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_document_comes_with_the_password_sent_once() -> None:
    """What it is for."""
    with serving(answer(b'{"a": [1]}')) as server:
        assert ask(server) == {"a": [1]}
    (head,) = server.heads
    assert head.startswith(b"GET /x HTTP/1.1\r\n")
    assert b"Authorization: Basic " + base64.b64encode("me:s:é".encode()) in head


ESCAPE = b"\x1b]0;title\x07"


@pytest.mark.parametrize(
    ("talk", "kind", "words"),
    [
        (b"GARBAGE\r\n\r\n", "malformed", "breaks the rules of HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + ESCAPE + b"\r\n" * 2, "malformed", "no JSON"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n", "malformed", "100 headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", "malformed", "65536 bytes"),
        (b"", "unreachable", "hung up before"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", "unreachable", "hung up before"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "unreachable", "hung up before"),
        (answer(b"[" * 200_000), "malformed", "no JSON"),
        (answer(b"\xff\xfe\xff"), "malformed", "no JSON"),
        (answer(b"9" * 5_000), "malformed", "no JSON"),
        (answer(b" " * (LIMIT + 1)), "too_large", "larger than"),
        (answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"), "redirect", "not followed"),
        (answer(b"", "308 Moved " + ESCAPE.decode()), "redirect", "not followed"),
        (answer(b"no\nsecond line", "503 Busy"), "refused", "HTTP 503 Busy"),
    ],
)
def test_every_broken_answer_is_one_clear_line(talk: bytes, kind: str, words: str) -> None:
    """The address, what was wrong, no control character; nothing was asked twice or elsewhere."""
    with serving(talk) as server, pytest.raises(HttpError) as caught:
        ask(server)
    assert (caught.value.kind, len(server.heads)) == (kind, 1)
    assert words in str(caught.value)
    assert str(caught.value).startswith(server.url)
    assert str(caught.value).isprintable()


def test_a_refusal_tells_the_server_s_own_words_fit_for_a_terminal() -> None:
    """Its status and its first line, however long or wicked."""
    talk = answer(ESCAPE + b"a" * 50_000 + b"\nmore", "422 No")
    with serving(talk) as server, pytest.raises(HttpError) as caught:
        ask(server)
    assert caught.value.status == 422
    assert caught.value.said.startswith(r"\x1b]0;title\x07aaa")
    assert len(caught.value.said) < 400
    assert caught.value.said.isprintable()


def _head_by_bytes(client: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nA: " + b"a" * 10_000:
        client.sendall(bytes([byte]))
        time.sleep(0.01)


def _body_by_bytes(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    _head_by_bytes(client)


def _ever_continuing(client: socket.socket) -> None:
    while True:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _silent(client: socket.socket) -> None:
    client.recv(1)


@pytest.mark.parametrize("talk", [_head_by_bytes, _body_by_bytes, _ever_continuing, _silent])
def test_the_deadline_is_for_the_whole_answer(talk: Talk) -> None:
    """A server that always sends a little more ends where one that is silent does, and is left in peace."""
    with serving(talk) as server:
        begin = time.monotonic()
        with pytest.raises(HttpError, match=r"no whole answer within 0\.3 s") as caught:
            ask(server, deadline=0.3)
        assert time.monotonic() - begin < 1.5
        assert caught.value.kind == "late"
        for thread in [each for each in threading.enumerate() if each.name == "http-request"]:
            thread.join(5.0)
            assert not thread.is_alive()


def _endless(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        client.sendall(b" " * 65_536)


def test_an_endless_answer_is_read_to_the_limit_only() -> None:
    """Memory is bounded by what a document may be, whatever the server says of its length."""
    with serving(_endless) as server, pytest.raises(HttpError) as caught:
        ask(server)
    assert caught.value.kind == "too_large"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_document_or_one_line(garbage: bytes, headed: bool) -> None:
    """Whatever comes back, with or without a good first line, nothing but an ``HttpError`` leaves here."""
    with serving((b"HTTP/1.1 200 OK\r\n" if headed else b"") + garbage) as server:
        said = ""
        try:
            ask(server, deadline=2.0)
        except HttpError as error:
            said = str(error)
    assert said.isprintable()


def test_tls_is_verified_and_said(tmp_path: Path) -> None:
    """A server that speaks no TLS on a port asked for it, and a file that is no certificate."""
    with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server, pytest.raises(HttpError) as caught:
        HttpClient(Address.parse(server.url.replace("http", "https")), deadline=5.0, limit=9).get_json("/")
    assert caught.value.kind == "tls"
    (tmp_path / "no.pem").write_text("no")
    with pytest.raises(UsageError, match=r"cannot use the certificates in .*no\.pem"):
        Access(ca_file=tmp_path / "no.pem").context()
    authority = make_authority(tmp_path / "authority")
    assert Access(ca_file=authority.certificate).context().check_hostname
    assert not Access(insecure=True).context().check_hostname


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h", "http://h"),
        ("https://me:p%40ss@Host:10074/lw/", "https://host:10074/lw"),
        ("http://[::1]:90", "http://[::1]:90"),
        ("http://müller.example/ö", "http://xn--mller-kva.example/%C3%B6"),
    ],
)
def test_addresses_are_shown_without_the_password(text: str, shown: str) -> None:
    """What messages say of a server."""
    assert str(Address.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:90",
        "ftp://h",
        "http://",
        "http://u:secret@h:99999",
        "http://u:secret@[::1",
        "http://a..b",
        "http://h/?x=secret",
        "http://h\r\nX: secret",
        "http://h /",
        f"http://{'a' * 70}.example",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_sent(text: str) -> None:
    """One line that shows the right form, and never a password."""
    with pytest.raises(UsageError, match="expected http://host:port") as caught:
        Address.parse(text)
    assert str(caught.value).isprintable()
    assert "u:secret" not in str(caught.value)


def test_a_token_that_no_header_can_hold_is_refused() -> None:
    """The wrong file named as the token's; its content stays out of the message."""
    with pytest.raises(UsageError, match="one line of ASCII") as caught:
        Access(bearer_token="first\nsecond").headers()
    assert "first" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "team-a", "X-Scope-OrgID:", ": team-a", "a b: c", "a: b\nc: d", "a: é"])
def test_what_is_no_header_is_refused(text: str) -> None:
    """Before anything is sent, with one that would do; nobody smuggles in a second line."""
    with pytest.raises(UsageError, match="expected a header such as 'X-Scope-OrgID: team-a'"):
        Access(others=(text,)).headers()


@given(st.text())
def test_quoted_words_are_one_short_printable_line(text: str) -> None:
    """Whatever a server sends can be shown."""
    assert quoted(text).isprintable()
    assert quoted("plain words, ä") == "plain words, ä"
