"""What every source of signals promises to the sampler."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from loadwatch.clock import Clock
from loadwatch.errors import SamplingError

log = logging.getLogger(__name__)

TELL_AGAIN_SECONDS: Final = 60.0
"""A source that fails and recovers in turn writes no more lines than this lets it."""


class Source(Protocol):
    """One topic of the host (its CPUs, its disks, ...), read as a handful of signals.

    A source is owned by one thread. Its answers follow three rules:

    - a signal that this host does not have is absent from the answer;
    - a signal that it has, but whose value is unknown this time (a first reading, a counter that was reset,
      a device that came or went), is NaN;
    - anything that goes wrong is raised. The sampler isolates, counts and times. What went well beside it
      comes with a ``PartlyFailedError``: one odd file costs its own signals.
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


class AttachedSource(Source, Protocol):
    """A source that settings add, with a thread or a process of its own.

    There may be many, so their failures are counted together by kind: a metric has few labels.
    """

    @property
    def kind(self) -> str:
        """The ``source`` label of the metrics, in place of its own name."""
        ...

    def close(self) -> None:
        """Give up what it holds; it is not read again."""
        ...


class PartlyFailedError(SamplingError):
    """Some of a reading failed; ``values`` holds the rest, and NaN for what is missing."""

    def __init__(self, values: Mapping[str, float], errors: Sequence[Exception]) -> None:
        super().__init__("; ".join(str(error) or repr(error) for error in errors))
        self.values = values


class FaultLog:
    """What goes wrong with sources: counted, and logged when it begins and ends, but not each time of many.

    ``failures`` counts since the start by source, of an attached one by its kind; ``present`` has in words
    what went wrong at the last reading. Written by one thread; both may be read from any.
    """

    def __init__(self, clock: Clock, sources: Iterable[str]) -> None:
        self._clock = clock
        self._counted_as = {name: name for name in sources}
        self._told: dict[str, float] = {}
        self._shown: set[str] = set()
        self.failures: dict[str, int] = dict.fromkeys(self._counted_as, 0)
        self.present: dict[str, str] = {}

    def exchange(self, gone: Iterable[str], coming: Mapping[str, str]) -> None:
        """Forget some sources and know others, each with its kind; what is counted by kind goes on."""
        for source in gone:
            self._counted_as.pop(source, None)
            self._told.pop(source, None)
            self.present.pop(source, None)
            self._shown.discard(source)
        self._counted_as |= coming
        self.failures = {kind: self.failures.get(kind, 0) for kind in self._counted_as.values()}

    def note(self, source: str, fault: Exception | None) -> None:
        """Count a fault of one reading; None: it went well."""
        if fault is not None:
            self.failures[self._counted_as[source]] += 1
            now = self._clock.monotonic()
            if source not in self.present and now >= self._told.get(source, -math.inf) + TELL_AGAIN_SECONDS:
                log.warning("source fails source=%s error=%r", source, fault)
                self._told[source] = now
                self._shown.add(source)
            self.present[source] = str(fault) or repr(fault)
        elif self.present.pop(source, None) is not None and source in self._shown:
            self._shown.remove(source)
            log.info("source recovered source=%s", source)

    @contextlib.contextmanager
    def counted(self, source: str) -> Iterator[None]:
        """Let nothing that goes wrong in the block reach the caller; note it, or that nothing did."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a source does, the others go on; it is counted
            self.note(source, error)
        else:
            self.note(source, None)


class Faults:
    """Gathers what goes wrong in the parts of one reading."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def attempt(
        self, read: Callable[[], Mapping[str, float]], instead: Mapping[str, float]
    ) -> dict[str, float]:
        """What ``read`` gives, or ``instead`` where it fails."""
        try:
            return dict(read())
        except (OSError, ValueError, SamplingError) as error:
            self.note(error)
            return dict(instead)

    def note(self, error: Exception) -> None:
        """Remember what went wrong in one part."""
        self._errors.append(error)

    def told_with(self, values: dict[str, float]) -> dict[str, float]:
        """The values of the whole reading.

        Raises:
            PartlyFailedError: with these values, where anything went wrong.

        """
        if self._errors:
            raise PartlyFailedError(values, self._errors)
        return values
