"""What one scrape costs the daemon: CPU of the serving thread, over a new connection, compressed.

Run: ``PYTHONPATH=tests python tests/benchmarks/bench_scrape.py [--count 40]``. Once with a new sample before
each scrape, when the page is encoded and compressed; once with the same sample, when it is only sent.
"""

import argparse
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from web.fake_daemon import FakeDaemon

LIMIT_MILLISECONDS = 1.0
SETTLE_SECONDS = 0.003
KEPT_SECONDS = 0.25  # the page is no older; each scrape of a new sample waits for it to be made
ASK = (
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3\r\n\r\n"
)


def scrape(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(ASK)
        received = b""
        while part := client.recv(65536):
            received += part
    return received


def cpu_milliseconds() -> float:
    """Of the thread that serves."""
    (web,) = [thread for thread in threading.enumerate() if thread.name == "web"]
    return int(Path(f"/proc/self/task/{web.native_id}/schedstat").read_text().split()[0]) / 1e6


def cost(fake: FakeDaemon, port: int, count: int, *, new_samples: bool) -> float:
    used = 0.0
    for _ in range(count):
        if new_samples:
            time.sleep(KEPT_SECONDS)
            fake._publish()
        before = cpu_milliseconds()
        scrape(port)
        time.sleep(SETTLE_SECONDS)  # what closing the connection costs is part of it
        used += cpu_milliseconds() - before
    return used / count


def main(count: int) -> int:
    fake = FakeDaemon(scenario="busy")
    fake.exporter._all_signals = True
    fake.server.start()
    fake._publish()
    port = urlsplit(fake.server.urls[0]).port or 0
    page = fake.exporter.render()
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    for _ in range(20):
        scrape(port)
    anew = cost(fake, port, count, new_samples=True)
    again = cost(fake, port, count, new_samples=False)
    fake.server.close()
    print(f"{series} series, {len(page)} bytes")
    print(f"a scrape of a new sample        {anew:6.2f} ms of CPU")
    print(f"another one of the same sample  {again:6.2f} ms of CPU")
    return int(anew > LIMIT_MILLISECONDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    sys.exit(main(parser.parse_args().count))
