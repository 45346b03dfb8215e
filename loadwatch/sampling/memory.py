"""How full memory and swap are."""

import re
from pathlib import Path

from loadwatch.sampling.procfile import ProcFile

_LINE = re.compile(rb"^(MemTotal|MemAvailable|SwapTotal|SwapFree):\s+(\d+) kB$", re.MULTILINE)


class MemorySource:
    """Levels, not rates: every reading stands by itself.

    Both are in one file of the kernel; psutil reads it twice, and two more for what is not needed here.
    """

    name = "memory"
    signals = ("memory", "swap")
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._file = ProcFile(procfs / "meminfo")

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - levels, not rates
        """Shares of memory not available for new work and of swap in use; no ``swap`` without swap space."""
        kibibytes = {name: int(number) for name, number in _LINE.findall(self._file.read())}
        values = {"memory": 1.0 - min(kibibytes[b"MemAvailable"] / kibibytes[b"MemTotal"], 1.0)}
        if total := kibibytes.get(b"SwapTotal", 0):
            values["swap"] = 1.0 - kibibytes[b"SwapFree"] / total
        return values

    def forget(self) -> None:
        """Nothing is kept between readings."""
