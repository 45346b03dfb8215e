"""How busy the CPUs were, from the time each spent in each state.

psutil's own ``cpu_percent`` keeps its previous reading per thread and answers 0 the first time; here the
times are read raw and subtracted by one owner.
"""

import math
import operator
from typing import Final

import psutil

# Order of the kernel's columns, which psutil keeps. The two after these, guest and guest_nice, are left out:
# the kernel has already counted them in user and nice.
_STATES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE: Final = _STATES.index("idle")
_IOWAIT: Final = _STATES.index("iowait")
_STEAL: Final = _STATES.index("steal")

# The kernel's idle and iowait times wobble: they may step back a little when another CPU does the accounting
# (Documentation/filesystems/proc.rst says so for iowait). A larger step back is a CPU that was switched off
# and on again. node_exporter draws the line at the same place.
_WOBBLE_SECONDS: Final = 3.0


class CpuSource:
    """Shares of CPU time since the previous reading."""

    name = "cpu"
    signals = ("cpu", "cpu_max_core", "iowait", "steal")
    note = ""

    def __init__(self) -> None:
        self._before: list[tuple[float, ...]] = []

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - shares need no clock
        """Busy share of all CPUs and of the busiest one, shares of iowait and steal; each 0 to 1.

        NaN for all of them at the first reading, when a CPU came, went or was reset, and when the kernel
        accounted for no time at all.
        """
        after = [tuple(times[: len(_STATES)]) for times in psutil.cpu_times(percpu=True)]
        before, self._before = self._before, after
        if not before or list(map(len, before)) != list(map(len, after)):
            return dict.fromkeys(self.signals, math.nan)
        return _shares([list(map(operator.sub, now, then)) for now, then in zip(after, before, strict=True)])

    def forget(self) -> None:
        """Drop the previous reading."""
        self._before = []


def _shares(spent: list[list[float]]) -> dict[str, float]:
    """The signals from the seconds each CPU spent in each state since the previous reading."""
    for times in spent:
        for state in (_IDLE, _IOWAIT):
            if -_WOBBLE_SECONDS < times[state] < 0.0:
                times[state] = 0.0
    by_cpu = [math.fsum(times) for times in spent]
    total = math.fsum(by_cpu)
    if total <= 0.0 or min(map(min, spent)) < 0.0:
        return dict.fromkeys(CpuSource.signals, math.nan)
    busy = [whole - times[_IDLE] - times[_IOWAIT] for whole, times in zip(by_cpu, spent, strict=True)]
    return {
        "cpu": _ratio(math.fsum(busy), total),
        "cpu_max_core": max(
            _ratio(part, whole) for part, whole in zip(busy, by_cpu, strict=True) if whole > 0
        ),
        "iowait": _ratio(math.fsum(times[_IOWAIT] for times in spent), total),
        "steal": _ratio(math.fsum(times[_STEAL] for times in spent), total),
    }


def _ratio(part: float, whole: float) -> float:
    """A share between 0 and 1, freed of the last digit's rounding."""
    return min(max(part / whole, 0.0), 1.0)
