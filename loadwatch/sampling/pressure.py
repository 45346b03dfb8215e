"""Pressure stall information: how much of the time some task had to wait (``/proc/pressure``).

psutil has no call for it. The kernel has none before 4.20, without ``CONFIG_PSI``, and on distributions that
want ``psi=1`` on the kernel's command line; each of the three files is then simply absent here.
"""

import errno
import math
from functools import partial
from pathlib import Path
from typing import Final

from loadwatch.sampling.procfile import ProcFile
from loadwatch.sampling.source import Faults

# What the kernel says when the file is there but the accounting is switched off.
_SWITCHED_OFF: Final = {errno.EOPNOTSUPP, errno.ENOTSUP}


class PressureSource:
    """The share of the last ten seconds in which some task waited for a CPU, for memory, for storage.

    CPU pressure alone does not convict a host: the throttling of one container raises it too.
    """

    name = "pressure"
    signals = ("cpu_pressure", "memory_pressure", "io_pressure")
    note = ""

    def __init__(self, procfs: Path) -> None:
        folder = procfs / "pressure"
        self._files = {signal: ProcFile(folder / signal.removesuffix("_pressure")) for signal in self.signals}

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - the kernel averages by itself
        """``some avg10`` of each file, 0 to 1; a file that this kernel does not offer is left out.

        Raises:
            PartlyFailedError: a file is there and should be readable, but is not, or is no pressure
                information; the other two are read.

        """
        faults, values = Faults(), {}
        for signal, file in self._files.items():
            values.update(faults.attempt(partial(_read, signal, file), {signal: math.nan}))
        return faults.told_with(values)

    def forget(self) -> None:
        """Nothing is kept between readings."""


def _read(signal: str, file: ProcFile) -> dict[str, float]:
    try:
        return {signal: parse_some_avg10(file.read())}
    except FileNotFoundError:
        return {}
    except OSError as error:
        if error.errno in _SWITCHED_OFF:
            return {}
        raise


def parse_some_avg10(content: bytes) -> float:
    r"""The ``some avg10`` percentage as a ratio.

    >>> parse_some_avg10(b"some avg10=12.50 avg60=3.00 avg300=1.00 total=88\nfull avg10=0.00 ...")
    0.125
    """
    kind, _, rest = content.partition(b" ")
    name, _, percentage = rest.partition(b" ")[0].partition(b"=")
    if (kind, name) != (b"some", b"avg10"):
        raise ValueError(f"expected pressure information to begin with 'some avg10=', found {content[:40]!r}")
    return min(float(percentage) / 100.0, 1.0)
