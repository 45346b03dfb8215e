"""What goes into the judge with every sample, and what comes out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from loadwatch.judge.limits import WATCHED
from loadwatch.records import VERDICTS, Alert, FlagSource, Floats, Stage, Verdict

Flags = npt.NDArray[np.int8]
PIECE: Final = 64
"""Samples that are taken out of a batch at once, to be judged one by one."""


class Evidence(NamedTuple):
    """What is known at one sample. NaN is unknown throughout.

    level: load level of the rule, which holds above 1; probabilities: one for each horizon of the judge, in
    its order; anomaly_score: 0 to 1, 0.5 is the model's own threshold; values: raw signals, for the static
    limits;
    training: our own training runs now, so that an anomaly would be of our making.
    """

    timestamp: float
    level: float
    probabilities: tuple[float, ...]
    anomaly_score: float
    values: Mapping[str, float]
    maintenance: bool = False
    training: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge says at one sample.

    ``high_load`` maps horizon to flag; a horizon of which nothing is known is absent, and a flag that is up
    has those of all longer horizons up with it. ``flagged_by`` tells for each raised flag who raised it, for
    one that follows a shorter horizon who raised that. ``anomaly`` is None while unknown. ``alerts`` has the
    verdicts of which an alert is open, each with its stage. ``budget_spent``: the alerts of late have used up
    the budget, so that for now only what is worse than anything in the host's memory opens one.
    """

    high_load: Mapping[int, bool] = field(default_factory=dict)
    flagged_by: Mapping[int, FlagSource] = field(default_factory=dict)
    anomaly: bool | None = None
    alerts: Mapping[Verdict, Stage] = field(default_factory=dict)
    budget_spent: bool = False
    opened: tuple[Alert, ...] = ()
    closed: tuple[Alert, ...] = ()

    @property
    def state(self) -> tuple[object, ...]:
        """All but the events."""
        return self.high_load, self.flagged_by, self.anomaly, self.alerts, self.budget_spent


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """The same for N samples: flags are 1, 0, or -1 where unknown; high_load (N, H), anomaly (N,).

    alerts: (N,) for each verdict, 0 while none is open, 1 while one is present, 2 while it is expected.
    """

    high_load: Flags
    anomaly: Flags
    alerts: Mapping[Verdict, Flags]
    opened: tuple[Alert, ...]
    closed: tuple[Alert, ...]

    @classmethod
    def of(cls, changes: Sequence[tuple[int, Judgement]], rows: int, horizons: Sequence[int]) -> Self:
        """From the rows where a judgement changed, which stands until the next one."""
        high_load, anomaly = np.zeros((rows, len(horizons)), np.int8), np.zeros(rows, np.int8)
        alerts: dict[Verdict, Flags] = {verdict: np.zeros(rows, np.int8) for verdict in VERDICTS}
        ends = [*(row for row, _ in changes), rows][1:]
        for (row, judgement), end in zip(changes, ends, strict=True):
            high_load[row:end] = [_flag(judgement.high_load.get(horizon)) for horizon in horizons]
            anomaly[row:end] = _flag(judgement.anomaly)
            for verdict, stage in judgement.alerts.items():
                alerts[verdict][row:end] = 1 if stage == "present" else 2
        opened = tuple(alert for _, judgement in changes for alert in judgement.opened)
        closed = tuple(alert for _, judgement in changes for alert in judgement.closed)
        return cls(high_load, anomaly, alerts, opened, closed)


def _flag(value: bool | None) -> int:
    return -1 if value is None else int(value)


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceBatch:
    """Evidence of N samples in time order.

    timestamps, levels, anomaly_scores: (N,); probabilities: (N, H); values: (N,) by signal; maintenance and
    training: (N,) bool, or None where there is none.
    """

    timestamps: Floats
    levels: Floats
    probabilities: Floats
    anomaly_scores: Floats
    values: Mapping[str, Floats] = field(default_factory=dict)
    maintenance: npt.NDArray[np.bool_] | None = None
    training: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def columns(self) -> Evidence:
        """The evidence of all samples at once: columns (N,) in place of numbers."""
        watched = {name: column for name, column in self.values.items() if name in WATCHED}
        never = np.zeros(len(self), bool)
        columns: Any = (self.timestamps, self.levels, tuple(self.probabilities.T), self.anomaly_scores)
        columns += (watched, *(never if part is None else part for part in (self.maintenance, self.training)))
        return Evidence(*columns)

    def samples(self, start: int) -> Iterator[Evidence]:
        """The samples from ``start`` on, one by one."""
        columns: Any = self.columns
        times, levels, chances, scores, values, maintenance, training = columns
        for first in range(start, len(self), PIECE):
            # Plain numbers at once: picked out of the arrays one by one they would cost more than judging.
            rows = slice(first, first + PIECE)
            watched = [column[rows].tolist() for column in values.values()]
            yield from map(
                Evidence,
                times[rows].tolist(),
                levels[rows].tolist(),
                zip(*(column[rows].tolist() for column in chances), strict=True) if chances else repeat(()),
                scores[rows].tolist(),
                (dict(zip(values, each, strict=True)) for each in zip(*watched, strict=True))
                if watched
                else repeat({}),
                maintenance[rows].tolist(),
                training[rows].tolist(),
            )
