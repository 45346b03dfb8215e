"""Plain, frozen records that cross the borders between rooms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from loadwatch.signals import Resource

Floats = npt.NDArray[np.float64]
Verdict = Literal["high_load", "anomaly"]
LabelKind = Literal["high", "normal", "incident"]
FlagSource = Literal["rule", "model", "limit"]
Confirmation = Literal["rule", "pressure", "label"]
Stage = Literal["expected", "present"]
"""Of an alert: high load that a forecast announces, or trouble that is there."""

VERDICTS: Final[tuple[Verdict, ...]] = ("high_load", "anomaly")
GAP_SECONDS: Final = 3600.0
"""Rows further apart have a gap between them."""
LONGEST_GAP_SECONDS: Final = 36 * 3600.0
GAP_GROWTH: Final = 10.0

# A verdict older than this many sampling intervals is withdrawn from every display.
STALE_AFTER_INTERVALS: Final = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of the host.

    ``values`` maps signal name to value: an absent name means this host has no such signal, NaN means that
    it has but the value is unknown this time. ``timestamp`` is wall clock (epoch seconds), ``monotonic`` the
    monotonic clock of the same moment.
    """

    timestamp: float
    monotonic: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A stretch of history: ``N`` rows in time order of ``J`` signals.

    timestamps: (N,) float64 epoch seconds, strictly increasing; signals: J names; values: (N, J) float64,
    NaN where unknown.
    """

    timestamps: Floats
    signals: tuple[str, ...]
    values: Floats

    def __len__(self) -> int:
        return len(self.timestamps)

    def column(self, signal: str) -> Floats:
        """The (N,) values of one signal; all NaN where the recording has no such signal."""
        if signal in self.signals:
            return self.values[:, self.signals.index(signal)]
        return np.full(len(self), math.nan)

    def rows(self, start: int, stop: int) -> "Recording":
        """A view of the rows from ``start`` up to, not including, ``stop``."""
        return Recording(self.timestamps[start:stop], self.signals, self.values[start:stop])

    def between(self, start: float, end: float) -> "Recording":
        """A view of the rows with ``start <= timestamp < end``."""
        first, last = np.searchsorted(self.timestamps, [start, end])
        return self.rows(int(first), int(last))

    @property
    def measured_seconds(self) -> float:
        """How long was measured, see ``measured_steps``."""
        return float(measured_steps(self.timestamps).sum())

    def with_signals(self, signals: Sequence[str]) -> "Recording":
        """The same rows with exactly these signals, in this order; a missing one is all NaN."""
        wanted = tuple(signals)
        if wanted == self.signals:
            return self
        places, missing = _places(self.signals, wanted)
        if not self.signals:
            return Recording(self.timestamps, wanted, np.full((len(self), len(wanted)), math.nan))
        values = self.values[:, places]
        if len(missing):
            values[:, missing] = math.nan
        return Recording(self.timestamps, wanted, values)


def measured_steps(timestamps: Floats) -> Floats:
    """Seconds from each of (N,) rows to the next (N - 1,) that count as measured: those of a gap may not.

    A night without samples belongs to a history of weeks. But a gap of more than a day and a half, or of more
    than ten times what was measured before it, is none: such as that between rows of 1970, from before the
    clock was set, and those of today.
    """
    steps = np.diff(timestamps)
    for place in np.flatnonzero(steps > GAP_SECONDS).tolist():
        if steps[place] > min(LONGEST_GAP_SECONDS, GAP_GROWTH * float(steps[:place].sum())):
            steps[place] = 0.0
    return steps


@lru_cache(maxsize=16)
def _places(
    signals: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """For each wanted signal its column among ``signals``, 0 where it has none; and which have none."""
    column = {name: place for place, name in enumerate(signals)}
    missing = [place for place, name in enumerate(wanted) if name not in column]
    return np.array([column.get(name, 0) for name in wanted], np.intp), np.array(missing, np.intp)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of wall time, ``start <= t < end``, in epoch seconds."""

    start: float
    end: float

    def __contains__(self, timestamp: float) -> bool:
        return self.start <= timestamp < self.end


@dataclass(frozen=True, slots=True)
class Label:
    """What an operator said about a span: it was high load, it was normal, or it was an incident."""

    span: Span
    kind: LabelKind
    why: str = ""
    identity: int = 0


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window in which nothing is flagged and nothing is learned."""

    span: Span
    why: str = ""
    identity: int = 0


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one signal moved one verdict: positive towards it, negative away from it."""

    signal: str
    value: float


@dataclass(frozen=True, slots=True)
class Culprit:
    """A unit, or the processes of one name, with its part in the use of a resource.

    ``name`` is printable and short. ``share``, 0 to 1, is that of all CPUs or of all memory; of storage that
    of the bytes moved by all who were seen, or, where ``stalled``, of the time they waited for it.
    ``pressure`` is the share of the time in which some task of the unit waited for the resource, None where
    it is not known. ``processes`` is how many have the name, ``unit`` what the largest of them belongs to.
    """

    kind: Literal["unit", "process"]
    name: str
    share: float
    stalled: bool = False
    pressure: float | None = None
    processes: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Culprits:
    """What used most of the ``resource`` that drives a verdict, in the ``seconds`` before ``timestamp``.

    ``total`` is what there is of it: CPUs, or bytes of memory; None for storage. ``named`` has the units and
    the processes, each kind by falling share. ``note`` says what could not be seen, and is usually empty.
    """

    resource: Resource
    timestamp: float
    seconds: float
    total: float | None = None
    named: tuple[Culprit, ...] = ()
    note: str = ""

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Culprits":
        """The inverse of ``asdict``.

        Raises:
            KeyError, TypeError: a field is missing or unknown.

        """
        return cls(**{**plain, "named": tuple(Culprit(**each) for each in plain["named"])})


