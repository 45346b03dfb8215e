"""The forecast features: some seventy numbers a sample that say where load is, was, and usually goes.

The recipe was measured on five-minute rows of virtual machines; its spans are times here, so that it holds
for samples of a second as well. All of it is relative to the load level L (high load is L > 1), which makes
one trained network meaningful on another host. There is no sine of the time of day: it let a network memorise
single days; profiles that keep learning carry the season.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np

from loadwatch.features import lookback, time_since
from loadwatch.features.buckets import BucketAggregator, BucketColumns
from loadwatch.features.ewma import Ewma
from loadwatch.features.lookback import Lookback, LookbackView
from loadwatch.features.moments import signed_log
from loadwatch.features.recurrence import last_known
from loadwatch.features.time_since import TimeSince
from loadwatch.records import Floats

CELL_SECONDS = (300.0, 600.0, 900.0, 1800.0, 3600.0)
WEEK_SECONDS = 7 * 86400.0
# Time constants of the averages. From 433 s on they are those of spans of 3, 12, 36 and 288 five-minute rows,
# a = 2 / (span + 1); the shorter ones serve samples that come faster.
AVERAGES = (20.0, 90.0, 433.0, 1796.0, 5396.0, 43197.0)
HIGH_AVERAGES = (1796.0, 10797.0, 43197.0, 302397.0)
CHUNK = 4096  # rows worked on at once: bounds the memory of a long history


@dataclass(frozen=True, slots=True)
class ForecastSpec:
    """Everything that fixes the meaning of the features.

    signals: those chosen beside the load level, in order; step: usual seconds between samples;
    reach: seconds of near future that the profiles tell about; cell: seconds of the slow clock; phase: where
    its cells begin, so that a usual sample falls into the middle of one.
    """

    signals: tuple[str, ...]
    step: float
    reach: float
    cell: float = 300.0
    phase: float = 0.0

    @classmethod
    def fitting(cls, timestamps: Floats, signals: Sequence[str], horizon: float) -> Self:
        """The spec for samples at times as in ``timestamps`` (N,), forecasts up to ``horizon`` seconds."""
        step = float(np.median(np.diff(timestamps))) if len(timestamps) > 1 else 5.0
        cell = next((seconds for seconds in CELL_SECONDS if step <= 1.1 * seconds), CELL_SECONDS[-1])
        phase = 0.0
        if step > cell / 4:
            # The circular mean of the places of the samples in a cell.
            angle = np.angle(np.exp(2j * math.pi * timestamps / cell).mean())
            phase = round(float(angle / (2 * math.pi) - 0.5) * cell, 3)
        return cls(tuple(signals), step, max(horizon, 1.0), cell, phase)

    def to_meta(self) -> dict[str, Any]:
        """As plain values for a file."""
        return asdict(self)

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> Self:
        """The inverse of `to_meta`."""
        return cls(**{**meta, "signals": tuple(meta["signals"])})

    @property
    def constants(self) -> tuple[float, ...]:
        """Time constants of the averages that are longer than a step."""
        return tuple(constant for constant in AVERAGES if constant > self.step)

    @property
    def reach_cells(self) -> int:
        """Near future in cells, at most half a day."""
        return min(max(1, math.ceil(self.reach / self.cell)), round(43200 / self.cell))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F features; the part before the colon is the signal it is made of, or ``level``."""
        return _names(self)


@lru_cache(maxsize=16)
def _names(spec: ForecastSpec) -> tuple[str, ...]:
    all_signals = ("level", *spec.signals)
    per_signal = (
        "now",
        *(f"average_{constant:.0f}s" for constant in spec.constants),
        "maximum",
        "deviation",
        *(f"change_{cells}" for cells in lookback.DIFFERENCES),
    )
    names = [f"{signal}:{kind}" for kind in per_signal for signal in all_signals]
    level = ["high", "near", *(f"lag_{cells}" for cells in lookback.LEVEL_LAGS), "minimum"]
    level += ["maximum_3", "maximum_6h", "maximum_24h"]
    level += [f"high_average_{constant:.0f}s" for constant in HIGH_AVERAGES]
    level += list(time_since.NAMES)
    level += [f"ahead_{days}d" for days in lookback.DAYS_BACK] + ["ahead_mean"]
    level += [f"back_{days}d" for days in lookback.DAYS_BACK]
    level += ["usual_peak", "usual_peak_fast", "usual_high", "usual_high_fast", "usual_onset"]
    level += ["hour_high", "week_peak", "week_high"]
    level += [f"shape_{offset}" for offset in lookback.SHAPE]
    level += list(lookback.REPEATS)
    return (*names, *(f"level:{name}" for name in level))


