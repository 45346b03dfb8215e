"""What every source of signals promises to the sampler."""

from collections.abc import Mapping
from typing import Protocol


class Source(Protocol):
    """One topic of the host (its CPUs, its disks, ...), read as a handful of signals.

    A source is owned by one thread. Its answers follow three rules:

    - a signal that this host does not have is absent from the answer;
    - a signal that it has, but whose value is unknown this time (a first reading, a counter that was reset,
      a device that came or went), is NaN;
    - anything that goes wrong is raised. The sampler isolates, counts and times.
    """

    @property
    def name(self) -> str:
        """Short name, the ``source`` label of the metrics."""
        ...

    @property
    def signals(self) -> tuple[str, ...]:
        """Every signal this source may give, names of ``loadwatch.signals``."""
        ...

    @property
    def note(self) -> str:
        """What a reader of the values should know about how they were measured; empty: nothing unusual."""
        ...

    def read(self, now: float) -> Mapping[str, float]:
        """Measure; ``now`` is the monotonic clock in seconds, taken just before."""
        ...

    def forget(self) -> None:
        """Drop the previous reading: the next one starts afresh and gives no rates."""
        ...
