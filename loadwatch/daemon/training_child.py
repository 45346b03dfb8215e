"""Training runs in a child process: lowest priority, one thread, gone when we go.

The child gives way by itself (``training.priority``) as its first act: code between fork and exec could
deadlock on a lock that another thread held.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from loadwatch.daemon.child import Child
from loadwatch.errors import TrainingError
from loadwatch.training.order import Order, Outcome

COMMAND: Final = ("train", "--order")
_SINGLE_THREAD: Final = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)


class TrainingChild:
    """Runs one training at a time in a child process and waits for it."""

    def __init__(self) -> None:
        self._child = Child(
            COMMAND, what="training process", failure=TrainingError, environment=_SINGLE_THREAD
        )

    def run(self, order: Order, *, timeout_seconds: float, progress: Callable[[str], None]) -> Outcome:
        """Train as ordered and answer what came of it.

        Raises:
            TrainingError: the child could not start, was killed, took too long or failed; its last words are
                in the message.

        """
        outcomes: list[dict[str, Any]] = []

        def hear(message: dict[str, Any]) -> None:
            if "outcome" in message:
                outcomes.append(message["outcome"])
            else:
                progress(str(message.get("stage", "")))

        self._child.run(asdict(order), timeout_seconds=timeout_seconds, heard=hear)
        if not outcomes:
            raise TrainingError("the training process ended without an outcome")
        return Outcome(**outcomes[-1])

    def stop(self) -> None:
        """End a running child at once and start no more; its half-made model was never published."""
        self._child.stop()
