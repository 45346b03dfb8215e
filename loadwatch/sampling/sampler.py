"""One sample of the host: every source asked in turn, isolated from the others, counted and timed."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from loadwatch.clock import Clock
from loadwatch.records import Sample
from loadwatch.sampling.cpu import CpuSource
from loadwatch.sampling.disk import DiskSource
from loadwatch.sampling.load import LoadSource
from loadwatch.sampling.memory import MemorySource
from loadwatch.sampling.network import NetworkSource
from loadwatch.sampling.plausibility import largest
from loadwatch.sampling.pressure import PressureSource
from loadwatch.sampling.source import Source
from loadwatch.sampling.tcp import TcpSource

log = logging.getLogger(__name__)

# The kernel counts CPU time in ticks of 10 ms: over less than a few of them every share is noise.
SHORTEST_INTERVAL_SECONDS: Final = 0.05

# Boot time runs on while the machine sleeps, monotonic time does not. Reading one clock after the other
# takes microseconds, so a larger jump between both is a suspension.
_SUSPENSION_SECONDS: Final = 0.5


def default_sources(procfs: Path = Path("/proc")) -> list[Source]:
    """Every source, reading ``procfs`` and the ``sys`` beside it, or ``/sys`` where none is beside it.

    Both are elsewhere when a container looks at its host through a mounted ``/host/proc`` and ``/host/sys``.
    """
    beside = procfs.parent / "sys"
    sysfs = beside if beside.is_dir() else Path("/sys")
    return [
        CpuSource(),
        LoadSource(procfs),
        MemorySource(),
        NetworkSource(sysfs),
        DiskSource(sysfs),
        TcpSource(procfs),
        PressureSource(procfs),
    ]


class Sampler:
    """Measures the host once a call. Owned by one thread; the counts may be read from any.

    ``failures`` and ``unknowns`` count by source since the start: readings that failed or gave a number that
    cannot be (``plausibility``), and values that were unknown (NaN) at the moment. ``durations`` holds the
    seconds each source took last time.
    """

    def __init__(
        self, clock: Clock, *, procfs: Path = Path("/proc"), sources: Sequence[Source] | None = None
    ) -> None:
        self._clock = clock
        self._procfs = procfs
        self._sources = list(default_sources(procfs) if sources is None else sources)
        self._network = next((source for source in self._sources if isinstance(source, NetworkSource)), None)
        self._known = {source.name: source.signals for source in self._sources}
        self._failing: set[str] = set()
        self._last_monotonic: float | None = None
        self._asleep = clock.boottime() - clock.monotonic()
        self.failures: dict[str, int] = dict.fromkeys(self._known, 0)
        self.unknowns: dict[str, int] = dict.fromkeys(self._known, 0)
        self.durations: dict[str, float] = dict.fromkeys(self._known, math.nan)

    @property
    def notes(self) -> dict[str, str]:
        """What a reader should know about how some source measures, by source; usually empty."""
        return {source.name: source.note for source in self._sources if source.note}

    @property
    def largest_rate(self) -> float:
        """Bytes per second: the largest rate seen on an interface of unknown speed; settable after a restart.

        NaN where no network is sampled.
        """
        return self._network.largest_rate.bytes_per_second if self._network else math.nan

    @largest_rate.setter
    def largest_rate(self, bytes_per_second: float) -> None:
        if self._network and math.isfinite(bytes_per_second):
            self._network.largest_rate.bytes_per_second = max(bytes_per_second, 0.0)

    def sample(self) -> Sample | None:
        """Measure now.

        None for the first call, which only gives the rates their base, and for one that follows another by
        less than ``SHORTEST_INTERVAL_SECONDS``. After a suspension the rates of one sample are unknown.
        """
        psutil.PROCFS_PATH = str(self._procfs)
        timestamp, monotonic = self._clock.wall(), self._clock.monotonic()
        asleep = self._clock.boottime() - monotonic
        first = self._last_monotonic is None
        if self._last_monotonic is not None and monotonic - self._last_monotonic < SHORTEST_INTERVAL_SECONDS:
            return None
        if asleep - self._asleep > _SUSPENSION_SECONDS:
            log.info("machine was suspended seconds=%.1f", asleep - self._asleep)
            for source in self._sources:
                source.forget()
        self._last_monotonic, self._asleep = monotonic, asleep
        values: dict[str, float] = {}
        for source in self._sources:
            values.update(self._ask(source))
        return None if first else Sample(timestamp, monotonic, values)

    def _ask(self, source: Source) -> dict[str, float]:
        """The values of one source; NaN for what it is known to have when it fails."""
        start = self._clock.monotonic()
        try:
            values = self._checked(source.name, source.read(start))
        except Exception as error:  # noqa: BLE001 - whatever a source does, the others go on; it is counted
            self.failures[source.name] += 1
            self.unknowns[source.name] += len(self._known[source.name])
            if source.name not in self._failing:
                self._failing.add(source.name)
                log.warning("source fails source=%s error=%r", source.name, error)
            return dict.fromkeys(self._known[source.name], math.nan)
        finally:
            self.durations[source.name] = self._clock.monotonic() - start
        if source.name in self._failing:
            self._failing.discard(source.name)
            log.info("source recovered source=%s", source.name)
        self._known[source.name] = tuple(values)
        return values

    def _checked(self, source: str, values: Mapping[str, float]) -> dict[str, float]:
        """The values with those that cannot be turned into NaN; counts both kinds."""
        checked = {}
        for signal, value in values.items():
            if value < 0 or value > largest(signal):
                self.failures[source] += 1
                checked[signal] = math.nan
            else:
                checked[signal] = value
            if math.isnan(checked[signal]):
                self.unknowns[source] += 1
        return checked
