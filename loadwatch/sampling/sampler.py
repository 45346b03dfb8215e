"""One sample of the host: every source asked in turn, isolated from the others, counted and timed."""

import logging
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import psutil

from loadwatch.clock import Clock
from loadwatch.errors import SamplingError
from loadwatch.records import Culprits, Sample
from loadwatch.sampling.cpu import CpuSource
from loadwatch.sampling.disk import DiskSource
from loadwatch.sampling.filesystems import FilesystemSource
from loadwatch.sampling.limits import LimitSource
from loadwatch.sampling.load import LoadSource
from loadwatch.sampling.memory import MemorySource
from loadwatch.sampling.meter import UsageMeter
from loadwatch.sampling.network import NetworkSource
from loadwatch.sampling.plausibility import largest
from loadwatch.sampling.pressure import PressureSource
from loadwatch.sampling.source import AttachedSource, FaultLog, PartlyFailedError, Source
from loadwatch.sampling.tcp import TcpSource
from loadwatch.signals import BY_NAME, Resource

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
    sysfs = sysfs_of(procfs)
    return [
        CpuSource(procfs),
        LoadSource(procfs),
        MemorySource(procfs),
        NetworkSource(procfs, sysfs),
        DiskSource(procfs, sysfs),
        TcpSource(procfs),
        PressureSource(procfs),
        FilesystemSource(procfs),
        LimitSource(procfs),
    ]


def sysfs_of(procfs: Path) -> Path:
    """The ``sys`` of the same host, see ``default_sources``."""
    beside = procfs.parent / "sys"
    return beside if beside.is_dir() else Path("/sys")


class Sampler:
    """Measures the host once a call. Owned by one thread; the counts may be read from any.

    ``failures`` counts by source since the start: readings that failed, wholly or in part, or gave a number
    that cannot be (``plausibility``). Who uses what is followed only with the sources of a host, not with
    ``sources`` of the caller.
    """

    def __init__(
        self, clock: Clock, *, procfs: Path = Path("/proc"), sources: Sequence[Source] | None = None
    ) -> None:
        self._clock = clock
        self._procfs = procfs
        self._sources = list(default_sources(procfs) if sources is None else sources)
        self._network = next((source for source in self._sources if isinstance(source, NetworkSource)), None)
        self._known = {source.name: source.signals for source in self._sources}
        self._attached: list[AttachedSource] = []
        self._coming: Sequence[AttachedSource] | None = None
        self._last_monotonic: float | None = None
        self._asleep = clock.boottime() - clock.monotonic()
        followed = UsageMeter.sources if sources is None else ()
        self._faults = FaultLog(clock, (*self._known, *followed))
        self._meter = UsageMeter(clock, procfs, sysfs_of(procfs), self._faults) if followed else None

    @property
    def failures(self) -> dict[str, int]:
        """By source since the start; see the class."""
        return self._faults.failures

    @property
    def notes(self) -> dict[str, str]:
        """What a reader should know about how some source measures, by source; usually empty."""
        return {source.name: source.note for source in self._sources if source.note}

    @property
    def failing(self) -> dict[str, str]:
        """What went wrong at the last reading of each source that failed then."""
        return dict(self._faults.present)

    @property
    def levels(self) -> dict[str, float]:
        """How full each thing is that can fill up (0 to 1), by what people call it; NaN while unknown."""
        fillable = (source for source in self._sources if isinstance(source, FilesystemSource | LimitSource))
        return {what: share for source in fillable for what, share in source.levels.items()}

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

    def attach(self, sources: Sequence[AttachedSource]) -> None:
        """Ask these too from the next sample on, in the place of those attached before; from any thread."""
        self._coming = sources

    def close(self) -> None:
        """Give up what attached sources hold; to be called when nobody samples any more."""
        for source in (*self._attached, *(self._coming or ())):
            source.close()

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
            for source in (*self._sources, *self._attached):
                source.forget()
        self._last_monotonic, self._asleep = monotonic, asleep
        self._exchange()
        values: dict[str, float] = {}
        for source in (*self._sources, *self._attached):
            values.update(self._ask(source))
        return None if first else Sample(timestamp, monotonic, values)

    def follow_usage(self, *, closely: bool) -> None:
        """Take a picture of who uses what, if one is due; ``closely``: something is flagged."""
        if self._meter is not None:
            self._meter.follow(closely=closely)

    def culprits(self, resource: Resource) -> Culprits | None:
        """Who used most of a resource lately; None where that is not known (yet)."""
        return None if self._meter is None else self._meter.culprits(resource)

    def why_unknown(self, signal: str) -> str:
        """What went wrong at the last reading of the source of ``signal``; empty where nothing did."""
        return next(
            (self._faults.present.get(name, "") for name, known in self._known.items() if signal in known), ""
        )

    def _exchange(self) -> None:
        """Take up the sources that are to be attached; what is counted by kind goes on."""
        coming, self._coming = self._coming, None
        if coming is None:
            return
        gone = [source.name for source in self._attached]
        for source in self._attached:
            source.close()
            self._known.pop(source.name, None)
        self._attached = list(coming)
        self._known |= {source.name: source.signals for source in coming}
        self._faults.exchange(gone, {source.name: source.kind for source in coming})

    def _ask(self, source: Source) -> Mapping[str, float]:
        """The values of one source; NaN for what it is known to have and fails."""
        fault: Exception | None = None
        try:
            values = source.read(self._clock.monotonic())
        except PartlyFailedError as error:
            values, fault = error.values, error
        except Exception as error:  # noqa: BLE001 - whatever a source does, the others go on; it is counted
            values, fault = dict.fromkeys(self._known[source.name], math.nan), error
        impossible = {signal: value for signal, value in values.items() if not _can_be(signal, value)}
        if impossible and fault is None:
            words = ", ".join(f"{signal} {value:g}" for signal, value in impossible.items())
            fault = SamplingError(f"what it read cannot be: {words}")
        self._faults.note(source.name, fault)
        self._known[source.name] = tuple(values)
        return {**values, **dict.fromkeys(impossible, math.nan)} if impossible else values


def _can_be(signal: str, value: float) -> bool:
    least, most = _bounds(signal)
    return least <= value <= most or math.isnan(value)


@lru_cache(maxsize=512)
def _bounds(signal: str) -> tuple[float, float]:
    """Of our own signals none is negative; of others nothing but the size is known."""
    most = largest(signal)
    return 0.0 if signal in BY_NAME else -most, most