@dataclass(frozen=True, slots=True)
class Alert:
    """One stretch of trouble worth somebody's time, from its first sign to half an hour after its last.

    ``horizon`` is how far ahead it was seen: 0 if it was there already, else the seconds of the forecast that
    opened it. ``end`` is None while it is open. ``peak`` is the highest probability or anomaly score in it,
    ``excess_seconds`` how much high load it brought beyond what the host is used to at that time.
    ``lead_seconds`` runs from the forecast to the moment the rule held; None while it did not, and where that
    was later than the forecasts look ahead.
    ``confirmed_by`` says what first confirmed it as trouble; ``judged`` is what the operator said later.
    ``culprits`` is what used the resource that drove it when that was at its worst; None while not known.
    """

    identity: int
    verdict: Verdict
    start: float
    end: float | None = None
    horizon: int = 0
    flagged_by: FlagSource = "model"
    peak: float | None = None
    excess_seconds: float = 0.0
    lead_seconds: float | None = None
    confirmed_by: Confirmation | None = None
    joined: bool = False  # the other verdict saw it too
    signals: tuple[Contribution, ...] = ()
    model: str = ""
    judged: Literal["right", "wrong"] | None = None
    culprits: Culprits | None = None

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Alert":
        """The inverse of ``to_plain``.

        Raises:
            KeyError, TypeError: a field is missing or unknown.

        """
        fields = dict(plain)
        fields["signals"] = tuple(Contribution(**signal) for signal in plain["signals"])
        if fields.get("culprits") is not None:  # absent from what was stored until 2026-11
            fields["culprits"] = Culprits.from_plain(fields["culprits"])
        if "raised_by" in fields:  # as it was stored until 2026-11
            fields["flagged_by"] = flag_source(fields.pop("raised_by"))
        return cls(**fields)

    def driven_by(self, signals: tuple[Contribution, ...]) -> "Alert":
        """With these behind the signals of the limits that opened it, which no model has to see."""
        named = {part.signal for part in self.signals}
        return replace(self, signals=(*self.signals, *(part for part in signals if part.signal not in named)))

    @property
    def foretold(self) -> bool:
        """Whether a forecast opened it, before there was anything to see."""
        return self.verdict == "high_load" and self.horizon > 0


def flag_source(stored: str) -> FlagSource:
    """What flagged, as it is named now; plain limits were stored as the guard once."""
    names: Mapping[str, FlagSource] = {"rule": "rule", "model": "model", "limit": "limit", "guard": "limit"}
    return names[stored]


@dataclass(frozen=True, slots=True)
class NoAlert:
    """Why a verdict that has been flagged ``since`` a moment is no alert, as the end of a sentence."""

    verdict: Verdict
    since: float
    why: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a reader of a verdict wants to know of the model that gave it."""

    version: str
    origin: Literal["bootstrap", "trained"]
    trained_timestamp: float


@dataclass(frozen=True, slots=True)
class Filling:
    """Something that is full, or soon will be.

    what: as people call it; share: in use, 0 to 1; full_in_seconds: None where nothing says when.
    """

    what: str
    share: float
    full_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known after one sample, immutable: what ``/metrics``, the page and ``status`` read.

    ``probabilities`` and ``high_load`` map horizon (whole seconds, 0 is now) to probability and flag. A value
    that is not known is absent or None, never 0. ``flagged_by`` says who raised the flag for now while it is
    up: the rule, the model, or the static limits on raw signals. ``load_level`` is how near the operator's
    rule is to its limit, high above 1; ``deciding`` names the signals of the comparison that set it.
    ``level_forecast`` maps horizon to the quantiles 0.5 and 0.9 of the highest level now or within it.
    ``unknown`` has the signals that the rule or the limits need and that stay unknown, each with the reason:
    the verdict was made without them. ``failing`` has the sources that failed at this sample, each with what
    went wrong, whether anything needs them or not. ``filling`` is what is full or soon will be, the most
    urgent first. ``limits`` are the signals over their plain limits, with their values. ``alerts`` are the
    verdicts of which an alert is open, each with its stage. ``culprits`` has, for each verdict that is
    flagged, what uses the resource that drives it.
    """

    sample: Sample
    probabilities: Mapping[int, float] = field(default_factory=dict)
    high_load: Mapping[int, bool] = field(default_factory=dict)
    anomaly_score: float | None = None
    anomaly: bool | None = None
    contributions: Mapping[Verdict, tuple[Contribution, ...]] = field(default_factory=dict)
    model: ModelInfo | None = None
    maintenance: bool = False
    flagged_by: FlagSource | None = None
    load_level: float | None = None
    deciding: tuple[str, ...] = ()
    level_forecast: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    failing: Mapping[str, str] = field(default_factory=dict)
    filling: tuple[Filling, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    alerts: Mapping[Verdict, Stage] = field(default_factory=dict)
    no_alert: NoAlert | None = None
    culprits: Mapping[Verdict, Culprits] = field(default_factory=dict)
