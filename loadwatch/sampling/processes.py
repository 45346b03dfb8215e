"""What each process has used since it began, from ``/proc``: names and figures, never a command line."""

import math
import os
from bisect import bisect_right
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from loadwatch.errors import SamplingError
from loadwatch.escaping import printable
from loadwatch.sampling.procfile import read_in
from loadwatch.sampling.units import unit_of

MOST_PROCESSES: Final = 2_000
"""Read in one picture; of more a window that moves on, and those that used most before."""
PICTURES_A_WINDOW: Final = 2
"""A use is the difference of two pictures, so the window stands still for two."""
_MOST_REFUSED: Final = 0.1
"""Of all processes: what the others moved still tells who moves most. Pid 1 is closed even to some roots."""
_LONGEST_NAME: Final = 40
_KERNEL_THREAD: Final = 0x0020_0000
_KTHREADD: Final = 2
"""The parent of all kernel threads, seen only where processes are not those of a container."""


class ProcessReading(NamedTuple):
    """Of one process: ticks of CPU, pages of memory, ticks for which it was blocked on storage, its name.

    ``start`` is in ticks since boot, and with the number tells a process from a later one of the same number.
    """

    start: int
    ticks: int
    pages: int
    blocked: int
    name: bytes
    parent: int
    is_kernel: bool


class ProcessPicture(NamedTuple):
    """Readings by number at one moment; ``running`` is how many processes there were to read."""

    readings: dict[int, ProcessReading]
    running: int
    moved: dict[int, int] | None
    """Bytes read from and written to storage; None where it was not asked, or is not ours to see of most."""
    is_hidden: bool
    """The kernel shows no processes but our own."""
    fault: SamplingError | None = None


class ProcessReader:
    """Reads ``stat`` of every process, of thousands a part. Owned by one thread."""

    def __init__(self, procfs: Path) -> None:
        self._procfs = procfs
        self._first = self._last = 0
        self._pictures = 0

    def read(self, most_used: Collection[int] = (), *, storage: bool = False) -> ProcessPicture:
        """A picture; ``most_used`` are in it whatever their number, ``storage`` asks for bytes moved as well.

        Raises:
            OSError: there is no list of processes.

        """
        listed = os.listdir(self._procfs)  # noqa: PTH208 - a path object for each would cost as much as its reading
        numbers = sorted(int(name) for name in listed if name.isdecimal())
        readings: dict[int, ProcessReading] = {}
        moved: dict[int, int] = {}
        refused, not_told, most_refused = 0, 0 if storage else math.inf, _MOST_REFUSED * len(numbers)
        fault = None
        folder = os.open(self._procfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for number in self._chosen(numbers, most_used):
                try:
                    readings[number] = parse_stat(read_in(folder, f"{number}/stat"))
                    if not_told <= most_refused:
                        moved[number] = _bytes_moved(read_in(folder, f"{number}/io"))
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has ended
                except PermissionError:
                    if number in readings:
                        not_told += 1
                    else:
                        refused += 1
                except (ValueError, IndexError, KeyError) as error:
                    fault = SamplingError(f"{self._procfs}/{number}: unknown form ({error!r})")
        finally:
            os.close(folder)
        is_hidden = refused > len(readings) or (bool(numbers) and numbers[0] != 1)
        told = moved if not_told <= most_refused else None
        return ProcessPicture(readings, len(numbers), told, is_hidden, fault)

    def own_number(self) -> int:
        """Our own number among those processes, 0 where it is not known."""
        try:
            return int((self._procfs / "self").readlink().name)
        except (OSError, ValueError):
            return 0

    def unit(self, number: int) -> str:
        """What a process belongs to; empty where it is not known."""
        try:
            content = (self._procfs / str(number) / "cgroup").read_bytes()[:4096]
        except OSError:
            return ""
        paths = [line[3:] for line in content.splitlines() if line.startswith(b"0::")]
        return unit_of(os.fsdecode(paths[0])) if paths else ""

    def private_pages(self, number: int) -> int:
        """Pages in memory that are a process's own, without those that it may share with others.

        Raises:
            OSError, ValueError: it has ended, or the form is unknown.

        """
        resident, shared = (self._procfs / str(number) / "statm").read_bytes().split()[1:3]
        return max(int(resident) - int(shared), 0)

    def _chosen(self, numbers: list[int], most_used: Collection[int]) -> Iterator[int]:
        if len(numbers) <= MOST_PROCESSES:
            yield from numbers
            return
        if self._pictures % PICTURES_A_WINDOW == 0:
            place = bisect_right(numbers, self._last) % len(numbers)
            ahead = (numbers[place:] + numbers[:place])[:MOST_PROCESSES]
            self._first, self._last = ahead[0], ahead[-1]
        self._pictures += 1
        first, last = self._first, self._last
        inside = [n for n in numbers if (first <= n <= last if first <= last else n >= first or n <= last)]
        yield from dict.fromkeys([_KTHREADD, *inside[:MOST_PROCESSES], *most_used])


def parse_stat(content: bytes) -> ProcessReading:
    """The line that the kernel writes of a process; its name may hold any byte, brackets and blanks too.

    Raises:
        ValueError, IndexError: it has another form.

    """
    begin, end = content.index(b"("), content.rindex(b")")
    fields = content[end + 2 :].split()
    return ProcessReading(
        start=int(fields[19]),
        ticks=int(fields[11]) + int(fields[12]),
        pages=int(fields[21]),
        blocked=int(fields[39]) if len(fields) > 39 else 0,
        name=content[begin + 1 : end],
        parent=int(fields[1]),
        is_kernel=bool(int(fields[6]) & _KERNEL_THREAD),
    )


def shown_name(reading: ProcessReading) -> str:
    """The name as people see it: printable, short, and of kernel threads as ``ps`` shows it, without its CPU.

    >>> shown_name(ProcessReading(0, 0, 0, 0, b"kworker/u8:3-events", 2, True))
    '[kworker]'
    """
    text = printable(reading.name.decode("utf-8", "surrogateescape"))
    if reading.is_kernel:
        text = f"[{text.partition('/')[0]}]"
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def is_of_whole_host(picture: ProcessPicture) -> bool:
    """Whether these are all processes of a machine, and not those of a container."""
    kthreadd = picture.readings.get(_KTHREADD)
    return kthreadd is not None and kthreadd.is_kernel


def _bytes_moved(content: bytes) -> int:
    """``read_bytes`` and ``write_bytes`` of ``/proc/PID/io``."""
    values = dict(line.split(b": ") for line in content.splitlines())
    return int(values[b"read_bytes"]) + int(values[b"write_bytes"]) - int(values[b"cancelled_write_bytes"])
