"""How busy the CPUs were, from the time each spent in each state (``/proc/stat``).

psutil lists the CPUs that are online without their numbers, so a CPU that went and another that came would be
subtracted from each other; and its ``cpu_percent`` keeps its previous reading per thread and answers 0 the
first time. Here the kernel's own lines are read, and each CPU is compared with itself.
"""

import math
import os
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.errors import SamplingError
from loadwatch.records import Floats
from loadwatch.sampling.plausibility import MOST_OF_TIME
from loadwatch.sampling.procfile import OddLines, ProcFile

# Order of the kernel's columns. The two after these, guest and guest_nice, are left out: the kernel has
# already counted them in user and nice.
_STATES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE: Final = _STATES.index("idle")
_IOWAIT: Final = _STATES.index("iowait")
_STEAL: Final = _STATES.index("steal")
_BUSY: Final = [place for place in range(len(_STATES)) if place not in {_IDLE, _IOWAIT}]
_NOTHING: Final = np.zeros((0, 1 + len(_STATES)), np.int64)
_OF_NUMBERS: Final = b"\ncpu 0123456789"
_MOST_TICKS: Final = 2**63 - 1
_FEWEST_STATES: Final = _IDLE + 1  # what the oldest kernels have, and some that are only imitated

# The kernel's times wobble: they may step back a little when another CPU does the accounting (for iowait,
# Documentation/filesystems/proc.rst says so), after a migration, or where lxcfs shares them out among
# containers. A larger step back is a counter that was reset. node_exporter draws the line at the same place.
_WOBBLE_SECONDS: Final = 3.0
# Ticks that were counted late, beside what ``MOST_OF_TIME`` allows.
_LATE_SECONDS: Final = 1.0

Integers = npt.NDArray[np.int64]


class CpuSource:
    """Shares of CPU time since the previous reading."""

    name = "cpu"
    signals = ("cpu", "cpu_max_core", "iowait", "steal")
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._file = ProcFile(procfs / "stat")
        self._odd = OddLines(procfs / "stat")
        self._hertz = os.sysconf("SC_CLK_TCK")
        self._before = _NOTHING
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
        if after[:, 0].tobytes() != before[:, 0].tobytes():
            _, here, there = np.intersect1d(after[:, 0], before[:, 0], return_indices=True)
            after, before = after[here], before[there]
        if not len(after):
            return dict.fromkeys(self.signals, math.nan)
        seconds = (after - before)[:, 1:] / self._hertz
        if seconds.min() >= 0.0 and seconds.max() <= elapsed:
            idle = seconds[:, _IDLE] + seconds[:, _IOWAIT]
            return _shares(seconds, np.add.reduce(seconds, axis=1) - idle, idle)
        return _shares(*_known(seconds, elapsed))

    def forget(self) -> None:
        """Drop the previous reading."""
        self._before = _NOTHING

    def _parse(self, content: bytes) -> Integers:
        """(C, 1 + S): the number of each CPU, and the ticks that it spent in each state."""
        first, end = content.find(b"\ncpu"), content.find(b"\nintr")
        lines = content[first:end]
        if content.startswith(b"cpu ") and 0 <= first < end and not lines.translate(None, _OF_NUMBERS):
            count = lines.count(b"\n")
            numbers = np.fromstring(lines.replace(b"\ncpu", b"\n"), np.int64, sep=" ")
            width = len(numbers) // count
            if width * count == len(numbers) and width > len(_STATES):
                table = numbers.reshape(count, width)[:, : 1 + len(_STATES)]
                if (table[1:, 0] > table[:-1, 0]).all():
                    return table
        return self._parse_lines(content)

    def _parse_lines(self, content: bytes) -> Integers:
        """The same where not all lines are as today's kernels write them: each by itself."""
        cpus: dict[int, tuple[int, ...]] = {}
        for line in content.split(b"\n"):
            if not line.startswith(b"cpu"):
                break  # all of them come first
            name, *counts = line.split()
            if name == b"cpu":
                continue
            try:
                number, ticks = int(name[3:]), tuple(map(int, counts[: len(_STATES)]))
            except ValueError:
                number, ticks = -1, ()
            if len(ticks) < _FEWEST_STATES or max(ticks) > _MOST_TICKS:
                self._odd.skip(line)
            else:
                cpus[number] = ticks + (0,) * (len(_STATES) - len(ticks))
        if not cpus:
            raise SamplingError(
                f"cannot read {self._file.path}: expected lines such as 'cpu0 1 2 3 4', "
                f"found {content[:40]!r}"
            )
        return np.array([(number, *ticks) for number, ticks in cpus.items()], np.int64)


def _known(seconds: Floats, elapsed: float) -> tuple[Floats, Floats, Floats]:
    """What can be of ``seconds`` (C, S) in each state, else NaN; and the seconds (C,) busy, and idle.

    Without the CPUs of which nothing is known.
    """
    can_be = (seconds > -_WOBBLE_SECONDS) & (seconds <= MOST_OF_TIME * elapsed + _LATE_SECONDS)
    spent = np.where(can_be, np.maximum(seconds, 0.0), math.nan)
    idle, busy = spent[:, _IDLE] + spent[:, _IOWAIT], np.add.reduce(spent[:, _BUSY], axis=1)
    known = ~np.isnan(idle) | (busy > 0.0)
    spent, idle, busy = spent[known], idle[known], busy[known]
    # What one of them must have been follows from the other and the time that passed.
    at_work = np.where(np.isnan(busy), np.maximum(elapsed - idle, 0.0), busy)
    return spent, at_work, np.where(np.isnan(idle), np.maximum(elapsed - busy, 0.0), idle)


def _shares(spent: Floats, busy: Floats, idle: Floats) -> dict[str, float]:
    """The signals from what C CPUs did: seconds in each state (C, S), busy (C,), and idle (C,)."""
    whole = busy + idle
    ran = whole > 0.0
    if not ran.any():
        return dict.fromkeys(CpuSource.signals, math.nan)
    each = busy / whole if ran.all() else busy[ran] / whole[ran]
    total, states = float(np.add.reduce(whole)), np.add.reduce(spent, axis=0).tolist()
    return {
        "cpu": _ratio(float(np.add.reduce(busy)), total),
        "cpu_max_core": _ratio(float(each.max()), 1.0),
        "iowait": _ratio(states[_IOWAIT], total),
        "steal": _ratio(states[_STEAL], total),
    }


def _ratio(part: float, whole: float) -> float:
    """A share between 0 and 1, freed of the last digit's rounding."""
    share = part / whole
    return share if math.isnan(share) else min(max(share, 0.0), 1.0)
