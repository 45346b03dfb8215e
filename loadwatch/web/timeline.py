"""Signals and verdicts of the last hour to the last week, in small rings, for the curves of the page.

A curve is a list with one value a slot, null where nothing was known::

    span                   hour | six_hours | day | week
    start_timestamp        the beginning of the first slot
    resolution_seconds     the length of a slot; its value is the mean of the samples in it
    signals                {name: [value]}
    probabilities          {horizon in seconds: [value]}
    level                  [load level], 1 is the limit
    level_forecast         {quantile: [level]}: the highest one now or within the longest horizon
    anomaly                [score]
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadwatch.model.level import QUANTILES
from loadwatch.records import Floats, Recording, Snapshot

RINGS: Final = {"hour": (10.0, 360), "six_hours": (60.0, 360), "day": (300.0, 288), "week": (1800.0, 336)}
"""Of each span the length of a slot in seconds, and how many there are."""
_DIGITS: Final = 4
Flags = npt.NDArray[np.bool_]
_NOTHING: Final = 1e-12


class _Ring:
    """Means of columns over slots of wall time; the newest slot overwrites the oldest."""

    def __init__(self, resolution: float, slots: int) -> None:
        self.resolution = resolution
        self.slots = slots
        self._columns: dict[str, int] = {}
        self._names: tuple[str, ...] = ()
        self._places: slice | npt.NDArray[np.intp] = slice(0, 0)
        self._newest: int | None = None
        self._totals = np.zeros((slots, 0))
        self._counts = np.zeros((slots, 0), np.int32)

    def add(self, timestamp: float, names: tuple[str, ...], values: Floats, known: Flags) -> None:
        """Take one row into the mean of its slot: what is not ``known`` is 0."""
        if names != self._names:
            # Once, as long as the host and the model stay the same: this runs at every sample.
            self._know(names)
            places = [self._columns[name] for name in names]
            span = slice(min(places, default=0), max(places, default=-1) + 1)
            is_span = places == list(range(span.start, span.stop))
            self._names, self._places = names, span if is_span else np.array(places, np.intp)
        slot = self._turn_to(int(timestamp // self.resolution))
        self._totals[slot, self._places] += values
        self._counts[slot, self._places] += known

    def load(self, recording: Recording) -> None:
        """Take in rows as if they had come one by one; they may be older than what is here."""
        if not len(recording):
            return
        indices = (recording.timestamps // self.resolution).astype(np.int64)
        newest = int(indices[-1]) if self._newest is None else max(self._newest, int(indices[-1]))
        recent = indices > newest - self.slots
        self._know(recording.signals)
        self._turn_to(newest)
        columns = [self._columns[name] for name in recording.signals]
        values = recording.values[recent]
        known = np.isfinite(values)
        where = (indices[recent][:, None] % self.slots, np.array(columns)[None, :])
        np.add.at(self._totals, where, np.where(known, values, 0.0))
        np.add.at(self._counts, where, known)

    def curves(self) -> tuple[float, dict[str, Floats]]:
        """The beginning of the oldest slot, and each column's means from oldest to newest."""
        if self._newest is None:
            return 0.0, {}
        order = np.arange(self._newest - self.slots + 1, self._newest + 1) % self.slots
        totals, counts = self._totals[order], self._counts[order]
        means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
        start = (self._newest - self.slots + 1) * self.resolution
        return start, {name: means[:, column] for name, column in self._columns.items()}

    def _know(self, names: Sequence[str]) -> None:
        new = [name for name in names if name not in self._columns]
        if new:
            self._columns |= {name: len(self._columns) + place for place, name in enumerate(new)}
            self._totals = np.pad(self._totals, ((0, 0), (0, len(new))))
            self._counts = np.pad(self._counts, ((0, 0), (0, len(new))))

    def _turn_to(self, index: int) -> int:
        """Make ``index`` the newest slot and empty those between; gives its place.

        When the clock was set back, the slots after the new now hold a future that has not happened yet.
        """
        if index == self._newest:
            return index % self.slots
        newest = index if self._newest is None else self._newest
        first, last = (newest + 1, index) if index > newest else (index + 1, newest)
        if abs(index - newest) >= self.slots:
            first, last = 0, self.slots - 1
        stale = np.arange(first, last + 1) % self.slots
        self._totals[stale] = 0.0
        self._counts[stale] = 0
        self._newest = index
        return index % self.slots


