"""The metrics as a file for node_exporter's textfile collector."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadwatch.files import write_atomically

NAME: Final = "loadwatch.prom"

# A file system that hangs must not keep the daemon from its end.
PATIENCE_SECONDS: Final = 1.0


class Textfile:
    """A page in a folder, there while the daemon runs: node_exporter serves for ever what is left behind."""

    def __init__(self, folder: Path, render: Callable[[], bytes]) -> None:
        self._path = folder / NAME
        self._render = render
        self._writing = threading.Lock()
        self._removed = False

    def write(self) -> None:
        """Replace the page by that of now, unless it was removed; a half-written one is never seen.

        Raises:
            OSError: the folder is missing or read-only, or the disk is full.

        """
        with self._writing:
            if not self._removed:
                write_atomically(self._path, self._render())

    def remove(self) -> None:
        """Take the page away for good; a write that is on its way ends first.

        Raises:
            OSError: the page cannot be removed; it says why.

        """
        self._removed = True
        if not self._writing.acquire(timeout=PATIENCE_SECONDS):
            raise TimeoutError(f"a write of {self._path} has not ended for {PATIENCE_SECONDS:g} s")
        try:
            self._path.unlink(missing_ok=True)
        finally:
            self._writing.release()
