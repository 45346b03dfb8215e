"""Small files of the kernel, read often."""

import logging
import os
import resource
from pathlib import Path

log = logging.getLogger(__name__)

_FIRST_SIZE = 16 * 1024
_FEW_DESCRIPTORS = 128
"""Where a process may have no more, the two dozen of these files would leave none to answer a scrape."""


class ProcFile:
    """One file under ``/proc`` or ``/sys`` that is kept open and read from its beginning each time.

    Keeping it open turns three system calls a reading into one, and lets sampling go on when the process has
    run out of file descriptors. Most files the kernel produces in one piece (``single_open`` in its sources):
    one ``pread`` with enough room is the whole content. A table that it produces line by line comes a page at
    a time; such a file is read ``in_pieces``, until nothing more comes.
    """

    def __init__(self, path: Path, *, in_pieces: bool = False) -> None:
        self.path = path
        self._in_pieces = in_pieces
        self._descriptor = -1
        self._size = _FIRST_SIZE
        self._kept_open = resource.getrlimit(resource.RLIMIT_NOFILE)[0] > _FEW_DESCRIPTORS

    def read(self) -> bytes:
        """The content now.

        Raises:
            OSError: it does not exist or cannot be read; the next call opens it again.

        """
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._pieces() if self._in_pieces else self._whole()
        except OSError:
            self.close()
            raise
        finally:
            if not self._kept_open:
                self.close()

    def _whole(self) -> bytes:
        content = os.pread(self._descriptor, self._size, 0)
        while len(content) == self._size:  # perhaps cut short: ask again with more room
            self._size *= 2
            content = os.pread(self._descriptor, self._size, 0)
        return content

    def _pieces(self) -> bytes:
        pieces, length = [], 0
        while piece := os.pread(self._descriptor, self._size, length):
            pieces.append(piece)
            length += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Give the descriptor back; reading again reopens the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


def read_in(folder: int, name: str) -> bytes:
    """The content of a small file of the kernel, looked at once: ``name`` below an open ``folder``.

    Raises:
        OSError: it does not exist, cannot be read, or what it tells of is gone.

    """
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return os.read(descriptor, _FIRST_SIZE)
    finally:
        os.close(descriptor)


class OddLines:
    """Lines of one file in a form that is not known here: each is left out, and the first is told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = False

    def skip(self, line: bytes) -> None:
        """Leave this line out."""
        if not self._told:
            self._told = True
            log.warning("a line of %s has an unknown form and is left out: %r", self._path, line[:200])
