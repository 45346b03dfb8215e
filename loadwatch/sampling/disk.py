"""How much the disks read and write, how busy the busiest is, and how long they let wait."""

import math
import re
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.counters import Counters
from loadwatch.sampling.devices import disks
from loadwatch.sampling.plausibility import FASTEST_DISK, MOST_OF_TIME
from loadwatch.sampling.procfile import OddLines, ProcFile

# Columns of /proc/diskstats after major, minor and name (Documentation/admin-guide/iostats.rst). Kernels have
# appended more of them again and again: those are not looked at.
_COLUMNS: Final = {
    "reads": 0,
    "sectors_read": 2,
    "reading_milliseconds": 3,
    "writes": 4,
    "sectors_written": 6,
    "writing_milliseconds": 7,
    "busy_milliseconds": 9,
}
_FEWEST_COLUMNS: Final = 3 + 11
_columns_of = itemgetter(*(3 + place for place in _COLUMNS.values()))
_SECTOR_BYTES: Final = 512
_REQUESTS: Final = ("reads", "writes")
_WAITS: Final = ("reading_milliseconds", "writing_milliseconds")
# A path to a namespace of an NVMe disk that has several, and what the disk itself is called.
_PATH: Final = re.compile(r"(nvme\d+)c\d+(n\d+)")

Counts = dict[str, int]


class DiskSource:
    """Rates over whole disks since the previous reading.

    When the set of disks changes, all of them are unknown once: a sum over other disks than before would be
    a step that nothing in the real world made.
    """

    name = "disk"
    signals = ("disk_read", "disk_write", "disk", "disk_wait")

    def __init__(self, procfs: Path, sysfs: Path) -> None:
        self._file = ProcFile(procfs / "diskstats", in_pieces=True)
        self._odd = OddLines(procfs / "diskstats")
        self._selection = disks(sysfs)
        self._counted: tuple[str, ...] = ()
        self._counters: Counters[tuple[str, str]] = Counters()

    @property
    def note(self) -> str:
        """Says so when no disk is a physical one."""
        if not self._selection.only_virtual:
            return ""
        return f"no physical disk here: counting {', '.join(self._counted)}"

    def read(self, now: float) -> dict[str, float]:
        """Bytes read and written per second, busy share of the busiest disk (0 to 1), seconds a request took.

        Nothing without disks.

        Raises:
            OSError: the kernel's table cannot be read.
            SamplingError: no line of it can be understood.

        """
        try:
            table = self._parse(self._file.read())
        except FileNotFoundError:
            return {}
        counted = self._selection.choose(table)
        if counted != self._counted:
            self._counters.forget()
            self._counted = counted
        if not counted:
            return {}
        counts = {name: self._counts(name, table) for name in counted}
        rates = self._counters.rates(
            now, {(disk, column): counts[disk][column] for disk in counted for column in _COLUMNS}
        )
        for disk in counted:
            if not _can_be({column: rates[disk, column] for column in _COLUMNS}):
                rates.update({(disk, column): math.nan for column in _COLUMNS})
        return {
            "disk_read": _SECTOR_BYTES * math.fsum(rates[disk, "sectors_read"] for disk in counted),
            "disk_write": _SECTOR_BYTES * math.fsum(rates[disk, "sectors_written"] for disk in counted),
            "disk": self._busiest(rates),
            "disk_wait": self._wait(rates),
        }

    def _parse(self, content: bytes) -> dict[str, list[bytes]]:
        """The columns of each device as they stand."""
        table = {}
        for line in content.split(b"\n"):
            words = line.split()
            if len(words) >= _FEWEST_COLUMNS and b"".join(_columns_of(words)).isdigit():
                table[words[2].decode("utf-8", "surrogateescape")] = words[3:]
            elif words:
                self._odd.skip(line)
        if not table and content.strip():
            raise SamplingError(
                f"cannot read {self._file.path}: expected a line a disk, found {content[:40]!r}"
            )
        return table

    def _counts(self, name: str, table: Mapping[str, list[bytes]]) -> Counts:
        """What a disk has counted; the sum over its paths, where only they count (NVMe before Linux 6.1)."""
        counts = _numbers(table[name])
        if any(counts.values()):
            return counts
        paths = [path for path in table if (found := _PATH.fullmatch(path)) and found[1] + found[2] == name]
        for path in paths:
            numbers = _numbers(table[path])
            counts = {column: counts[column] + numbers[column] for column in _COLUMNS}
        return counts

    def _busiest(self, rates: Mapping[tuple[str, str], float]) -> float:
        """The largest share of time; the kernel rounds to its clock tick, so it may pass 1 by a hair."""
        busy = [rates[disk, "busy_milliseconds"] / 1000.0 for disk in self._counted]
        return math.nan if any(map(math.isnan, busy)) else min(max(busy), 1.0)

    def _wait(self, rates: Mapping[tuple[str, str], float]) -> float:
        """Seconds a request took, from asking to answer, over all that ended (what iostat calls await)."""
        requests = math.fsum(rates[disk, field] for disk in self._counted for field in _REQUESTS)
        waited = math.fsum(rates[disk, field] for disk in self._counted for field in _WAITS)
        return waited / 1000.0 / requests if requests else 0.0

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()


def _numbers(words: list[bytes]) -> Counts:
    return {column: int(words[place]) for column, place in _COLUMNS.items()}


def _can_be(rates: Mapping[str, float]) -> bool:
    """Whether a disk may have done this; if one of its counters jumped, the others cannot be believed."""
    moved = _SECTOR_BYTES * max(rates["sectors_read"], rates["sectors_written"])
    return not (rates["busy_milliseconds"] > 1000.0 * MOST_OF_TIME or moved > FASTEST_DISK)
