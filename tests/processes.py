"""Real programs for tests: the installed daemon and its peers, always ended with the test."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from conftest import eventually

METRIC = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')
Metrics = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parse(page: str) -> Metrics:
    """The series of a metrics page by name and labels."""
    found: Metrics = {}
    for line in page.splitlines():
        match = METRIC.match(line)
        if match:
            labels = frozenset(LABEL.findall(match["labels"] or ""))
            found[match["name"], labels] = float(match["value"])
    return found


class Program:
    """A started program; its output goes to a file, its end is certain."""

    def __init__(
        self, command: Sequence[str], log: Path, *, environment: dict[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            print(f"--- {self.log}\n{self.output()}")

    def output(self) -> str:
        """Everything it printed so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it and its children at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self.process.wait()

    def terminate(self, *, seconds: float = 30.0) -> int:
        """Ask it to stop; answer its exit status."""
        self.process.terminate()
        return self.process.wait(timeout=seconds)


class Daemon(Program):
    """The installed ``loadwatch run`` on a port of its own."""

    def __init__(
        self,
        state: Path,
        *options: str,
        port: int | None = None,
        environment: dict[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "loadwatch"),
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state = state
        state.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(
            [
                *(*program, "run", "--state-directory", str(state)),
                *("--set", f"web.listen_address=127.0.0.1:{self.port}"),
                *options,
            ],
            state.parent / "daemon.log",
            environment=environment,
        )

    def __enter__(self) -> "Daemon":
        return self

    def get(self, path: str) -> str:
        """The body of a page of it."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            body: bytes = answer.read()
        return body.decode()

    def metrics(self) -> Metrics:
        """The series it serves now."""
        return parse(self.get("/metrics"))

    def trainings(self) -> list[int]:
        """Its training processes that run; not the git, say, that it asks for its version as it starts."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        children = [pid for task in tasks for pid in (task / "children").read_text().split()]
        found = []
        for pid in children:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if b"--order" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """One series, or None where it is absent."""
        return self.metrics().get((name, frozenset(labels.items())))

    def until_ready(self, *, seconds: float = 60.0) -> "Daemon":
        """Wait for the first verdict."""

        def ready() -> bool:
            assert self.process.poll() is None, f"the daemon ended:\n{self.output()}"
            return self.value("loadwatch_high_load_probability", horizon="0") is not None

        eventually(ready, seconds=seconds, what="a probability is served")
        return self
