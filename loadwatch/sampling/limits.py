"""How near the kernel is to the limits of what it hands out: files, threads, tracked connections."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.counters import Counters
from loadwatch.sampling.procfile import ProcFile
from loadwatch.sampling.source import Faults

_KILLS: Final = b"\noom_kill "
_WORDS: Final = {
    "file_handles": "open file handles",
    "threads": "processes and threads",
    "conntrack": "tracked connections",
}


class LimitSource:
    """Shares of kernel-wide limits in use, and how often memory ran out since the previous reading."""

    name = "limits"
    signals = ("file_handles", "threads", "conntrack", "oom_kills")
    note = ""

    def __init__(self, procfs: Path) -> None:
        kernel, netfilter = procfs / "sys" / "kernel", procfs / "sys" / "net" / "netfilter"
        self._handles = ProcFile(procfs / "sys" / "fs" / "file-nr")
        self._load = ProcFile(procfs / "loadavg")
        self._limits = [ProcFile(kernel / name) for name in ("threads-max", "pid_max")]
        self._tracked = ProcFile(netfilter / "nf_conntrack_count")
        self._most_tracked = ProcFile(netfilter / "nf_conntrack_max")
        self._events = ProcFile(procfs / "vmstat")
        self._counters: Counters[str] = Counters()
        self.levels: dict[str, float] = {}

    def read(self, now: float) -> dict[str, float]:
        """Open files, threads and connections over their limits, 0 to 1; kills per second.

        Nothing of what this kernel does not count or limit.

        Raises:
            PartlyFailedError: a file cannot be read or understood; the others are read.

        """
        parts: dict[str, Callable[[], float]] = {
            "file_handles": self._file_handles,
            "threads": self._threads,
            "conntrack": self._conntrack,
            "oom_kills": partial(self._oom_kills, now),
        }
        faults = Faults()
        values: dict[str, float] = {}
        for signal, read in parts.items():
            values.update(faults.attempt(partial(_if_there, signal, read), {signal: math.nan}))
        self.levels = {words: values[signal] for signal, words in _WORDS.items() if signal in values}
        return faults.told_with(values)

    def forget(self) -> None:
        """Drop the previous count of kills."""
        self._counters.forget()

    def _file_handles(self) -> float:
        # Allocated, allocated and free (always 0 since Linux 2.6), most.
        allocated, free, most = _numbers(self._handles)
        return _share(allocated - free, most)

    def _threads(self) -> float:
        words = self._load.read().split()
        try:
            existing = int(words[3].partition(b"/")[2])  # runnable/existing
        except (ValueError, IndexError) as error:
            raise SamplingError(f"cannot read {self._load.path}: no number of threads ({error})") from error
        return _share(existing, min(_numbers(limit)[0] for limit in self._limits))

    def _conntrack(self) -> float:
        return _share(_numbers(self._tracked)[0], _numbers(self._most_tracked)[0])

    def _oom_kills(self, now: float) -> float:
        content = b"\n" + self._events.read()
        place = content.find(_KILLS)
        if place < 0:
            raise FileNotFoundError  # before Linux 4.13 nobody counts them
        count = int(content[place + len(_KILLS) :].split(b"\n", 1)[0])
        return self._counters.rates(now, {"oom_kills": count})["oom_kills"]


def _if_there(signal: str, read: Callable[[], float]) -> dict[str, float]:
    try:
        return {signal: read()}
    except FileNotFoundError:
        return {}


def _numbers(file: ProcFile) -> list[int]:
    words = file.read().split()
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise SamplingError(f"cannot read {file.path}: expected numbers, found {words[:3]!r}") from error


def _share(used: int, most: int) -> float:
    return min(max(used / most, 0.0), 1.0) if most > 0 else math.nan
