"""How busy the CPUs were, from the time each spent in each state (``/proc/stat``).

psutil lists the CPUs that are online without their numbers, so a CPU that went and another that came would be
subtracted from each other; and its ``cpu_percent`` keeps its previous reading per thread and answers 0 the
first time. Here the kernel's own lines are read, and each CPU is compared with itself.
"""

import math
import os
from pathlib import Path
from typing import Final, NamedTuple

from loadwatch.errors import SamplingError
from loadwatch.sampling.plausibility import MOST_OF_TIME
from loadwatch.sampling.procfile import OddLines, ProcFile

# Order of the kernel's columns. The two after these, guest and guest_nice, are left out: the kernel has
# already counted them in user and nice.
_STATES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE: Final = _STATES.index("idle")
_IOWAIT: Final = _STATES.index("iowait")
_STEAL: Final = _STATES.index("steal")
_FEWEST_STATES: Final = _IDLE + 1  # what the oldest kernels have, and some that are only imitated

# The kernel's times wobble: they may step back a little when another CPU does the accounting (for iowait,
# Documentation/filesystems/proc.rst says so), after a migration, or where lxcfs shares them out among
# containers. A larger step back is a counter that was reset. node_exporter draws the line at the same place.
_WOBBLE_SECONDS: Final = 3.0
# Ticks that were counted late, beside what ``MOST_OF_TIME`` allows.
_LATE_SECONDS: Final = 1.0

Ticks = tuple[int, ...]


class CpuSource:
    """Shares of CPU time since the previous reading."""

    name = "cpu"
    signals = ("cpu", "cpu_max_core", "iowait", "steal")
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._file = ProcFile(procfs / "stat")
        self._odd = OddLines(procfs / "stat")
        self._hertz = os.sysconf("SC_CLK_TCK")
        self._before: dict[bytes, Ticks] = {}
        self._then = math.nan

    def read(self, now: float) -> dict[str, float]:
        """Busy share of all CPUs and of the busiest one, shares of iowait and steal; each 0 to 1.

        Over the CPUs that were there at both readings. A state whose counter was reset, or rose by more than
        the time that passed, is unknown; how busy the CPU was follows from the others as long as its idle or
        its busy time is sound. NaN at the first reading and when no CPU's time is known.

        Raises:
            OSError: the file cannot be read.
            SamplingError: it has no line of a CPU.

        """
        after = self._parse(self._file.read())
        before, self._before = self._before, after
        elapsed, self._then = now - self._then, now
        accounts = [
            _account(_spent(ticks, before[cpu], self._hertz, elapsed), elapsed)
            for cpu, ticks in after.items()
            if cpu in before
        ]
        return _shares([account for account in accounts if account is not None])

    def forget(self) -> None:
        """Drop the previous reading."""
        self._before = {}

    def _parse(self, content: bytes) -> dict[bytes, Ticks]:
        cpus: dict[bytes, Ticks] = {}
        for line in content.split(b"\n"):
            if not line.startswith(b"cpu"):
                break  # all of them come first
            name, *counts = line.split()
            if name == b"cpu":
                continue
            try:
                ticks = tuple(map(int, counts[: len(_STATES)]))
            except ValueError:
                ticks = ()
            if len(ticks) < _FEWEST_STATES:
                self._odd.skip(line)
            else:
                cpus[name] = ticks + (0,) * (len(_STATES) - len(ticks))
        if not cpus:
            raise SamplingError(
                f"cannot read {self._file.path}: expected lines such as 'cpu0 1 2 3 4', "
                f"found {content[:40]!r}"
            )
        return cpus


class _Account(NamedTuple):
    """Seconds of one CPU; iowait and steal are NaN where they are not known."""

    busy: float
    idle: float
    iowait: float
    steal: float


def _spent(after: Ticks, before: Ticks, hertz: int, elapsed: float) -> list[float]:
    """The seconds one CPU spent in each state, NaN where that cannot be."""
    most = MOST_OF_TIME * elapsed + _LATE_SECONDS
    spent = []
    for now, then in zip(after, before, strict=True):
        seconds = (now - then) / hertz
        spent.append(max(seconds, 0.0) if -_WOBBLE_SECONDS < seconds <= most else math.nan)
    return spent


def _account(spent: list[float], elapsed: float) -> _Account | None:
    """What one CPU did; None where nothing it did is known."""
    idle = spent[_IDLE] + spent[_IOWAIT]
    busy = math.fsum(time for state, time in enumerate(spent) if state not in {_IDLE, _IOWAIT})
    if math.isnan(idle) and not busy > 0.0:
        return None
    # What one of them must have been follows from the other and the time that passed.
    if math.isnan(busy):
        busy = max(elapsed - idle, 0.0)
    elif math.isnan(idle):
        idle = max(elapsed - busy, 0.0)
    return _Account(busy, idle, spent[_IOWAIT], spent[_STEAL])


def _shares(cpus: list[_Account]) -> dict[str, float]:
    """The signals from what each CPU did."""
    busy, idle, iowait, steal = map(math.fsum, zip(*cpus, strict=True)) if cpus else (0.0,) * 4
    total = busy + idle
    if total <= 0.0:
        return dict.fromkeys(CpuSource.signals, math.nan)
    return {
        "cpu": _ratio(busy, total),
        "cpu_max_core": max(_ratio(cpu.busy, cpu.busy + cpu.idle) for cpu in cpus if cpu.busy + cpu.idle > 0),
        "iowait": _ratio(iowait, total),
        "steal": _ratio(steal, total),
    }


def _ratio(part: float, whole: float) -> float:
    """A share between 0 and 1, freed of the last digit's rounding."""
    share = part / whole
    return share if math.isnan(share) else min(max(share, 0.0), 1.0)
