"""How busy the CPUs were, from the time each spent in each state.

psutil's own ``cpu_percent`` keeps its previous reading per thread and answers 0 the first time; here the
times are read raw and subtracted by one owner.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
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
        self._before: npt.NDArray[np.float64] | None = None

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - shares need no clock
        """Busy share of all CPUs and of the busiest one, shares of iowait and steal; each 0 to 1.

        NaN for all of them at the first reading, when a CPU came, went or was reset, and when the kernel
        accounted for no time at all.
        """
        after = np.array([times[: len(_STATES)] for times in psutil.cpu_times(percpu=True)], dtype=np.float64)
        before, self._before = self._before, after
        if before is None or before.shape != after.shape:
            return dict.fromkeys(self.signals, math.nan)
        return _shares(after - before)

    def forget(self) -> None:
        """Drop the previous reading."""
        self._before = None


def _shares(spent: npt.NDArray[np.float64]) -> dict[str, float]:
    """The signals from the (CPUs, states) seconds spent since the previous reading; changes ``spent``."""
    waiting = spent[:, [_IDLE, _IOWAIT]]
    spent[:, [_IDLE, _IOWAIT]] = np.where((waiting < 0) & (waiting > -_WOBBLE_SECONDS), 0.0, waiting)
    by_cpu = spent.sum(axis=1)
    total = float(by_cpu.sum())
    if not (spent >= 0).all() or total <= 0:
        return dict.fromkeys(CpuSource.signals, math.nan)
    busy = by_cpu - spent[:, _IDLE] - spent[:, _IOWAIT]
    accounted = by_cpu > 0
    return {
        "cpu": _ratio(busy.sum(), total),
        "cpu_max_core": _ratio((busy[accounted] / by_cpu[accounted]).max(), 1.0),
        "iowait": _ratio(spent[:, _IOWAIT].sum(), total),
        "steal": _ratio(spent[:, _STEAL].sum(), total),
    }


def _ratio(part: float, whole: float) -> float:
    """A share between 0 and 1, freed of the last digit's rounding."""
    return min(max(float(part) / whole, 0.0), 1.0)
