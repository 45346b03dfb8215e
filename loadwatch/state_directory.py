"""The state directory: whose it must be, and with which rights its files and folders are made.

Whoever may write there can put a link, a pipe or another folder in the place of what we open. So it is ours
or root's, or nothing is done in it.
"""

import contextlib
import ctypes
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadwatch.errors import ServiceError
from loadwatch.escaping import printable
from loadwatch.files import kind_of

FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750
FILES: Final = ("lock", "history.db", "history.db-wal", "history.db-shm")
MODELS: Final = "models"
_CAPABILITY_VERSION: Final = 0x20080522  # capset(2): _LINUX_CAPABILITY_VERSION_3
_DAC_READ_SEARCH: Final = 1 << 2  # capabilities(7)
DYNAMIC_USERS: Final = range(61184, 65520)
"""The users that systemd makes up for DynamicUser= (systemd.exec(5)); the folder above is root's alone."""


def claim(directory: Path) -> None:
    """Make the directory where there is none, and make sure that it is fit to be written to.

    Raises:
        ServiceError: it cannot be made or used, is somebody else's, or holds what is no file where one of
            ours belongs.

    """
    make_folder(directory)
    with _opened(directory) as descriptor:
        owner = os.fstat(descriptor).st_uid
        if owner not in {os.geteuid(), 0}:
            raise ServiceError(
                f"state directory {printable(str(directory))} belongs to {_user(owner)}, and this process to "
                f"{_user(os.geteuid())}: whoever owns it could lead what is written elsewhere; run this as "
                f"{_user(owner)}, or choose another directory with --state-directory"
            )
        for name in FILES:
            _expect(descriptor, directory / name, stat.S_IFREG)
        _expect(descriptor, directory / MODELS, stat.S_IFDIR)


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Do what root does in the directory of a service as the user of that service, see `claim`.

    Under systemd the owner is a user that nobody can log in as; an operator can only be root there. What root
    then does is limited to what the service itself could do, and its files stay the service's.
    """
    owner = _looked_at(directory)
    if os.geteuid() != 0 or owner is None or owner.st_uid not in DYNAMIC_USERS:
        claim(directory)
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        _keep_search()
        claim(directory)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def make_folder(folder: Path) -> None:
    """Make a folder that others cannot look into, whatever the umask; one that is there stays as it is.

    Raises:
        ServiceError: it cannot be made.

    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=FOLDER_MODE)
        folder.chmod(FOLDER_MODE)
    except FileExistsError:
        pass
    except OSError as error:
        raise ServiceError(
            f"cannot create state directory {printable(str(folder))}: {error.strerror}; "
            "choose another with --state-directory"
        ) from error


def identity_of(directory: Path) -> str | None:
    """What tells a directory from all others of this host, and does not name it; None where there is none.

    Links and systemd's mounts lead to the same one by several names, so no path can tell.
    """
    found = _looked_at(directory)
    return None if found is None else f"{found.st_dev}:{found.st_ino}"


def is_open_to_all(directory: Path) -> bool:
    """Whether everybody may write there."""
    return bool(directory.stat().st_mode & stat.S_IWOTH)


def _looked_at(directory: Path) -> os.stat_result | None:
    try:
        return directory.stat()
    except OSError:
        return None


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    try:
        # Links on the way are followed: systemd's /var/lib/loadwatch is one. What counts is where they end.
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ServiceError(
            f"cannot use state directory {printable(str(directory))}: {error.strerror}; "
            "create it, make it writable for this user, or choose another with --state-directory"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _expect(descriptor: int, path: Path, kind: int) -> None:
    """Refuse what lies at a path in the opened directory and is of another kind; nothing at all is fine."""
    try:
        mode = os.stat(path.name, dir_fd=descriptor, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_IFMT(mode) != kind:
        raise ServiceError(
            f"{printable(str(path))} is {kind_of(mode)}, expected {kind_of(kind)}: move it away"
        )


def _keep_search() -> None:
    """Let root that acts as another user still pass folders that are root's alone.

    systemd keeps the directories of the users that it makes up below such a one, /var/lib/private. What may
    be written stays what the other user may write. Where root has no such capability, nothing changes.
    """
    libc = ctypes.CDLL(None)
    header, held = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, held) == 0:  # effective, permitted, inheritable; then the upper halves
        held[0] |= held[1] & _DAC_READ_SEARCH
        libc.capset(header, held)


def _user(number: int) -> str:
    try:
        return f"{pwd.getpwuid(number).pw_name!r}"
    except KeyError:
        return f"user {number}"
