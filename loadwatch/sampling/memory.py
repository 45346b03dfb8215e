"""How full memory and swap are (``/proc/meminfo``).

psutil's answer leaves out what decides on many servers: memory that ZFS gives back when asked, and memory
that was set aside as huge pages.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.procfile import ProcFile
from loadwatch.sampling.source import Faults

_KIBIBYTE: Final = 1024
_ARC: Final = ([b"size"], [b"c_min"])
# What kernels before 3.14 lack MemAvailable for: an estimate in their own words.
_ABOUT_AVAILABLE: Final = (b"MemFree", b"Buffers", b"Cached", b"SReclaimable")


class MemorySource:
    """Levels, not rates: every reading stands by itself."""

    name = "memory"
    signals = ("memory", "swap")
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._file = ProcFile(procfs / "meminfo")
        self._arc = ProcFile(procfs / "spl" / "kstat" / "zfs" / "arcstats")
        self._procfs = procfs

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - levels, not rates
        """Shares of memory not available for new work and of swap in use; no ``swap`` without swap space.

        Memory set aside in static huge pages is judged by those who set it aside: the share is that of the
        rest. NaN where the kernel says that there is none.

        Raises:
            OSError: the file cannot be read.
            PartlyFailedError: something in it is not as it should be; the rest is there.

        """
        fields = _fields(self._file.read())
        faults = Faults()
        cache = faults.attempt(self._reclaimable, {})
        memory = faults.attempt(lambda: {"memory": _memory(fields, cache)}, {"memory": math.nan})
        swap = faults.attempt(lambda: _swap(fields), {"swap": math.nan})
        return faults.told_with({**memory, **swap})

    def forget(self) -> None:
        """Nothing is kept between readings."""

    def _reclaimable(self) -> dict[str, float]:
        """The bytes of ZFS's cache, and of its least size, below which it gives nothing back."""
        try:
            content = self._arc.read()
        except FileNotFoundError:
            return {}
        # Where lxcfs shows a container its own memory, the cache is that of the host around it.
        if self._file.path.stat().st_dev != self._procfs.stat().st_dev:
            return {}
        rows = (line.split() for line in content.split(b"\n"))
        found = {row[0].decode(): float(int(row[2])) for row in rows if row[:1] in _ARC}
        if len(found) < len(_ARC):
            raise SamplingError(f"cannot read {self._arc.path}: expected a line of size and one of c_min")
        return found


def _fields(content: bytes) -> dict[bytes, bytes]:
    """``MemTotal: 16 kB`` and so on, as they stand."""
    fields = {}
    for line in content.split(b"\n"):
        name, _, value = line.partition(b":")
        fields[name] = value
    return fields


def _bytes(fields: Mapping[bytes, bytes], name: bytes) -> float:
    """A field of the kernel's in bytes; 0 where it has none."""
    words = fields.get(name, b"0").split()
    try:
        return float(int(words[0])) * (_KIBIBYTE if words[1:] == [b"kB"] else 1)
    except (ValueError, IndexError) as error:
        raise SamplingError(f"cannot read {name.decode()} in meminfo: expected a number ({error})") from error


def _memory(fields: Mapping[bytes, bytes], cache: Mapping[str, float]) -> float:
    if b"MemTotal" not in fields:
        raise SamplingError("cannot read meminfo: it has no MemTotal")
    page = _bytes(fields, b"Hugepagesize")
    # The sum over all sizes of pages; before Linux 4.19 only the default size is told.
    pool = _bytes(fields, b"Hugetlb") or _bytes(fields, b"HugePages_Total") * page
    # Surplus pages come and go with the programs that use them: those are in use like other memory.
    total = _bytes(fields, b"MemTotal") - max(pool - _bytes(fields, b"HugePages_Surp") * page, 0.0)
    if total <= 0.0:
        return math.nan
    if b"MemAvailable" in fields:
        available = _bytes(fields, b"MemAvailable")
    else:
        available = math.fsum(_bytes(fields, name) for name in _ABOUT_AVAILABLE) - _bytes(fields, b"Shmem")
    if cache and cache["size"] <= total - _bytes(fields, b"MemFree"):
        available += max(cache["size"] - cache["c_min"], 0.0)
    return min(max(1.0 - available / total, 0.0), 1.0)


def _swap(fields: Mapping[bytes, bytes]) -> dict[str, float]:
    total, free = _bytes(fields, b"SwapTotal"), _bytes(fields, b"SwapFree")
    if total > 0.0 and b"SwapFree" not in fields:
        raise SamplingError("cannot read meminfo: it has SwapTotal and no SwapFree")
    return {"swap": max(1.0 - free / total, 0.0)} if total > 0.0 else {}
