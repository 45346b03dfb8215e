"""The queue of work: the kernel's load average."""

from pathlib import Path

import psutil

from loadwatch.errors import SamplingError
from loadwatch.sampling.procfile import ProcFile


class LoadSource:
    """The one-minute load average over the number of CPUs that are online."""

    name = "load"
    signals = ("load_per_cpu",)
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._file = ProcFile(procfs / "loadavg")

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - a level, not a rate
        """Runnable and uninterruptible tasks a CPU; 1 is a machine exactly full, more is a queue.

        Raises:
            SamplingError: the kernel does not say how many CPUs there are.
            OSError, ValueError: the file cannot be read or understood.

        """
        load = float(self._file.read().split(None, 1)[0])
        cpus = psutil.cpu_count()
        if not cpus:
            raise SamplingError("cannot relate the load average to CPUs: their number is unknown here")
        return {"load_per_cpu": load / cpus}

    def forget(self) -> None:
        """Nothing is kept between readings."""
