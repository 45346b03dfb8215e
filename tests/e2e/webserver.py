"""A real nginx with its real exporter, and visitors who come as often as a test says."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .programs import free_port, running

NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "hello\\n"; }}
    location /stub_status {{ stub_status; }}
  }}
}}
"""


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Visitors:
    """Ask for the page 20 times a second, a little more or less, over a connection that is kept.

    A flood is the same with ``at_once`` requests in one go.
    """

    def __init__(self, port: int) -> None:
        self.at_once = 1
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()

    def _visit(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.sendall(REQUEST)
            size = len(connection.recv(65536))
            due, asked = time.monotonic(), 0
            while not self._ended.is_set():
                count = self.at_once
                connection.sendall(count * REQUEST)
                left = count * size
                while left > 0 and (piece := connection.recv(left)):
                    left -= len(piece)
                asked += 1
                due = max(due + (0.7 + 0.6 * (asked % 7) / 6) / 20.0, time.monotonic() - 1.0)
                self._ended.wait(max(0.0, due - time.monotonic()))

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@contextmanager
def webserver(folder: Path) -> Iterator[tuple[Visitors, str]]:
    """Visitors of an nginx, and the address of the exporter's page."""
    names = ("nginx", "prometheus-nginx-exporter")
    programs = [shutil.which(name, path="/usr/sbin:/usr/bin") for name in names]
    if None in programs:
        pytest.skip("nginx and prometheus-nginx-exporter are not installed")
    nginx, exporter = (str(program) for program in programs)
    folder.mkdir()
    port, exported = free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    site, page = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{exported}/metrics"
    with ExitStack() as stack:
        command = (nginx, "-p", folder, "-c", folder / "nginx.conf")
        stack.enter_context(running(*command, ready_url=site, log=folder / "nginx.log"))
        options = (f"-web.listen-address=127.0.0.1:{exported}", f"-nginx.scrape-uri={site}/stub_status")
        stack.enter_context(running(exporter, *options, ready_url=page, log=folder / "exporter.log"))
        visitors = Visitors(port)
        stack.callback(visitors.end)
        yield visitors, page
