"""Starts other people's servers on free ports of the loopback interface, and ends them whatever happens."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, ask: Callable[[], Answer | None], seconds: float = 30.0) -> Answer:
    """The first answer that is not None or false, asked for until the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


def get(url: str, **parameters: str) -> bytes:
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    with urllib.request.urlopen(url + query, timeout=30) as response:
        return bytes(response.read())


def answers(url: str) -> bool:
    try:
        get(url)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


@contextmanager
def running(*command: str | Path, ready_url: str, log: Path) -> Iterator[int]:
    """Run a server until the block ends, then kill it and its children; gives its process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(f"{command[0]} (see {log})", lambda: process.poll() is not None or answers(ready_url))
        assert process.poll() is None, log.read_text()[-2000:]
        yield process.pid
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Database:
    """Anything that answers Prometheus' query API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str, at: float | None = None) -> dict[tuple[tuple[str, str], ...], float]:
        """Value by sorted labels; an error of the server names the expression."""
        parameters = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
        data = self._ask("query", parameters)
        if data["resultType"] == "scalar":
            return {(): float(data["result"][1])}
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in data["result"]}

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        parameters = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": str(step)}
        rows: list[dict[str, Any]] = self._ask("query_range", parameters)["result"]
        return rows

    def _ask(self, endpoint: str, parameters: dict[str, str]) -> Any:
        try:
            answer = json.loads(get(f"{self.url}/api/v1/{endpoint}", **parameters))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters['query']}: {error.read().decode()}") from error
        assert answer["status"] == "success", (parameters["query"], answer)
        return answer["data"]