class ForecastFeatures:
    """Makes features of samples; how they are cut into calls does not change a number.

    The state is bounded: four weeks of cells of the load level, its profiles, and an hour of the signals.
    """

    def __init__(self, spec: ForecastSpec) -> None:
        self.spec = spec
        columns = 1 + len(spec.signals)
        longest = max(2.0 * spec.step, 30.0)
        self._width = len(spec.names)
        self._time: float | None = None
        self._last = np.zeros(columns)
        self._averages = Ewma(columns, spec.constants, longest)
        self._high_averages = Ewma(1, HIGH_AVERAGES, longest)
        self._episodes = TimeSince()
        self._cells = BucketAggregator(columns, spec.cell, spec.phase, round(WEEK_SECONDS / spec.cell))
        self._memory = Lookback(columns, spec.cell, spec.reach_cells)
        self._view = self._memory.view.unknown()

    def extend(self, timestamps: Floats, values: Floats, levels: Floats) -> Floats:
        """The features (N, F) of N further samples in time order: values (N, J), levels (N,).

        A time before the last one counts as the last one: a clock that was set back is waited for.
        """
        features = np.empty((len(timestamps), self._width))
        for start in range(0, len(timestamps), CHUNK):
            part = slice(start, start + CHUNK)
            features[part] = self._extend(timestamps[part], values[part], levels[part])
        return features

    def _extend(self, timestamps: Floats, values: Floats, levels: Floats) -> Floats:
        before = timestamps[0] - self.spec.step if self._time is None else self._time
        times = np.maximum.accumulate(np.concatenate([[before], timestamps]))
        timestamps, self._time = times[1:], float(times[-1])
        dt = timestamps - times[:-1]
        x = last_known(np.concatenate([levels[:, None], signed_log(values)], axis=1), self._last)
        self._last = x[-1]
        high = x[:, 0] > 1.0
        past, onset = self._episodes.extend(timestamps, high)
        averages = self._averages.extend(dt, x)
        high_averages = self._high_averages.extend(dt, high[:, None].astype(np.float64))
        cells = self._cells.extend(timestamps, x, onset.astype(np.float64))
        views = self._view
        if len(cells.closed.number):
            views = np.concatenate([views, self._memory.extend(cells.closed)])
            self._view = views[-1:]
        return _assemble(x, averages, high_averages, past, cells, views[cells.view], self._memory.view)


def _assemble(
    x: Floats,
    averages: Floats,
    high_averages: Floats,
    past: Floats,
    cells: BucketColumns,
    at: Floats,
    view: LookbackView,
) -> Floats:
    """One row of features a sample, in the order of `ForecastSpec.names`."""
    level = x[:, :1]
    count = at[:, view.count] + 1.0
    sums, squares = at[:, view.sums] + x, at[:, view.squares] + x**2
    variance = (squares - sums**2 / count) / np.maximum(count - 1.0, 1.0)
    changes = (x[:, None] - at[:, view.lags].reshape(len(x), -1, x.shape[1])).reshape(len(x), -1)
    # Level where it is not known: what was then, what came after, what is usual.
    told = at[:, view.of_level]
    told = np.where(np.isfinite(told), told, level)
    lags, ahead, days_back, shape = (told[:, place] for place in view.within_level)
    return np.concatenate(
        [
            x,
            averages,
            np.fmax(cells.maximum, at[:, view.maximum]),
            np.sqrt(np.maximum(variance, 0.0)),
            np.where(np.isfinite(changes), changes, 0.0),
            level > 1.0,
            np.minimum(np.maximum((level - 1.0) * 10.0, -1.0), 1.0),
            lags,
            np.fmin(cells.minimum, at[:, view.minimum]),
            np.fmax(cells.maximum[:, :1], at[:, view.long_maximum]),
            high_averages,
            past,
            ahead,
            np.add.reduce(ahead, axis=1, keepdims=True) / ahead.shape[1],
            days_back,
            at[:, view.profiles],
            shape,
            at[:, view.repeats],
        ],
        axis=1,
    )
