"""Password guessers beside a scraper: who knows the password never notices them."""

import asyncio
import base64
import contextlib
import itertools
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest
from web.clients import Starter, eventually, get

from loadwatch.web import Limits, WebServer
from loadwatch.web.authentication import Authenticator
from loadwatch.web.connections import Connection, Connections, Lingering
from loadwatch.web.responses import Response

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(8)).decode()
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
RIGHT = "Basic " + base64.b64encode(b"alice:secret").decode()
SCRAPE_SECONDS = 1.0


class Crowd(threading.Thread):
    """Clients that send one wrong password after the other, and come back at once when they are cut off."""

    def __init__(self, server: WebServer, count: int, addresses: list[str]) -> None:
        super().__init__(daemon=True)
        self._port = urlsplit(server.urls[0]).port
        self._sources = itertools.cycle(addresses)
        self._count = count
        self._words = itertools.count()
        self._over = False
        self._selector = selectors.DefaultSelector()
        self.refusals = 0

    def run(self) -> None:
        for _ in range(self._count):
            self._join()
        while not self._over:
            for key, events in self._selector.select(0.05):
                self._go_on(key.fileobj, events)  # type: ignore[arg-type]
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def end(self) -> None:
        self._over = True
        self.join()

    def _join(self) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.bind((next(self._sources), 0))
        client.connect_ex(("127.0.0.1", self._port))
        self._selector.register(client, selectors.EVENT_WRITE)

    def _go_on(self, client: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                word = base64.b64encode(f"alice:{next(self._words)}".encode()).decode()
                client.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {word}\r\n\r\n".encode())
                self._selector.modify(client, selectors.EVENT_READ)
                return
            if client.recv(65536):
                self.refusals += 1
                self._selector.modify(client, selectors.EVENT_WRITE)
                return
        except OSError:
            pass
        self._selector.unregister(client)
        client.close()
        self._join()


ONE = ["127.0.0.2"]
MANY = [f"127.0.0.{2 + place}" for place in range(20)]


@contextlib.contextmanager
def guessing(server: WebServer, *, count: int, addresses: list[str]) -> Iterator[Crowd]:
    crowd = Crowd(server, count, addresses)
    crowd.start()
    assert eventually(lambda: crowd.refusals >= count // 4)
    yield crowd
    crowd.end()


def scrapes(server: WebServer, count: int = 5) -> None:
    """Each on a connection of its own, each answered in time."""
    for _ in range(count):
        begin = time.monotonic()
        assert get(server, Authorization=RIGHT).status == 200
        assert time.monotonic() - begin < SCRAPE_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("addresses", [ONE, MANY], ids=["one", "many"])
def test_guessers_never_keep_out_who_knows_the_password(
    start: Starter, tmp_path: Path, addresses: list[str]
) -> None:
    """More of them than there are connections, from one address or many, also right after a reload."""
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    server = start(config_file=file, limits=Limits(connections=24))
    assert get(server, Authorization=RIGHT).status == 200
    with guessing(server, count=60, addresses=addresses):
        scrapes(server)
        assert server._policy_file is not None
        before = server._policy_file.policy
        file.write_text(f"{USERS}http_server_config: {{http2: false}}\n")
        assert eventually(lambda: server._policy_file.policy is not before)  # type: ignore[union-attr]
        scrapes(server)
    assert len(server._connections) <= 24


@pytest.mark.slow
def test_a_scraper_that_comes_during_a_siege_is_let_in(start: Starter, tmp_path: Path) -> None:
    """A daemon that restarts meanwhile knows nobody yet: an address without refusals is checked first."""
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    server = start(config_file=file, limits=Limits(connections=24))
    with guessing(server, count=60, addresses=MANY):
        assert eventually(lambda: get(server, Authorization=RIGHT).status == 200, seconds=5.0)


@pytest.mark.slow
def test_a_scraper_behind_the_guessers_own_address_is_served(start: Starter, tmp_path: Path) -> None:
    """They all come through one gateway: what counts is the password, not where it comes from."""
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    server = start(config_file=file, limits=Limits(connections=64))
    assert get(server, Authorization=RIGHT).status == 200
    with guessing(server, count=120, addresses=["127.0.0.1"]):
        scrapes(server)


@pytest.mark.slow
def test_a_kept_connection_outlives_the_guessers(start: Starter, tmp_path: Path) -> None:
    """A scraper that keeps its connection has the same one after the siege."""
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    server = start(config_file=file, limits=Limits(connections=24))
    port = urlsplit(server.urls[0]).port
    ask = f"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nAuthorization: {RIGHT}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as scraper:
        scraper.sendall(ask)
        assert scraper.recv(65536).startswith(b"HTTP/1.1 200 ")
        with guessing(server, count=60, addresses=MANY):
            for _ in range(5):
                scraper.sendall(ask)
                assert scraper.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_guessers_who_are_known_do_not_even_get_a_connection(start: Starter, tmp_path: Path) -> None:
    """Where all places are taken, theirs is no reason to move another; turning them away costs no parsing."""
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    server = start(config_file=file, limits=Limits(connections=8))
    with guessing(server, count=40, addresses=ONE):
        assert eventually(lambda: server.faults()["connection_turned_away"] > 0)
        evicted = server.faults()["connection_evicted"]
        assert eventually(lambda: server.faults()["connection_turned_away"] > 40)
        assert server.faults()["connection_evicted"] <= evicted + 1


def test_strangers_cannot_use_up_the_rate_limit_of_who_is_known(start: Starter, tmp_path: Path) -> None:
    """The limit of the file holds for both, and separately."""
    file = tmp_path / "web.yml"
    file.write_text(f"{USERS}rate_limit: {{interval: 1h, burst: 3}}\n")
    server = start(config_file=file)
    assert get(server, Authorization=RIGHT).status == 200  # found out with a stranger's token
    assert [get(server).status for _ in range(4)] == [401, 401, 429, 429]
    assert [get(server, Authorization=RIGHT).status for _ in range(4)] == [200, 200, 200, 429]


def test_who_was_refused_is_evicted_before_who_is_new() -> None:
    """A newcomer may be the scraper; who guessed wrong had its chance, and is let go a second later."""
    near, far = socket.socketpair()

    class Stream:
        def __init__(self) -> None:
            self.socket = near

        def close(self) -> None:
            pass

    later: list[Callable[[], None]] = []
    lingering = Lingering(lambda _, act: later.append(act))
    connections = Connections(Limits(connections=3), plan=lambda _: None, lingering=lingering)
    opened = [connections.admit(Stream(), f"host {place}") for place in range(3)]  # type: ignore[arg-type]
    opened[0].proven = True
    opened[2].refused = True
    connections.admit(Stream(), "newcomer")  # type: ignore[arg-type]
    assert opened[2] not in connections._open
    near.close()
    far.setblocking(False)
    with pytest.raises(BlockingIOError):
        far.recv(1)  # let wait: it would be back at once
    later.pop()()
    assert far.recv(1) == b""
    far.close()
    connections.admit(Stream(), "another")  # type: ignore[arg-type]
    assert opened[1] not in connections._open
    assert opened[0] in connections._open


def basic(word: str) -> str:
    return "Basic " + base64.b64encode(f"alice:{word}".encode()).decode()


Ask = Callable[[str, str], "asyncio.Future[Response | None]"]


def answers(users: Mapping[str, str], play: Callable[[Authenticator, Ask], object]) -> None:
    """Let ``play`` ask an authenticator in a loop."""

    async def run() -> None:
        authenticator = Authenticator()
        authenticator.admit_only(users)

        def ask(word: str, host: str) -> "asyncio.Future[Response | None]":
            client = Connection(None, host, 0.0, 0.0)  # type: ignore[arg-type]
            return asyncio.ensure_future(authenticator.admit(basic(word), client))  # type: ignore[arg-type]

        try:
            await play(authenticator, ask)  # type: ignore[misc]
        finally:
            authenticator.close()

    asyncio.run(run())


def test_the_address_with_the_fewest_refusals_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes the last place of a full queue."""
    monkeypatch.setattr("loadwatch.web.authentication._REFUSAL_SECONDS", 0.0)
    monkeypatch.setattr("loadwatch.web.authentication._REST_FACTOR", 0.0)

    async def play(authenticator: Authenticator, ask: Ask) -> None:
        for place in range(4):
            await ask(f"wrong {place}", f"10.0.0.{place}")
        asked = [ask(f"worse {place}", f"10.0.0.{place}") for place in range(4)]
        await asyncio.sleep(0)
        newcomer = ask("secret", "10.0.0.9")
        assert await newcomer is None
        assert authenticator.checks <= 6  # the next one may have begun
        statuses = [response.status for response in await asyncio.gather(*asked) if response]
        assert sorted(statuses) == [401, 401, 401, 429]

    answers({"alice": HASH}, play)


def test_one_customer_of_the_new_internet_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of IPv6 everybody has more addresses than there is memory: the network of 64 bits counts."""
    monkeypatch.setattr("loadwatch.web.authentication._REFUSAL_SECONDS", 0.0)
    monkeypatch.setattr("loadwatch.web.authentication._REST_FACTOR", 0.0)

    async def play(authenticator: Authenticator, ask: Ask) -> None:
        for place in range(10):
            assert not authenticator.distrusts("2001:db8::1")
            await ask(f"wrong {place}", f"2001:db8::{place:x}")
        assert authenticator.distrusts("2001:db8::ffff")
        assert not authenticator.distrusts("2001:db8:1::1")

    answers({"alice": HASH}, play)


def test_what_is_known_of_a_password_holds_as_long_as_its_hash() -> None:
    """Other users may come and go; a changed password ends what the old one was good for at once."""
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    client = Connection(None, "10.0.0.1", 0.0, 0.0)  # type: ignore[arg-type]

    async def play(authenticator: Authenticator, ask: Ask) -> None:
        assert await ask("secret", "10.0.0.1") is None
        authenticator.admit_only({"alice": HASH, "bob": other})
        assert authenticator.knows(basic("secret"), client)
        authenticator.admit_only({"alice": other})
        assert not authenticator.knows(basic("secret"), client)
        authenticator.admit_only({"bob": other})
        assert not authenticator.knows(basic("secret"), client)
        authenticator.admit_only({"alice": HASH})
        assert authenticator.knows(basic("secret"), client)

    answers({"alice": HASH}, play)
