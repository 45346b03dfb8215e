"""Requests and web files that nobody would write: answered or refused, never a fault, never a log line."""

import contextlib
import logging
import os
import socket
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from web.clients import everything, get, raw

from loadwatch.errors import ConfigurationError
from loadwatch.web import WebServer
from loadwatch.web.config import read_config

REQUESTS = 400
FILES = 300
LARGEST_MESSAGE = 20_000

ANSWERS = {200, 304, 308, 400, 404, 405, 413, 421, 431, 503}
word = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)
tidy = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=20
)
target = st.one_of(
    st.sampled_from(["/", "/metrics", "/api/v1/status", "/-/ready", "*", "", "//", "/%00", "http://a/"]),
    st.builds("/api/v1/status?{}".format, word),
    st.builds(
        "/api/v1/status?{}".format, st.integers(0, 30).map(lambda count: "a=1&" * count + "series=day")
    ),
    tidy,
    word,
)
value = st.one_of(
    tidy,
    word,
    st.sampled_from(
        [
            "localhost",
            "[::1]:80",
            "a" * 9_000,
            "0",
            "-1",
            "1e9",
            "chunked",
            "gzip;q=0",
            "*;q=nan",
            ";;q=,",
            "W/*",
        ]
    ),
)
header = st.builds(
    "{}: {}".format,
    st.one_of(
        st.sampled_from(
            [
                "Accept",
                "Accept-Encoding",
                "Authorization",
                "Connection",
                "Content-Length",
                "Expect",
                "If-None-Match",
                "Range",
                "Transfer-Encoding",
                "Upgrade",
                "X-Forwarded-For",
            ]
        ),
        st.text("abcxyz-_", min_size=1, max_size=9),
    ),
    value,
)
request = st.builds(
    "{} {} {}\r\n{}\r\n\r\n{}".format,
    st.one_of(*[st.just("GET")] * 3, st.sampled_from(["HEAD", "POST", "get", "PRI", "CONNECT", ""]), word),
    target,
    st.one_of(*[st.just("HTTP/1.1")] * 5, st.sampled_from(["HTTP/1.0", "HTTP/2.0", "HTTP/1.1 "]), word),
    st.builds(
        lambda lines, host: "\r\n".join([*host, *lines]),
        st.lists(header, max_size=8),
        st.sampled_from([[], ["Host: localhost"], ["Host: localhost"], ["Host: localhost"]]),
    ),
    st.one_of(st.just(""), word, st.just("5\r\nhello\r\n0\r\n\r\n")),
).map(lambda text: text.encode("latin-1"))


@pytest.mark.slow
def test_no_request_is_a_fault_or_a_line_in_the_log(
    server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is answered as HTTP says or cut off; the next client is served; nothing above debug is written."""
    seen: Counter[int] = Counter()

    @settings(max_examples=REQUESTS, deadline=None)
    @given(st.lists(request, min_size=1, max_size=3).map(b"".join))
    def send(bytes_sent: bytes) -> None:
        with raw(server) as client:
            with contextlib.suppress(OSError):  # cut off before all of it was sent
                client.sendall(bytes_sent)
                client.shutdown(socket.SHUT_WR)
            answer = everything(client)
        code = int(answer.split(b" ", 2)[1]) if answer else 0
        seen[code] += 1
        assert not answer or code in ANSWERS

    with caplog.at_level(logging.INFO):
        send()
        assert get(server).status == 200
    assert caplog.records == []
    print(f"{seen.total()} requests: {dict(sorted(seen.items()))}")
    assert len(seen) > 3


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates())
keys = st.sampled_from(
    [
        "tls_server_config",
        "cert_file",
        "key_file",
        "cert",
        "key",
        "client_auth_type",
        "client_allowed_sans",
        "cipher_suites",
        "http_server_config",
        "headers",
        "X-Frame-Options",
        "basic_auth_users",
        "rate_limit",
        "interval",
        "burst",
    ]
)
tree = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(keys, keys, st.text(max_size=9)), inner, max_size=5),
    ),
    max_leaves=12,
)


def _verdict(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    refusal = ""
    try:
        read_config(path)
    except ConfigurationError as error:
        refusal = str(error)
    assert len(refusal) < LARGEST_MESSAGE
    assert all(line.isprintable() for line in refusal.splitlines())
    return "refused" if refusal else "read"


@pytest.mark.slow
def test_no_web_file_is_a_traceback(tmp_path: Path) -> None:
    """Right or refused in words of bounded length, of whatever the file is made."""
    seen: Counter[str] = Counter()

    @settings(max_examples=FILES, deadline=None)
    @given(
        st.one_of(
            st.binary(max_size=80),
            tree.map(lambda found: yaml.safe_dump(found).encode()),
            word.map(str.encode),
        )
    )
    def read(content: bytes) -> None:
        seen[_verdict(tmp_path / "web.yml", content)] += 1

    read()
    print(f"{seen.total()} web files: {dict(seen)}")
    assert seen["refused"]


def _bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"{" * 100_000,
        b"- " * 50_000,
        _bomb(12),
        b"basic_auth_users: " + _bomb(12).replace(b"\n", b"\n  ").replace(b"a0:", b"\n  a0:"),
        b"rate_limit: {burst: " + b"9" * 5_000 + b"}",
        b"rate_limit: {interval: 1s, burst: 1e999}",
        b"a: !!timestamp x",
        b"a: 2001-99-99",
        b"a: !!bool maybe",
        b"a: !!int ''",
        b"a: !!float x",
        b"a: !!binary '\xc3\xa9'",
        b"a: !!python/object/apply:os.system ['true']",
        b"? [1]\n: 2",
        b"&a [*a]",
        b"<<: 1",
        b"<<: [1, {a: 1}]",
        b"'\\x1b]0;title\\x07': 1",
        b'basic_auth_users: {"\\x1b[2J": x}',
        b"a: 1\n" * 300_000,
        b"\xff\xfe\x00",
        b"%YAML 9.9\n--- {}",
    ],
    ids=range(23),
)
def test_wicked_web_files_are_refused_in_words(tmp_path: Path, content: bytes) -> None:
    """Nesting, references to references, types that are none, and more than a web file can be."""
    assert _verdict(tmp_path / "web.yml", content) == "refused"


def test_a_web_file_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe would hold the start until somebody writes, or at a reload all requests; a device has no end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ConfigurationError, match="web configuration"):
            read_config(path)
