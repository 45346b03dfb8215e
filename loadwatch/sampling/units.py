"""What each systemd unit and container has used, from control groups of version 2.

A unit is the first service, scope, mount, socket or swap on the way down from the root; services of users are
looked at one by one, what is inside a container is not. Where a host has no systemd it is any group without
groups in it. The names are the kernel's and systemd's, read by everybody.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from loadwatch.errors import SamplingError
from loadwatch.escaping import printable
from loadwatch.sampling.procfile import read_in
from loadwatch.signals import Resource

MOST_UNITS: Final = 500
"""Read in one picture; a large host has two hundred."""
_DEEPEST: Final = 8
_LONGEST_NAME: Final = 64
_SUFFIXES: Final = (".service", ".scope", ".mount", ".socket", ".swap")
_IDENTITY: Final = re.compile(r"[0-9a-f]{32,}")
"""Of a container; its first twelve digits are what people call it by."""
_REMOVED: Final = {errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENOTDIR}
"""What reading a group says that has been removed meanwhile."""
_PRESSURES: Final[dict[Resource, str]] = {
    "cpu": "cpu.pressure",
    "memory": "memory.pressure",
    "io": "io.pressure",
}


class UnitReading(NamedTuple):
    """Of one group: microseconds of CPU, bytes of memory, bytes moved to and from storage.

    ``moved`` is None where the kernel does not account it for this group, ``memory`` too. ``waited`` is how
    many microseconds some task waited, by resource. ``has_tasks`` is False for a slice that stands for those
    in it, which are not accounted one by one: only ``moved`` counts then.
    """

    name: str
    cpu: int
    memory: int | None
    moved: int | None
    waited: dict[Resource, int]
    has_tasks: bool = True


class UnitPicture(NamedTuple):
    """Readings by path at one moment; ``is_cut``: there are more than were read.

    ``moved``: bytes to and from storage of all together, also of what is in no unit; None where unknown.
    """

    readings: dict[str, UnitReading]
    is_cut: bool = False
    moved: int | None = None
    fault: SamplingError | None = None


class UnitReader:
    """Reads the tree of control groups. Owned by one thread."""

    def __init__(self, sysfs: Path) -> None:
        self._sysfs = sysfs

    def read(self) -> UnitPicture:
        """A picture; empty where there are no control groups of version 2.

        Raises:
            OSError: the root cannot be read.

        """
        readings: dict[str, UnitReading] = {}
        groups: list[tuple[str, str, int]] = []
        root = find_root(self._sysfs)
        if root is not None:
            groups.append((str(root), "", 0))
        fault: SamplingError | None = None
        while groups and len(readings) < MOST_UNITS:
            path, name, depth = groups.pop()
            try:
                ends = is_unit(name) or depth >= _DEEPEST
                inner = [] if ends else [(f"{path}/{each}", each, depth + 1) for each in _folders(path)]
                groups += reversed(inner)
                if depth:
                    readings.update(self._reading(path, name, stands_alone=not inner))
            except OSError as error:
                if depth == 0:
                    raise
                if error.errno not in _REMOVED:
                    fault = SamplingError(f"{path}: {error}")
            except (ValueError, IndexError) as error:
                fault = SamplingError(f"{path}: unknown form ({error!r})")
        return UnitPicture(readings, bool(groups), self._moved_by_all(root), fault)

    def _moved_by_all(self, root: Path | None) -> int | None:
        if root is None:
            return None
        with _opened(str(root)) as folder:
            content = _offered(folder, "io.stat")
        return None if content is None else _moved(content)

    def memory_in_use(self, path: str) -> int:
        """Bytes that a group could not give back at once: without the cache of files.

        Raises:
            OSError, ValueError, KeyError: it has ended, or the form is unknown.

        """
        with _opened(path) as folder:
            current = int(read_in(folder, "memory.current"))
            values = dict(line.split(b" ", 1) for line in read_in(folder, "memory.stat").splitlines())
        return max(0, current - int(values[b"file"]) + int(values[b"shmem"]))

    def _reading(self, path: str, name: str, *, stands_alone: bool) -> dict[str, UnitReading]:
        """Of a group to be told by its own name, or of one that others are in, where that stands for them."""
        with _opened(path) as folder:
            if stands_alone or not _accounts_inner_storage(folder):
                return {path: _read_unit(folder, shown_unit(name), has_tasks=stands_alone)}
        return {}


def find_root(sysfs: Path) -> Path | None:
    """Where control groups of version 2 are, also beside those of version 1; None where they are not."""
    places = (sysfs / "fs/cgroup", sysfs / "fs/cgroup/unified")
    return next((place for place in places if (place / "cgroup.controllers").exists()), None)


def unit_of(path: str) -> str:
    """The unit of a control group's path, as ``/proc/PID/cgroup`` has it; empty for the root.

    >>> unit_of("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/worker")
    'web.service'
    >>> unit_of("/system.slice/docker-" + 64 * "a" + ".scope/init"), unit_of("/")
    ('docker-aaaaaaaaaaaa.scope', '')
    """
    parts = [part for part in path.split("/") if part]
    return shown_unit(next((part for part in parts if is_unit(part)), parts[-1] if parts else ""))


def is_unit(name: str) -> bool:
    """Whether a group of this name is a unit or a container, so that what is in it is not told apart."""
    if name.startswith("user@"):
        return False
    return name.endswith(_SUFFIXES) or _IDENTITY.fullmatch(name) is not None


def shown_unit(name: str) -> str:
    """The name as people see it: printable, short, containers by the first twelve digits."""
    text = printable(_IDENTITY.sub(lambda found: found.group()[:12], name))
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _read_unit(folder: int, name: str, *, has_tasks: bool) -> UnitReading:
    waited: dict[Resource, int] = {}
    for resource, file in _PRESSURES.items() if has_tasks else ():
        content = _offered(folder, file)
        if content:
            waited[resource] = waited_in_all(content)
    cpu = int(read_in(folder, "cpu.stat").split(maxsplit=2)[1])
    memory, moved = _offered(folder, "memory.current"), _offered(folder, "io.stat")
    return UnitReading(
        name,
        cpu,
        None if memory is None else int(memory),
        None if moved is None else _moved(moved),
        waited,
        has_tasks,
    )


def _offered(folder: int, file: str) -> bytes | None:
    """The content of a file; None where this kernel does not account that, or not for this group."""
    try:
        return read_in(folder, file)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.ENOTSUP}:  # pressure that is switched off
            return None
        raise


def waited_in_all(pressure: bytes) -> int:
    """Microseconds in which some task waited: ``some ... total=`` of a pressure file.

    Raises:
        ValueError: it has another form.

    """
    kind, *_, last = pressure.splitlines()[0].split()
    name, _, total = last.partition(b"=")
    if (kind, name) != (b"some", b"total"):
        raise ValueError(f"expected pressure information, found {pressure[:40]!r}")
    return int(total)


def _moved(content: bytes) -> int:
    """Bytes read and written, of all devices, of an ``io.stat``."""
    words = [word.partition(b"=") for word in content.split()]
    return sum(int(value) for name, _, value in words if name in {b"rbytes", b"wbytes"})


def _accounts_inner_storage(folder: int) -> bool:
    return b"io" in (_offered(folder, "cgroup.subtree_control") or b"").split()


def _folders(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)
