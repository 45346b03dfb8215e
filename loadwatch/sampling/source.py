"""What every source of signals promises to the sampler."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from loadwatch.errors import SamplingError


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