class Timeline:
    """Keeps the curves; fed by the daemon's thread, read by the server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shape: tuple[Any, ...] = ()
        self._names: tuple[str, ...] = ()
        self._rings = {span: _Ring(resolution, slots) for span, (resolution, slots) in RINGS.items()}

    def add(self, snapshot: Snapshot) -> None:
        """Take in one sample and its verdict."""
        signals, probabilities = snapshot.sample.values, snapshot.probabilities
        score = () if snapshot.anomaly_score is None else (snapshot.anomaly_score,)
        level = () if snapshot.load_level is None else (snapshot.load_level,)
        ahead = snapshot.level_forecast[max(snapshot.level_forecast)] if snapshot.level_forecast else ()
        shape = (tuple(signals), tuple(probabilities), bool(score), bool(level), bool(ahead))
        if shape != self._shape:
            self._shape = shape
            self._names = (
                *(f"signals/{name}" for name in signals),
                *(f"probabilities/{horizon}" for horizon in probabilities),
                *(["anomaly"] if score else []),
                *(["level"] if level else []),
                *([f"level_forecast/{quantile}" for quantile in QUANTILES] if ahead else []),
            )
        row = np.array([*signals.values(), *probabilities.values(), *score, *level, *ahead])
        known = np.isfinite(row)
        row[~known] = 0.0
        with self._lock:
            for ring in self._rings.values():
                ring.add(snapshot.sample.timestamp, self._names, row, known)

    def load(self, recording: Recording) -> None:
        """Refill the signals' curves from the history, at a start; what was judged then has ``restore``."""
        named = Recording(
            recording.timestamps, tuple(f"signals/{name}" for name in recording.signals), recording.values
        )
        with self._lock:
            for ring in self._rings.values():
                ring.load(named)

    def judged(self) -> dict[str, Any]:
        """The curves of the verdicts, which no history has, as values that JSON can hold; see ``restore``."""
        return {
            span: {name: value for name, value in self.series(span).items() if name != "signals"}
            for span in self._rings
        }

    def restore(self, judged: Mapping[str, Any], now: float) -> None:
        """Take up the curves that ``judged`` gave before a restart, up to ``now`` (epoch seconds).

        Raises:
            ValueError: it is nothing of that kind; some of it may have been taken up.

        """
        try:
            for span, ring in self._rings.items():
                one = judged[span]
                curves = {
                    f"probabilities/{int(horizon)}": each for horizon, each in one["probabilities"].items()
                }
                # One written by a version before the load level was told has none.
                levels = one.get("level_forecast", {})
                curves |= {
                    f"level_forecast/{name}": levels[name] for name in map(str, QUANTILES) if name in levels
                }
                curves |= {name: one[name] for name in ("anomaly", "level") if one.get(name)}
                if not curves:
                    continue
                values = np.array(list(curves.values()), np.float64).T
                middle = np.arange(len(values), dtype=np.float64) + 0.5
                timestamps = float(one["start_timestamp"]) + middle * ring.resolution
                if values.shape != (ring.slots, len(curves)) or not np.isfinite(timestamps).all():
                    raise ValueError(f"{span} has {values.shape} values")
                past = timestamps - ring.resolution / 2 <= now
                with self._lock:
                    ring.load(Recording(timestamps[past], tuple(curves), values[past]))
        except (LookupError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def series(self, span: str) -> dict[str, Any]:
        """The curves of one of the spans."""
        ring = self._rings[span]
        with self._lock:
            start, curves = ring.curves()
        document: dict[str, Any] = {
            "span": span,
            "start_timestamp": start,
            "resolution_seconds": ring.resolution,
            "signals": {},
            "probabilities": {},
            "anomaly": [],
            "level": [],
            "level_forecast": {},
        }
        for column, values in curves.items():
            group, _, name = column.partition("/")
            if name:
                document[group][name] = _rounded(values)
            else:
                document[group] = _rounded(values)
        return document


def _rounded(values: Floats) -> list[float | None]:
    """To four significant digits, which is more than a curve shows and half the bytes."""
    magnitude = np.floor(np.log10(np.maximum(np.abs(values), _NOTHING)))
    exponent = np.nan_to_num(_DIGITS - 1 - magnitude)
    small, large = 10.0 ** np.maximum(exponent, 0), 10.0 ** np.maximum(-exponent, 0)
    rounded = np.round(values / large * small) * large / small
    # But what is nearly certain, or nearly full, is not called so: the page says ">99.9 %" of it.
    rounded = np.where((values < 1.0) & (rounded >= 1.0), values, rounded)
    return [None if value != value else value for value in rounded.tolist()]  # noqa: PLR0124 - NaN
