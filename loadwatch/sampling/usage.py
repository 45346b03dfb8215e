"""Who used how much between two pictures of a host: amounts by process and by unit."""

import os
from dataclasses import dataclass
from typing import Final

from loadwatch.sampling.processes import ProcessPicture, ProcessReading
from loadwatch.sampling.units import UnitPicture, UnitReading
from loadwatch.signals import Resource

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class UsagePicture:
    """Processes and units at one moment, none where they could not be read.

    ``busy`` is how many ticks all CPUs together were busy since boot, ``cpus`` how many there are;
    ``waited`` for how many microseconds anybody at all waited for storage, 0 where that is not accounted.
    """

    timestamp: float
    boottime: float
    processes: ProcessPicture
    units: UnitPicture
    busy: int
    cpus: int
    waited: int = 0


class Between:
    """The difference of two pictures, the second of which was taken ``seconds`` after the first."""

    def __init__(self, before: UsagePicture, now: UsagePicture) -> None:
        self._before, self._now = before, now
        self.seconds = now.boottime - before.boottime
        born = before.boottime * TICKS_PER_SECOND
        known = before.processes.readings
        self._pairs: list[tuple[int, ProcessReading | None, ProcessReading]] = []
        """Of each process the readings then and now; the first is None for what has begun meanwhile."""
        for number, reading in now.processes.readings.items():
            old = known.get(number)
            if old is not None and old.start == reading.start:
                self._pairs.append((number, old, reading))
            elif reading.start >= born:
                self._pairs.append((number, None, reading))
        self._units = [
            (path, before.units.readings.get(path), reading)
            for path, reading in now.units.readings.items()
            if path in before.units.readings or not before.units.is_cut
        ]

    @property
    def processes(self) -> dict[int, ProcessReading]:
        """The newer readings, by number."""
        return self._now.processes.readings

    @property
    def units(self) -> dict[str, UnitReading]:
        """The newer readings, by path."""
        return self._now.units.readings

    @property
    def busy_cpus(self) -> float:
        """How many CPUs were busy, on average."""
        return max(0, self._now.busy - self._before.busy) / TICKS_PER_SECOND / self.seconds

    def cpus_by_process(self) -> dict[int, float]:
        """How many CPUs each process used, by its number."""
        ticks = ((number, new.ticks - (old.ticks if old else 0)) for number, old, new in self._pairs)
        return {number: used / TICKS_PER_SECOND / self.seconds for number, used in ticks if used > 0}

    def storage_by_process(self) -> tuple[dict[int, float], bool]:
        """Bytes moved by each process, or, where unknown, its ticks blocked on storage; and which of both.

        The kernel tells others' bytes to root alone, and the time only with the sysctl kernel.task_delayacct.
        """
        then, now = self._before.processes.moved, self._now.processes.moved
        if then is not None and now is not None:
            bytes_moved = ((number, now.get(number, 0) - then.get(number, 0)) for number, _, _ in self._pairs)
            return {number: float(moved) for number, moved in bytes_moved if moved > 0}, False
        ticks = ((number, new.blocked - (old.blocked if old else 0)) for number, old, new in self._pairs)
        return {number: float(blocked) for number, blocked in ticks if blocked > 0}, True

    def cpus_by_unit(self) -> dict[str, float]:
        """How many CPUs each unit used, by its path."""
        used = ((path, new.cpu - (old.cpu if old else 0)) for path, old, new in self._units if new.has_tasks)
        return {path: each / 1e6 / self.seconds for path, each in used if each > 0}

    def storage_by_unit(self) -> tuple[dict[str, float], bool]:
        """Bytes moved by each unit, or, where unknown, its seconds waiting for storage; and which of both."""
        moved = (
            (path, new.moved - ((old.moved if old else 0) or 0))
            for path, old, new in self._units
            if new.moved is not None
        )
        bytes_moved = {path: float(each) for path, each in moved if each > 0}
        return (bytes_moved, False) if bytes_moved else (self.waited_by_unit("io"), True)

    def moved_by_all(self) -> float:
        """Bytes to and from storage of the whole host, 0 where that is not accounted."""
        then, now = self._before.units.moved, self._now.units.moved
        return 0.0 if then is None or now is None else max(0.0, now - then)

    def waited_by_all(self) -> float:
        """Seconds in which anybody waited for storage."""
        return max(0, self._now.waited - self._before.waited) / 1e6

    def waited_by_unit(self, resource: Resource) -> dict[str, float]:
        """Seconds in which some task of the unit waited, by its path; absent where that is not accounted."""
        return {
            path: max(0, new.waited[resource] - (old.waited.get(resource, 0) if old else 0)) / 1e6
            for path, old, new in self._units
            if resource in new.waited
        }
