"""How much the disks read and write, how busy the busiest is, and how long they let wait."""

import math
from collections.abc import Mapping
from pathlib import Path

import psutil

from loadwatch.sampling.counters import Counters
from loadwatch.sampling.devices import disks

_BYTES = ("read_bytes", "write_bytes")
_REQUESTS = ("read_count", "write_count")
_WAITS = ("read_time", "write_time")
_FIELDS = (*_BYTES, *_REQUESTS, *_WAITS, "busy_time")


class DiskSource:
    """Rates over whole disks since the previous reading.

    When the set of disks changes, all of them are unknown once: a sum over other disks than before would be
    a step that nothing in the real world made.
    """

    name = "disk"
    signals = ("disk_read", "disk_write", "disk", "disk_wait")

    def __init__(self, sysfs: Path) -> None:
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
            OSError, ValueError: the kernel's table cannot be read or understood.

        """
        try:
            # psutil would hide a step back of a counter (nowrap); here it makes the rate unknown.
            table = psutil.disk_io_counters(perdisk=True, nowrap=False)
        except (FileNotFoundError, NotImplementedError):
            return {}
        counted = self._selection.choose(table)
        if counted != self._counted:
            self._counters.forget()
            self._counted = counted
        if not counted:
            return {}
        rates = self._counters.rates(
            now,
            {(disk, field): getattr(table[disk], field) for disk in counted for field in _FIELDS},
        )
        # The kernel counts busy time in milliseconds, rounded to its clock tick: it may pass 1 by a hair.
        busy = [rates[disk, "busy_time"] / 1000.0 for disk in counted]
        return {
            "disk_read": math.fsum(rates[disk, "read_bytes"] for disk in counted),
            "disk_write": math.fsum(rates[disk, "write_bytes"] for disk in counted),
            "disk": math.nan if any(map(math.isnan, busy)) else min(max(busy), 1.0),
            "disk_wait": self._wait(rates),
        }

    def _wait(self, rates: Mapping[tuple[str, str], float]) -> float:
        """Seconds a request took, from asking to answer, over all that ended (what iostat calls await)."""
        requests = math.fsum(rates[disk, field] for disk in self._counted for field in _REQUESTS)
        waited = math.fsum(rates[disk, field] for disk in self._counted for field in _WAITS)
        return waited / 1000.0 / requests if requests else 0.0

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()
