"""What the daemon itself costs and since when, as Prometheus' client libraries tell it."""

import contextlib
import os
from pathlib import Path
from typing import Final

from loadwatch.exporter.instruments import Counter, Gauge
from loadwatch.exporter.pages import Content
from loadwatch.exporter.table import Metric
from loadwatch.sampling.procfile import ProcFile

RESIDENT: Final = Metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
START: Final = Metric(
    "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds."
)
CPU: Final = Metric(
    "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds."
)
PROCESS_METRICS: Final = (RESIDENT, START, CPU)


class OwnProcess:
    """Reads one file a sample; the library's collector reads three and lists all descriptors."""

    def __init__(self) -> None:
        self._file = ProcFile(Path("/proc/self/stat"))
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._resident, self._start, self._cpu = Gauge(RESIDENT), Gauge(START), Counter(CPU)
        with contextlib.suppress(OSError):
            lines = Path("/proc/stat").read_bytes().split(b"\n")
            booted = next(float(line.split()[1]) for line in lines if line.startswith(b"btime "))
            self._start.set(booted + float(self._fields()[19]) / self._ticks)

    def contents(self) -> list[Content]:
        """The metrics with their values of now; those of before where they cannot be read."""
        with contextlib.suppress(OSError):
            fields = self._fields()
            self._resident.set(float(fields[21]) * self._page)
            self._cpu.set(float(fields[11]) / self._ticks + float(fields[12]) / self._ticks)
        instruments = (self._resident, self._start, self._cpu)
        return [(each.metric, each.values(), each.family_of) for each in instruments]

    def _fields(self) -> list[bytes]:
        """Of proc(5)'s stat from the state on: what is before holds a name with anything in it."""
        return self._file.read().rpartition(b")")[2].split()
