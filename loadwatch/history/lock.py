"""One daemon on one state directory."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from loadwatch.errors import ServiceError
from loadwatch.state_directory import FILE_MODE


class StateLock:
    """An exclusive lock on a state directory, given back by the kernel however the process ends.

    The file ``lock`` in the directory names the owner for people; what counts is the kernel's ``flock`` on
    it, so a file left by a killed daemon bars nobody. The descriptor is not inherited by programs started
    later; a process made by a bare ``fork`` would share the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ServiceError: another process has it, or the directory is missing or not writable.

        """
        # Not through a link, and not waiting for the other end of a pipe.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._path, flags, FILE_MODE)
        except OSError as error:
            raise ServiceError(
                f"cannot use state directory {self._path.parent}: {error.strerror} (its file lock); "
                "create it, make it writable for this user, or choose another with --state-directory"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(descriptor, FILE_MODE)
            os.ftruncate(descriptor, 0)
            with contextlib.suppress(OSError):  # a full disk takes the lock but no number
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ServiceError(
                f"another loadwatch (process {owner}) already uses state directory {self._path.parent}; "
                "stop it, or choose another directory with --state-directory"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise ServiceError(f"cannot lock {self._path}: {error.strerror}") from error
        self._descriptor = descriptor

    def try_acquire(self) -> bool:
        """Take the lock, or answer False where another process has it.

        Raises:
            ServiceError: the directory is missing or not writable.

        """
        try:
            self.acquire()
        except ServiceError as error:
            if isinstance(error.__cause__, BlockingIOError):
                return False
            raise
        return True

    def renew(self) -> None:
        """Take the lock anew where its file was removed or replaced, as with the whole directory.

        Raises:
            ServiceError: another process has it now, or the directory cannot be used.

        """
        held = self._descriptor
        if held is None or not self._path.parent.is_dir():
            return
        with contextlib.suppress(FileNotFoundError):
            found, ours = self._path.lstat(), os.fstat(held)
            if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
                return
        self.acquire()
        os.close(held)

    def release(self) -> None:
        """Give the lock back; the file stays, because removing it would race with the next owner."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
