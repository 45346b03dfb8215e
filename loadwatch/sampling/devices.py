"""Which network interfaces and disks are real, so that no byte is counted twice.

A physical device has a ``device`` link in ``/sys``: loopback, bridges, bonds, tunnels, veth pairs, loop
devices, RAM disks, software RAID and device mapper have none. Where nothing is physical (in a container, on
some hypervisors) the rest is taken as it is, and the sampler says so.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

# Disks in name only: files, memory, compressed memory, optical and floppy drives.
_NOT_A_DISK: Final = re.compile(r"(loop|ram|zram|sr|fd)\d+")


class Selection:
    """Names of devices, each classified once when it appears: hosts with hundreds of containers have many."""

    def __init__(self, is_physical: Callable[[str], bool], fall_back: Callable[[set[str]], set[str]]) -> None:
        self._is_physical = is_physical
        self._fall_back = fall_back
        self._seen: frozenset[str] = frozenset()
        self._physical: dict[str, bool] = {}
        self.chosen: tuple[str, ...] = ()
        self.only_virtual = False

    def choose(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of ``names`` to count, sorted."""
        seen = frozenset(names)
        if seen != self._seen:
            # A name that went and came back may be another device: only those still here keep their class.
            self._physical = {
                name: self._physical[name] if name in self._physical else self._is_physical(name)
                for name in seen
            }
            physical = {name for name, real in self._physical.items() if real}
            chosen = physical or self._fall_back(set(seen))
            self.only_virtual = bool(chosen) and not physical
            self.chosen = tuple(sorted(chosen))
            self._seen = seen
        return self.chosen


def interfaces(sysfs: Path) -> Selection:
    """Physical interfaces; each slave of a bond, but not the bond; otherwise all but the loopback.

    A physical interface under another physical one is left out: on Azure and Hyper-V the accelerated twin of
    ``eth0`` passes the same bytes that ``eth0`` counts.
    """
    folder = sysfs / "class" / "net"

    def is_physical(name: str) -> bool:
        return (folder / name / "device").exists() and not (folder / name / "master" / "device").exists()

    return Selection(is_physical, lambda names: names - {"lo"})


def disks(sysfs: Path) -> Selection:
    """Whole physical disks; otherwise whatever is no partition of, and does not rest upon, another one."""
    folder = sysfs / "block"

    def block(name: str) -> Path:
        return folder / name.replace("/", "!")

    def is_physical(name: str) -> bool:
        return _NOT_A_DISK.fullmatch(name) is None and (block(name) / "device").exists()

    def fall_back(names: set[str]) -> set[str]:
        candidates = {name for name in names if _NOT_A_DISK.fullmatch(name) is None}
        return {
            name
            for name in candidates
            # sda1 and nvme0n1p1 begin with the names of their disks.
            if not any(name != disk and re.fullmatch(rf"{re.escape(disk)}p?\d+", name) for disk in candidates)
            and not any((block(name) / "slaves").glob("*"))
        }

    return Selection(is_physical, fall_back)
