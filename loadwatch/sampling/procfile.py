"""Small files of the kernel, read often."""

import os
from pathlib import Path

_FIRST_SIZE = 16 * 1024


class ProcFile:
    """One small file under ``/proc`` that is kept open and read from its beginning each time.

    Keeping it open turns three system calls a reading into one, and lets sampling go on when the process has
    run out of file descriptors. It suits files that the kernel produces in one piece (``single_open`` in its
    sources): one ``pread`` with enough room is the whole content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._size = _FIRST_SIZE

    def read(self) -> bytes:
        """The content now.

        Raises:
            OSError: it does not exist or cannot be read; the next call opens it again.

        """
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(self._descriptor, self._size, 0)
            while len(content) == self._size:  # perhaps cut short: ask again with more room
                self._size *= 2
                content = os.pread(self._descriptor, self._size, 0)
        except OSError:
            self.close()
            raise
        return content

    def close(self) -> None:
        """Give the descriptor back; reading again reopens the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()
