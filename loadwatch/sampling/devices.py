"""Which network interfaces and disks count, so that each byte counts once.

The rule: a byte counts where it enters or leaves the machine. That is at a physical device, one with a
``device`` link in ``/sys``. Loopback, bridges, bonds, VLANs, tunnels, veth pairs, loop devices, RAM disks,
software RAID and device mapper have none: what they pass, a physical one passes too. Of the physical ones
some stand for others and are left out:

- an interface under a physical master (the accelerated twin of Azure and Hyper-V, virtio failover);
- a port of a switch chip (DSA), whose bytes go through the port of the CPU;
- a virtual function (SR-IOV) beside its physical one, and the representor of one;
- the host's end of a virtual machine's interface (Xen);
- a hidden path to an NVMe namespace.

Where nothing is physical (in a container, on some hypervisors) what is left is taken, without what is stacked
upon or bridged to other devices of the list; the sampler says so.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

# Disks in name only: files, memory, compressed memory, optical and floppy drives.
_NOT_A_DISK: Final = re.compile(r"(loop|ram|zram|sr|fd)\d+")
# What always rests on other disks, also where no /sys shows upon which.
_STACKED_DISK: Final = re.compile(r"(dm-|md|bcache|drbd|zd)\d+.*")

_REPRESENTOR: Final = re.compile(r"(c\d+)?pf\d+[vs]f\d+")
# Ends of cables into containers and machines, as those who make them name them.
_INNER_END: Final = re.compile(r"(veth|cali|lxc|cilium|vnet|tap|fwpr|fwln|vif).*")
# Tunnels (of IP, of anything) and radio monitors: ARPHRD_ in if_arp.h. Other interfaces pass their bytes too.
_TUNNELS: Final = {"768", "769", "776", "778", "801", "802", "803", "823", "65534"}


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
    """The interfaces at which bytes enter and leave the machine, or this container."""
    folder = sysfs / "class" / "net"

    def is_physical(name: str) -> bool:
        return (folder / name / "device").exists() and not _stands_for_another(folder / name)

    def fall_back(names: set[str]) -> set[str]:
        ends = {name for name in names - {"lo"} if not _is_stacked(folder / name)}
        ends -= _pairs(folder, ends)
        # A port of a bridge leads to an inner container, unless the way out is bridged itself.
        free = {name for name in ends if not (folder / name / "master").exists()}
        free = {name for name in free if not (folder / name / "brport").exists()}
        outer = {name for name in free if not _INNER_END.fullmatch(name)}
        bridged = {name for name in ends if not _INNER_END.fullmatch(name)}
        return outer or bridged or free or ends or names - {"lo"}

    return Selection(is_physical, fall_back)


def _stands_for_another(interface: Path) -> bool:
    """Whether the bytes of a physical interface are those of another physical one."""
    device = interface / "device"
    return (
        (interface / "master" / "device").exists()
        or _text(interface / "iflink") != _text(interface / "ifindex")
        or "DEVTYPE=dsa" in _text(interface / "uevent").split()
        or _REPRESENTOR.fullmatch(_text(interface / "phys_port_name")) is not None
        or any((device / "physfn" / "net").glob("*"))
        or (device / "subsystem").resolve().name == "xen-backend"
        or _text(device / "modalias").startswith("xen-backend:")
        or _text(interface / "type") in _TUNNELS
    )


def _is_stacked(interface: Path) -> bool:
    """Whether a virtual interface passes on what others of this machine pass."""
    return (
        (interface / "bridge").exists()
        or (interface / "bonding").exists()
        or any(interface.glob("lower_*"))
        or _text(interface / "type") in _TUNNELS
    )


def _pairs(folder: Path, names: Iterable[str]) -> set[str]:
    """Both ends of cables (veth) that do not leave this machine."""
    by_number = {_text(folder / name / "ifindex"): name for name in names}
    peers = {name: by_number.get(_text(folder / name / "iflink"), name) for name in names}
    return {name for name, peer in peers.items() if peer != name and peers.get(peer) == name}


def disks(sysfs: Path) -> Selection:
    """Whole physical disks; otherwise whatever is no partition of, and does not rest upon, another one."""
    folder = sysfs / "block"

    def block(name: str) -> Path:
        return folder / name.replace("/", "!")

    def is_physical(name: str) -> bool:
        return (
            _NOT_A_DISK.fullmatch(name) is None
            and (block(name) / "device").exists()
            and _text(block(name) / "hidden") in {"", "0"}
        )

    def fall_back(names: set[str]) -> set[str]:
        candidates = {name for name in names if _NOT_A_DISK.fullmatch(name) is None}
        whole = {
            name
            for name in candidates
            if block(name).is_dir() or not any(_is_partition(name, disk) for disk in candidates)
        }
        bare = {name for name in whole if not any((block(name) / "slaves").glob("*"))}
        return {name for name in bare if not _STACKED_DISK.fullmatch(name)} or bare

    return Selection(is_physical, fall_back)


def _is_partition(name: str, disk: str) -> bool:
    """Whether ``name`` is that of a partition of ``disk``.

    >>> _is_partition("sda1", "sda"), _is_partition("nbd1p2", "nbd1"), _is_partition("nbd10", "nbd1")
    (True, True, False)
    """
    separator = "p" if disk[-1].isdigit() else ""
    return re.fullmatch(rf"{re.escape(disk)}{separator}\d+", name) is not None


def _text(path: Path) -> str:
    """The content of a small file of ``/sys``; empty where there is none, or the driver refuses."""
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""
