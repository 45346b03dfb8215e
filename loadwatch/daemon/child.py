"""Work in a child process: gone when it is done, its memory given back, and killed where it takes too long.

The order goes in as JSON on standard input, what the child has to say comes out as JSON lines.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from loadwatch.errors import LoadwatchError

LAST_WORDS: Final = 3
"""Lines of its standard error that are told where it failed."""
LONGEST_LINE: Final = 2**20
"""Characters of what it says in one line; ours says far less."""


class Child:
    """Runs one child at a time and waits for it.

    Args:
        command: words after our own interpreter's ``-m loadwatch``.
        what: what it is in messages, such as "training process".
        failure: the class of what is raised.
        environment: variables beside those that we have.

    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        what: str,
        failure: type[LoadwatchError],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = (sys.executable, "-m", "loadwatch", *command)
        self._what = what
        self._failure = failure
        self._environment = dict(environment or {})
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def run(
        self, order: Mapping[str, Any], *, timeout_seconds: float, heard: Callable[[dict[str, Any]], None]
    ) -> None:
        """Let it do as ordered; ``heard`` gets each thing that it says, as it says it.

        Raises:
            LoadwatchError: of the class ``failure``: it could not start, was killed, took too long or failed;
                its last words are in the message.

        """
        with self._lock:
            if self._stopped:
                raise self._failure(f"the daemon is stopping, no {self._what} is started")
            self._process = process = self._start()
        timer = threading.Timer(timeout_seconds, process.kill)
        timer.start()
        start = time.monotonic()
        try:
            self._follow(process, json.dumps(order), heard)
        except self._failure as error:
            if time.monotonic() - start < timeout_seconds:
                raise
            raise self._failure(f"{error}; it took longer than {timeout_seconds:g} s") from error
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            self._process = None

    def stop(self) -> None:
        """End a running child at once and start no more."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **self._environment},
            )
        except OSError as error:
            raise self._failure(f"cannot start a {self._what}: {error}") from error

    def _follow(
        self, process: subprocess.Popen[str], order: str, heard: Callable[[dict[str, Any]], None]
    ) -> None:
        assert process.stdin is not None  # noqa: S101 - for the type checker: they are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        words: deque[str] = deque(maxlen=LAST_WORDS)
        listener = threading.Thread(target=lambda: words.extend(process.stderr or ()), daemon=True)
        listener.start()
        broken = False
        try:
            process.stdin.write(order)
            process.stdin.close()
            while line := process.stdout.readline(LONGEST_LINE):
                heard(json.loads(line))
        except (BrokenPipeError, json.JSONDecodeError) as error:
            words.append(f"{type(error).__name__}: {error}")
            broken = True
        status = process.wait()
        listener.join(timeout=5)
        if broken or status != 0:
            raise self._failure(self._farewell(status, words))

    def _farewell(self, status: int, words: Sequence[str]) -> str:
        """Why it ended without doing its work, in one line."""
        last = " ".join(words).strip() or "it said nothing"
        if status < 0:
            return f"the {self._what} was ended by {signal.Signals(-status).name}: {last}"
        return f"the {self._what} ended with status {status}: {last}"
