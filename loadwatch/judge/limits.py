"""Plain limits on the raw signals, beside whatever any model says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from loadwatch.judge.flags import Hysteresis


@dataclass(frozen=True, slots=True)
class Limit:
    """At its limit is a host whose ``signal`` stays at ``raise_at`` or above for ``seconds``.

    ``beside``: signals whose sum must reach ``beside_minimum`` too, for a signal that says little by itself.
    """

    signal: str
    raise_at: float
    clear_at: float
    seconds: float
    beside: tuple[str, ...] = ()
    beside_minimum: float = 0.0


LIMITS: Final[tuple[Limit, ...]] = (
    # Netdata's critical line and time for CPU, and its lines for memory and link (health.d cpu, ram, net).
    Limit("cpu", 0.95, 0.85, 600.0),
    Limit("memory", 0.98, 0.90, 120.0),
    # A link of unknown speed is measured by the largest rate seen, small on a quiet host: hence the bytes.
    Limit("network", 0.90, 0.85, 300.0, ("network_receive", "network_transmit"), 10e6),
    # Full swap is harmless while there is memory: old pages lie there. Both together come before the killer.
    Limit("swap", 0.90, 0.80, 300.0, ("memory",), 0.90),
    # systemd-oomd acts at 60 % memory pressure over 30 s. CPU pressure alone may be one throttled container.
    Limit("memory_pressure", 0.60, 0.30, 30.0),
    Limit("io_pressure", 0.80, 0.50, 120.0),
    Limit("cpu_pressure", 0.80, 0.50, 300.0, ("cpu",), 0.85),
)

DISTRESS: Final[Mapping[str, float]] = {
    "memory": 60.0,
    "swap": 60.0,
    "memory_pressure": 60.0,
    "io_pressure": 300.0,
}
"""Limits at which the kernel itself suffers, with the seconds of unusual high load after which no budget
keeps them from alerting. A backup may stall storage for minutes; memory at its end is near the killer."""

SUFFERING: Final[Mapping[str, float]] = {"cpu_pressure": 0.50, "memory_pressure": 0.10, "io_pressure": 0.30}
"""Pressure that confirms an alert, for tasks did wait: psi-notify's lines, storage at twice that for full."""

WATCHED: Final = frozenset(SUFFERING).union(*((line.signal, *line.beside) for line in LIMITS))
"""The raw signals that the judge looks at."""


class StaticLimits:
    """Follows the lines; a signal this host lacks has none."""

    def __init__(self, lines: tuple[Limit, ...] = LIMITS) -> None:
        self._lines = lines
        self._flags = [
            Hysteresis(line.raise_at, line.clear_at, line.seconds, clear_seconds=30.0) for line in lines
        ]
        self._watched = [(line.signal, line.raise_at) for line in lines]
        self.resting = True

    def is_quiet(self, values: Mapping[str, Any]) -> Any:
        """No signal is at its line, so that limits at rest go on resting.

        A bool for the values of one sample, (N,) bool for those (N,) of many.
        """
        loud: Any = False
        for signal, raise_at in self._watched:  # NaN is quiet
            if signal in values:
                loud = loud | (values[signal] >= raise_at)
        return loud ^ True

    def update(self, values: Mapping[str, float], elapsed: float) -> bool:
        """Whether the host is plainly at a limit, after a sample ``elapsed`` seconds after the last."""
        if self.resting and self.is_quiet(values):
            return False
        raised, self.resting = False, True
        for line, flag in zip(self._lines, self._flags, strict=True):
            value = values.get(line.signal, 0.0)
            if line.beside and not sum(values.get(name, 0.0) for name in line.beside) >= line.beside_minimum:
                value = 0.0
            raised = bool(flag.update(value, elapsed)) or raised
            self.resting = self.resting and flag.resting
        return raised

    @property
    def raised(self) -> tuple[str, ...]:
        """The signals over their lines now."""
        if self.resting:
            return ()
        return tuple(line.signal for line, flag in zip(self._lines, self._flags, strict=True) if flag.raised)

    def reset(self) -> None:
        """Forget everything but the lines."""
        for flag in self._flags:
            flag.reset()
        self.resting = True

    def to_state(self) -> dict[str, list[float]]:
        """What a restart must not forget: the lines that are not at rest."""
        return {
            line.signal: flag.to_state()
            for line, flag in zip(self._lines, self._flags, strict=True)
            if not flag.resting
        }

    def restore(self, state: Mapping[str, list[float]]) -> None:
        """Take up what `to_state` gave; lines that are no more are dropped."""
        for line, flag in zip(self._lines, self._flags, strict=True):
            if line.signal in state:
                flag.restore(state[line.signal])
        self.resting = all(flag.resting for flag in self._flags)


def is_suffering(values: Mapping[str, float]) -> bool:
    """Whether the kernel says that tasks really wait."""
    get = values.get
    return any(get(signal, 0.0) >= line for signal, line in SUFFERING.items())
