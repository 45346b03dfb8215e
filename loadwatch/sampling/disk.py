"""How much the disks read and write, how busy the busiest is, and how long they let wait."""

import math
import re
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np

from loadwatch.errors import SamplingError
from loadwatch.records import Floats
from loadwatch.sampling.counters import CounterTable
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
_READS, _SECTORS_READ, _READING, _WRITES, _SECTORS_WRITTEN, _WRITING, _BUSY = range(len(_COLUMNS))
_SECTOR_BYTES: Final = 512
# A path to a namespace of an NVMe disk that has several, and what the disk itself is called.
_PATH: Final = re.compile(r"(nvme\d+)c\d+(n\d+)")

Columns = tuple[bytes, ...]


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
        self._names: list[bytes] = []
        self._counted: tuple[str, ...] = ()
        self._rows: list[int] = []
        self._paths: list[tuple[int, list[int]]] = []
        self._counters = CounterTable()

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
            names, table = self._parse(self._file.read())
        except FileNotFoundError:
            return {}
        if names != self._names:
            self._choose(names)
        if not self._rows:
            return {}
        rates = self._counters.rates(now, self._counts(table))
        # If one counter of a disk jumped, the others cannot be believed.
        fastest = FASTEST_DISK / _SECTOR_BYTES
        jumped = (rates[:, _BUSY] > 1000.0 * MOST_OF_TIME) | (
            (rates[:, _SECTORS_READ] > fastest) | (rates[:, _SECTORS_WRITTEN] > fastest)
        )
        if jumped.any():
            rates[jumped] = math.nan
        total = np.add.reduce(rates, axis=0).tolist()
        requests, waited = total[_READS] + total[_WRITES], total[_READING] + total[_WRITING]
        return {
            "disk_read": _SECTOR_BYTES * total[_SECTORS_READ],
            "disk_write": _SECTOR_BYTES * total[_SECTORS_WRITTEN],
            # The kernel rounds to its clock tick, so it may pass 1 by a hair; the largest of any NaN is NaN.
            "disk": min(float(rates[:, _BUSY].max()) / 1000.0, 1.0) if total[_BUSY] >= 0.0 else math.nan,
            # From asking to answer, over all that ended: what iostat calls await.
            "disk_wait": waited / 1000.0 / requests if requests else 0.0,
        }

    def _parse(self, content: bytes) -> tuple[list[bytes], list[Columns]]:
        """The name of each device, and its columns as they stand."""
        names, table = [], []
        for line in content.split(b"\n"):
            words = line.split(None, _FEWEST_COLUMNS - 1)
            if len(words) == _FEWEST_COLUMNS and b"".join(columns := _columns_of(words)).isdigit():
                names.append(words[2])
                table.append(columns)
            elif words:
                self._odd.skip(line)
        if not table and content.strip():
            raise SamplingError(
                f"cannot read {self._file.path}: expected a line a disk, found {content[:40]!r}"
            )
        return names, table

    def _choose(self, names: list[bytes]) -> None:
        """Find out which devices count, where they are other ones than before, or in another order."""
        self._names = names
        places = {name.decode("utf-8", "surrogateescape"): place for place, name in enumerate(names)}
        counted = self._selection.choose(places)
        if counted != self._counted:
            self._counters.forget()
            self._counted = counted
        self._rows = [places[name] for name in counted]
        paths: dict[str, list[int]] = {}
        for name, place in places.items():
            if path := _PATH.fullmatch(name):
                paths.setdefault(path[1] + path[2], []).append(place)
        self._paths = [(row, paths[name]) for row, name in enumerate(counted) if name in paths]

    def _counts(self, table: list[Columns]) -> Floats:
        """(N, C) what the disks have counted; the sum over the paths of one, where only they count.

        So it is with NVMe before Linux 6.1.
        """
        counts = np.array([list(map(int, table[row])) for row in self._rows], np.float64)
        for row, paths in self._paths:
            if not counts[row].any():
                counts[row] = np.array([list(map(int, table[path])) for path in paths], np.float64).sum(
                    axis=0
                )
        return counts

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()
