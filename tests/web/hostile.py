"""A siege: hundreds of clients that mean no good, from one process, while a scraper comes by."""

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from web.clients import get

from loadwatch.web import WebServer


@dataclass
class Siege:
    """What the defenders saw."""

    latencies: list[float]
    lifetimes: list[float]
    growth_bytes: int

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def resident_bytes(pid: int | str = "self") -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


class _Slow:
    """Sends its request a byte a second, or asks over and over and never reads."""

    def __init__(self, address: tuple[str, int], *, reads: bool) -> None:
        self.reads = reads
        self.born = time.monotonic()
        self.sent = 0
        self.socket = socket.socket()
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.connect(address)
        self.socket.setblocking(False)

    def push(self) -> bool:
        """Be a nuisance once more; False when the server has had enough."""
        text = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 4000
        try:
            if self.reads:
                self.sent += self.socket.send(text[self.sent : self.sent + 1])
                return self.socket.recv(1) != b""
            self.socket.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


def besiege(
    server: WebServer, *, slow: int, deaf: int, seconds: float, every: float = 0.05, pid: int | str = "self"
) -> Siege:
    """Keep that many hostile connections open, renewing those that are dropped, and scrape meanwhile.

    Each pushes once a second, one after the other, so that they do not come in one burst of our own making.
    """
    address = urlsplit(server.urls[0])
    target = (address.hostname or "", address.port or 0)
    before = resident_bytes(pid)
    clients = [_Slow(target, reads=place < slow) for place in range(slow + deaf)]
    latencies: list[float] = []
    lifetimes: list[float] = []
    start = next_scrape = time.monotonic()
    pushed = 0
    while (now := time.monotonic()) < start + seconds:
        while pushed < (now - start) * len(clients):
            place = pushed % len(clients)
            client = clients[place]
            pushed += 1
            if not client.push():
                lifetimes.append(time.monotonic() - client.born)
                client.socket.close()
                clients[place] = _Slow(target, reads=client.reads)
        if now >= next_scrape:
            next_scrape = now + every
            begin = time.monotonic()
            assert get(server).status == 200
            latencies.append(time.monotonic() - begin)
        time.sleep(0.001)
    growth = resident_bytes(pid) - before
    for client in clients:
        client.socket.close()
    return Siege(latencies, lifetimes, growth)
