"""Pictures of what processes and units use, taken now and then, and who used most between the last two."""

import contextlib
import heapq
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from loadwatch.clock import Clock
from loadwatch.records import Culprit, Culprits
from loadwatch.sampling.processes import (
    MOST_PROCESSES,
    ProcessPicture,
    ProcessReader,
    ProcessReading,
    is_of_whole_host,
    shown_name,
)
from loadwatch.sampling.procfile import ProcFile
from loadwatch.sampling.source import FaultLog
from loadwatch.sampling.units import MOST_UNITS, UnitPicture, UnitReader, waited_in_all
from loadwatch.sampling.usage import Between, UsagePicture
from loadwatch.signals import Resource

PICTURE_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 15.0
"""The same while something is flagged."""
LONGEST_SECONDS: Final = 900.0
"""Pictures further apart, or older, tell nothing of now: nobody sampled, or the host slept."""
NAMED: Final = 3
MOST_WEIGHED: Final = 32
"""Of the largest in memory: how many are asked what of it is their own."""
_MOST_USED: Final = 50
_UNEXPLAINED: Final = 0.5
_MUCH: Final = 0.25
"""Of all CPUs: who used less is not worth a word."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_NO_PROCESSES: Final = ProcessPicture({}, 0, None, is_hidden=False)

Place = TypeVar("Place", int, str)
"""The number of a process, or the path of a unit."""
HIDDEN: Final = "hidepid= or ProtectProc= hides the processes of others from loadwatch"
CONTAINED: Final = "only what runs in this container is seen"


class UsageMeter:
    """Takes a picture each minute, while something is flagged more often, and names who used most.

    What a picture costs is bounded by ``MOST_PROCESSES`` and ``MOST_UNITS``. Owned by one thread. What fails
    is told to ``faults`` under the name of one of the ``sources``.
    """

    sources = ("processes", "units")

    def __init__(self, clock: Clock, procfs: Path, sysfs: Path, faults: FaultLog) -> None:
        self._clock = clock
        self._faults = faults
        self._processes = ProcessReader(procfs)
        self._units = UnitReader(sysfs)
        self._stat = ProcFile(procfs / "stat")
        self._waits = ProcFile(procfs / "pressure" / "io")
        self._meminfo = ProcFile(procfs / "meminfo")
        self._before: UsagePicture | None = None
        self._now: UsagePicture | None = None
        self._found: dict[Resource, Culprits | None] = {}

    def follow(self, *, closely: bool) -> None:
        """Take a picture if one is due."""
        age = self._age()
        if age < (CLOSE_SECONDS if closely else PICTURE_SECONDS):
            return
        newest = self._picture(storage=closely)
        self._before = self._now if age <= LONGEST_SECONDS else None
        self._now = newest
        self._found.clear()

    def culprits(self, resource: Resource) -> Culprits | None:
        """Who used most of it between the last two pictures; None where there are none, or they are old."""
        before, now = self._before, self._now
        if before is None or now is None or self._age() > LONGEST_SECONDS:
            return None
        if resource not in self._found:
            self._found[resource] = None
            try:
                self._found[resource] = self._find(resource, before, now)
            except Exception as error:  # noqa: BLE001 - it must not cost the verdict; it is counted
                self._faults.note("processes", error)
        return self._found[resource]

    def _age(self) -> float:
        """Seconds since the newest picture, infinity where there is none."""
        return self._clock.boottime() - (self._now.boottime if self._now else -float("inf"))

    def _picture(self, *, storage: bool) -> UsagePicture:
        timestamp, boottime = self._clock.wall(), self._clock.boottime()
        processes, units, busy, cpus = _NO_PROCESSES, UnitPicture({}), 0, os.cpu_count() or 1
        waited = 0
        with self._faults.counted("processes"):
            busy, cpus = parse_cpu_time(self._stat.read())
            with contextlib.suppress(OSError, ValueError):  # a kernel that does not account it
                waited = waited_in_all(self._waits.read())
            processes = self._processes.read(self._most_used(), storage=storage)
            if processes.fault is not None:
                raise processes.fault
        with self._faults.counted("units"):
            units = self._units.read()
            if units.fault is not None:
                raise units.fault
        return UsagePicture(timestamp, boottime, processes, units, busy, cpus, waited)

    def _most_used(self) -> list[int]:
        """The numbers of those that used most CPU lately, where not all can be looked at."""
        before, now = self._before, self._now
        if before is None or now is None or now.processes.running <= MOST_PROCESSES:
            return []
        used = Between(before, now).cpus_by_process()
        return heapq.nlargest(_MOST_USED, used, key=lambda number: used[number])

    def _find(self, resource: Resource, before: UsagePicture, now: UsagePicture) -> Culprits | None:
        between, total = Between(before, now), self._total(resource, now)
        units, is_unit_stall = self._by_unit(resource, between)
        processes, is_process_stall = self._by_process(resource, between)
        if now.processes.is_hidden:
            processes = {}  # those of our own are no measure of others
        waited = between.waited_by_unit(resource)
        named = []
        names = {path: each.name for path, each in now.units.readings.items()}
        whole = total
        if resource == "io":  # of the host, as there are tasks in no unit, and several may wait at a time
            whole = between.waited_by_all() if is_unit_stall else between.moved_by_all()
        for name, share, places in _largest(units, names, whole):
            waits = [waited[path] / between.seconds for path in places if path in waited]
            pressure = min(1.0, max(waits)) if waits else None
            named.append(Culprit("unit", name, share, is_unit_stall, pressure))
        for name, share, numbers in _largest(processes, self._names(now), total):
            count, unit = len(numbers), self._processes.unit(numbers[0])
            named.append(Culprit("process", name, share, is_process_stall, None, count, unit))
        note = _note(now)
        if not note and resource == "cpu":
            note = _unexplained(between, now.cpus, max(sum(units.values()), sum(processes.values())))
        return Culprits(resource, now.timestamp, between.seconds, total, tuple(named), note)

    def _total(self, resource: Resource, now: UsagePicture) -> float | None:
        if resource == "memory":
            return int(self._meminfo.read().split(maxsplit=2)[1]) * 1024.0
        return float(now.cpus) if resource == "cpu" else None

    def _by_unit(self, resource: Resource, between: Between) -> tuple[dict[str, float], bool]:
        """Amounts by path: CPUs, bytes, or seconds of waiting, which is told."""
        if resource == "io":
            return between.storage_by_unit()
        if resource == "cpu":
            return between.cpus_by_unit(), False
        held = {path: each.memory for path, each in between.units.items() if each.memory and each.has_tasks}
        amounts: dict[str, float] = {}
        for path in heapq.nlargest(MOST_WEIGHED, held, key=lambda each: held[each]):
            with contextlib.suppress(OSError, ValueError, KeyError):  # it has ended since
                amounts[path] = float(self._units.memory_in_use(path))
        return amounts, False

    def _by_process(self, resource: Resource, between: Between) -> tuple[dict[int, float], bool]:
        """The same by number."""
        if resource == "io":
            return between.storage_by_process()
        if resource == "cpu":
            return between.cpus_by_process(), False
        return self._memory_by_process(between.processes), False

    def _memory_by_process(self, processes: Mapping[int, ProcessReading]) -> dict[int, float]:
        """Bytes by number, of the largest; what those of one name share is counted once, for the first."""
        amounts: dict[int, float] = {}
        names: set[bytes] = set()
        for number in heapq.nlargest(MOST_WEIGHED, processes, key=lambda each: processes[each].pages):
            pages = processes[number].pages
            if processes[number].name in names:
                with contextlib.suppress(OSError, ValueError):  # it has ended since
                    pages = self._processes.private_pages(number)
            names.add(processes[number].name)
            amounts[number] = float(pages * _PAGE)
        return amounts

    def _names(self, now: UsagePicture) -> dict[int, str]:
        """The names by number; ours tell us apart from other programs in Python."""
        own = self._processes.own_number()
        names = {number: shown_name(reading) for number, reading in now.processes.readings.items()}
        for number, reading in now.processes.readings.items():
            if own and own in {number, reading.parent}:
                names[number] = "loadwatch" if number == own else "loadwatch training"
        return names


def _largest(
    amounts: Mapping[Place, float], names: Mapping[Place, str], total: float | None
) -> Iterator[tuple[str, float, list[Place]]]:
    """The largest names: each with its share of the whole and with whose it is, who used most first.

    total: what there is; None or 0 where that is not known: then what was used by all of them is the whole.
    """
    whole = total or sum(amounts.values())
    places: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(amounts, key=lambda each: -amounts[each]):
        places[names[place]].append(place)
    used = {name: sum(amounts[place] for place in each) for name, each in places.items()}
    for name in heapq.nlargest(NAMED, used, key=lambda each: used[each]):
        if used[name] > 0.0:
            yield name, min(1.0, used[name] / whole), places[name]


def _note(now: UsagePicture) -> str:
    """What could not be seen, in words; empty where all could."""
    processes, units = now.processes, now.units
    if processes.is_hidden:
        return HIDDEN
    if not is_of_whole_host(processes) and not units.readings:
        return CONTAINED
    if processes.running > MOST_PROCESSES:
        return f"{MOST_PROCESSES:,} of {processes.running:,} processes were looked at"
    return f"the first {MOST_UNITS} units were looked at" if units.is_cut else ""


def _unexplained(between: Between, cpus: int, seen: float) -> str:
    """Says so where those who were seen used less than half of the CPUs that were busy."""
    busy = between.busy_cpus
    if busy < _MUCH * cpus or seen >= _UNEXPLAINED * busy:
        return ""
    return f"{seen:.1f} of {busy:.1f} busy CPUs are seen; the rest ended meanwhile or is elsewhere"


def parse_cpu_time(content: bytes) -> tuple[int, int]:
    r"""Ticks that all CPUs together were busy since boot, and how many CPUs there are, of ``/proc/stat``.

    >>> parse_cpu_time(b"cpu  5 1 2 90 3 0 1 4 0 0\ncpu0 1 0 0\ncpu1 4 1 2\nintr 7\n")
    (9, 2)
    """
    user, nice, system, _idle, _iowait, irq, softirq = map(int, content.split(maxsplit=8)[1:8])
    return user + nice + system + irq + softirq, content.count(b"\ncpu")
