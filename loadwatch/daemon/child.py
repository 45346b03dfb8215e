"""Training runs in a child process: lowest priority, one thread, gone when we go, memory given back.

The order goes in as JSON on standard input; progress and the outcome come out as JSON lines. The child
gives way by itself (``training.priority``) as its first act: code between fork and exec could deadlock on a
lock that another thread held.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from loadwatch.errors import TrainingError
from loadwatch.training.run import Order, Outcome

COMMAND: Final = (sys.executable, "-m", "loadwatch", "train", "--order")
_SINGLE_THREAD: Final = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)


class TrainingChild:
    """Runs one training at a time in a child process and waits for it."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether a child trains right now."""
        process = self._process
        return process is not None and process.poll() is None

    def run(self, order: Order, *, timeout_seconds: float, progress: Callable[[str], None]) -> Outcome:
        """Train as ordered and answer what came of it.

        Raises:
            TrainingError: the child could not start, was killed, took too long or failed; its last words are
                in the message.

        """
        with self._lock:
            if self._stopped:
                raise TrainingError("the daemon is stopping, no training is started")
            self._process = process = self._start()
        timer = threading.Timer(timeout_seconds, process.kill)
        timer.start()
        try:
            return self._follow(process, json.dumps(asdict(order)), progress)
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            self._process = None

    def stop(self) -> None:
        """End a running child at once and start no more; its half-made model was never published."""
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
                env={**os.environ, **_SINGLE_THREAD},
            )
        except OSError as error:
            raise TrainingError(f"cannot start a training process: {error}") from error

    def _follow(self, process: subprocess.Popen[str], order: str, progress: Callable[[str], None]) -> Outcome:
        assert process.stdin is not None  # noqa: S101 - for the type checker: they are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        words: list[str] = []
        listener = threading.Thread(target=lambda: words.extend(process.stderr or ()), daemon=True)
        listener.start()
        outcome: dict[str, Any] | None = None
        try:
            process.stdin.write(order)
            process.stdin.close()
            for line in process.stdout:
                message = json.loads(line)
                if "outcome" in message:
                    outcome = message["outcome"]
                else:
                    progress(str(message.get("stage", "")))
        except (BrokenPipeError, json.JSONDecodeError) as error:
            words.append(f"{type(error).__name__}: {error}")
        status = process.wait()
        listener.join(timeout=5)
        if outcome is None or status != 0:
            raise TrainingError(_farewell(status, words))
        return Outcome(**outcome)


def _farewell(status: int, words: Sequence[str]) -> str:
    """Why a child ended without a model, in one line."""
    last = " ".join(words[-3:]).strip() or "it said nothing"
    if status < 0:
        return f"the training process was ended by {signal.Signals(-status).name}: {last}"
    return f"the training process ended with status {status}: {last}"
