"""What is learned from, as a table: the rows worth it, their features, their futures, their weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from loadwatch.errors import TrainingError
from loadwatch.features.forecast import CHUNK, ForecastFeatures, ForecastSpec
from loadwatch.features.quantiles import column_quantiles
from loadwatch.features.recurrence import Flags, Integers
from loadwatch.labels.horizons import exceedances, inside, labelled_levels, peaks
from loadwatch.labels.rule import Rule
from loadwatch.model.level import LIMITS, SAID
from loadwatch.records import Floats, Label, Recording, Span
from loadwatch.training.rows import choose_rows
from loadwatch.training.selection import choose_signals
from loadwatch.training.synthetic import synthetic_recording

OTHERS: Final = tuple(limit for limit in LIMITS if limit != SAID)
MOST_ROWS: Final = 16_000
"""Learned from at most; on minutes, 15 minutes ahead, 40 000 gave the same Brier score to a hundredth."""
LONG_CALM_SECONDS: Final = 12 * 3600.0
LONGER: Final = 1.2  # than the longest calm, at whose end a job may be due
IDLE_SECONDS: Final = 86400.0
IDLE_ROWS: Final = 200
IDLE_LEVEL: Final = 0.5  # at most: a host that was always busy has no calm of its own
IDLE_WEIGHT: Final = 0.05  # of all own rows
MOVE_EVERY_SECONDS: Final = 8 * 86400.0

SYNTHETIC_HOSTS: Final = 5
WARM_SYNTHETIC_HOSTS: Final = 2  # of them, where the weights have learned from all already
SYNTHETIC_SAMPLES: Final = (12_000, 40_000)  # samples of each: a day of them, but within these bounds
SYNTHETIC_KEPT: Final = 1_200  # rows of each that are learned from
PLAIN_RULE: Final = "cpu > 0.8"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTable:
    """R rows: timestamps (R,), features (R, F), targets (R, O) with NaN where unknown, weights (R,).

    The targets are the H horizons for the limit itself, then for each horizon above 0 the other limits.
    """

    spec: ForecastSpec
    horizons: tuple[int, ...]
    timestamps: Floats
    features: Floats
    targets: Floats
    weights: Floats
    onsets: int  # in the history the rows are of
    labelled: Flags  # (R,) high within a horizon by an operator's word alone: learned, but no measurement
    peaks: Floats  # (R, A) the highest level within each horizon above 0, NaN where unknown

    def __len__(self) -> int:
        return len(self.timestamps)

    def take(self, rows: Integers | slice) -> Self:
        """Some of the rows."""
        parts = (self.timestamps[rows], self.features[rows], self.targets[rows], self.weights[rows])
        return type(self)(
            self.spec, self.horizons, *parts, self.onsets, self.labelled[rows], self.peaks[rows]
        )

    def joined(self, other: TrainingTable, share: float) -> Self:
        """With the rows of another table below, which weigh ``share`` of what they weigh there."""
        return type(self)(
            self.spec,
            self.horizons,
            np.concatenate([self.timestamps, other.timestamps]),
            np.vstack([self.features, other.features]),
            np.vstack([self.targets, other.targets]),
            np.concatenate([self.weights, share * other.weights]),
            self.onsets,
            np.concatenate([self.labelled, other.labelled]),
            np.vstack([self.peaks, other.peaks]),
        )


def learning_table(
    recording: Recording,
    levels: Floats,
    horizons: Sequence[int],
    rng: np.random.Generator,
    *,
    labels: Sequence[Label] = (),
    masks: Iterable[Span] = (),
    until: float = math.inf,
) -> tuple[TrainingTable, TrainingTable, HistoryFeatures]:
    """The rows of a host's own history to learn from; levels (N,) are those of its rule.

    All of them; those before ``until`` with what was known of them then; and the features of both, and of
    every row after it. The signals, too, are chosen by what was known at ``until``, so that what learns up to
    there can be judged on the rest.

    Raises:
        TrainingError: not one row before ``until`` has a known future.

    """
    times = recording.timestamps
    masked = inside(times, masks)
    truth = labelled_levels(times, levels, labels)
    truth[masked] = np.nan
    said = exceedances(times, truth, horizons)[:, :, 0]
    labelled = np.zeros(len(recording), bool)
    if any(label.kind == "high" for label in labels):
        by_rule = exceedances(times, levels, horizons)[:, :, 0]
        labelled = ((said == 1.0) & (by_rule != 1.0)).any(axis=1)
    usable: Flags = np.logical_or.reduce(np.isfinite(said), axis=1) & ~masked
    reach, end = float(max(horizons)), int(np.searchsorted(times, until))
    known = exceedances(times[:end], truth[:end], horizons)[:, :, 0]
    if not (usable[:end] & np.isfinite(known).any(axis=1)).any():
        raise TrainingError(
            f"cannot train the forecast: none of {end} rows has a known load level and future; "
            "check that the high-load rule uses signals of this host"
        )
    chosen, weights = choose_rows(times, truth, usable, 2 * reach, MOST_ROWS, rng)
    signals = choose_signals(recording.rows(0, end), levels[:end], known[:, int(np.argmax(horizons))])
    spec = ForecastSpec.fitting(times[:end], signals, reach)
    features = HistoryFeatures(recording, levels, spec, chosen, end)

    def table(rows: Integers, last: int) -> TrainingTable:
        """The first of the chosen rows, with what was known of them at row ``last``."""
        seen, so_far = times[:last], truth[:last]
        highest = peaks(seen, so_far, [horizon for horizon in horizons if horizon > 0])
        return TrainingTable(
            spec,
            tuple(horizons),
            times[rows],
            features.chosen[: len(rows)],
            _targets(seen, so_far, horizons, rows),
            weights[: len(rows)],
            count_onsets(so_far),
            labelled[rows],
            highest[rows],
        )

    whole = table(chosen, len(times))
    return whole, whole if end == len(times) else table(chosen[chosen < end], end), features


class HistoryFeatures:
    """The features of one history, made in one pass: of some rows, and of all from ``start`` on (indices).

    The latter are there to be judged on. They are the largest thing that a training holds, so they are kept
    in single precision, as a network reads them.

    chosen: (R, F) of the rows asked for.
    """

    def __init__(
        self, recording: Recording, levels: Floats, spec: ForecastSpec, chosen: Integers, start: int
    ) -> None:
        self._recording, self._levels, self._spec, self._start = recording, levels, spec, start
        self.chosen = np.empty((len(chosen), len(spec.names)))
        newest_rows = (len(recording) - start, len(spec.names))
        self._newest: npt.NDArray[Any] = np.empty(newest_rows, np.float32)
        rows, own = np.union1d(chosen, np.arange(start, len(recording))), 0
        for mine, part in feature_parts(spec, recording, levels, rows):
            taken = part[np.isin(mine, chosen)]
            self.chosen[own : own + len(taken)] = taken
            own += len(taken)
            newest = mine >= start
            with np.errstate(over="ignore"):  # what is infinite then is clipped by every normaliser
                self._newest[mine[newest] - start] = part[newest]

    def parts(self, spec: ForecastSpec, rows: Integers) -> Iterator[Floats]:
        """The features (r, F) of some of the newest rows, in order, a few thousand at a time."""
        if spec != self._spec:
            yield from (part for _, part in feature_parts(spec, self._recording, self._levels, rows))
            return
        for first in range(0, len(rows), CHUNK):
            yield self._newest[rows[first : first + CHUNK] - self._start]


def moved_table(
    own: TrainingTable, recording: Recording, levels: Floats, rng: np.random.Generator
) -> TrainingTable | None:
    """The same rows as a host would have seen them whose jobs moved now and then; None of a short history.

    Every ``MOVE_EVERY_SECONDS`` the clock jumps: by an hour, as in spring, by 23, as in autumn, or by any. A
    network that learns from them too trusts less to the clock alone, and follows within days.
    """
    times = recording.timestamps
    jumps = np.arange(times[0] + MOVE_EVERY_SECONDS, times[-1], MOVE_EVERY_SECONDS)
    if not len(jumps):
        return None
    hours = np.where(
        rng.random(len(jumps)) < 0.5, rng.choice([1, 23], len(jumps)), rng.integers(1, 24, len(jumps))
    )
    moved = np.concatenate([[0.0], np.cumsum(3600.0 * hours)])[np.searchsorted(jumps, times, side="right")]
    rows = np.searchsorted(times, own.timestamps)
    late = Recording(times + moved, recording.signals, recording.values)
    return replace(own, features=features_of(own.spec, late, levels, rows).astype(np.float32))


def idle_table(own: TrainingTable, recording: Recording, levels: Floats) -> TrainingTable | None:
    """Rows of a calm longer than any that the host has seen, as if it turned idle at the end of its history.

    What such a calm brings is more of it; a network that never saw one goes on as before for a day. None
    where nothing was high, or where the host was once calm for ``LONG_CALM_SECONDS``.
    """
    times = recording.timestamps
    busy = times[levels > 1.0]
    if not len(busy):
        return None
    longest = float(np.diff(np.concatenate([times[:1], busy, times[-1:]])).max())
    if longest > LONG_CALM_SECONDS:
        return None
    step = own.spec.step
    after = np.arange(step, longest + IDLE_SECONDS, step)
    seen = recording.with_signals(own.spec.signals).values
    low = column_quantiles(seen, np.array([0.01]))[0]
    late = Recording(
        np.concatenate([times, times[-1] + after]),
        own.spec.signals,
        np.vstack([seen, np.tile(low, (len(after), 1))]),
    )
    quiet = np.full(len(after), min(float(np.nanquantile(levels, 0.01)), IDLE_LEVEL))
    # Close to each other at first: how soon a calm is told from an ordinary one matters most.
    moments = np.geomspace(max(LONGER * longest, step), longest + IDLE_SECONDS, IDLE_ROWS)
    rows = len(times) - 1 + np.unique(np.clip(moments // step, 1, len(after))).astype(np.intp)
    features = features_of(own.spec, late, np.concatenate([levels, quiet]), rows)
    return replace(
        own,
        timestamps=late.timestamps[rows],
        features=features,
        targets=np.zeros((len(rows), own.targets.shape[1]), np.float32),
        weights=np.full(len(rows), IDLE_WEIGHT * own.weights.sum() / len(rows)),
        labelled=np.zeros(len(rows), bool),
        peaks=np.full((len(rows), own.peaks.shape[1]), np.nan),
    )


def synthetic_table(
    spec: ForecastSpec, rule: Rule, horizons: Sequence[int], seed: int, hosts: int = SYNTHETIC_HOSTS
) -> TrainingTable:
    """Rows of synthetic servers, as ``spec`` would see them; its chosen signals stay unknown.

    The load level means the same on every host, so this is what is known before a host has shown anything.
    Where ``rule`` is never (or mostly) true of a synthetic server, a plain limit on its CPU stands in for it.
    """
    # Cells where those of a synthetic server lie: the same for every history of this host.
    level_only = ForecastSpec.fitting(spec.step * np.arange(3.0), (), spec.reach)
    tables = [_level_table(level_only, rule, tuple(horizons), seed, host) for host in range(hosts)]
    table = reduce(lambda one, other: one.joined(other, 1.0), tables)
    everything = np.full((len(table), len(spec.names)), np.nan)
    everything[:, [spec.names.index(name) for name in level_only.names]] = table.features
    onsets = sum(each.onsets for each in tables)
    return replace(table, spec=spec, features=everything, onsets=onsets)


@lru_cache(maxsize=SYNTHETIC_HOSTS)  # a replay asks at each of its trainings
def _level_table(
    spec: ForecastSpec, rule: Rule, horizons: tuple[int, ...], seed: int, host: int
) -> TrainingTable:
    """The rows of one server, without chosen signals."""
    least, most = SYNTHETIC_SAMPLES
    rows = min(max(least, int(86400 / spec.step)), most)
    rng = np.random.default_rng([seed, host])
    recording = synthetic_recording(spec.step, rows, seed=int(rng.integers(2**31)))
    levels = rule.levels(recording)
    if not 0.002 < float((levels > 1.0).mean()) < 0.3:
        levels = Rule.parse(PLAIN_RULE).levels(recording)
    said = exceedances(recording.timestamps, levels, horizons)[:, :, 0]
    usable: Flags = np.logical_or.reduce(np.isfinite(said), axis=1)
    chosen, weights = choose_rows(
        recording.timestamps, levels, usable, 2.0 * max(horizons), SYNTHETIC_KEPT, rng
    )
    return TrainingTable(
        spec,
        horizons,
        recording.timestamps[chosen],
        features_of(spec, recording, levels, chosen),
        _targets(recording.timestamps, levels, horizons, chosen),
        weights,
        count_onsets(levels),
        np.zeros(len(chosen), bool),
        np.full((len(chosen), sum(horizon > 0 for horizon in horizons)), np.nan),
    )


def count_onsets(levels: Floats) -> int:
    """How often high load begins; what is unknown is not high."""
    high = np.nan_to_num(levels) > 1.0
    return int((high[1:] & ~high[:-1]).sum())


def _targets(timestamps: Floats, levels: Floats, horizons: Sequence[int], rows: Integers) -> Floats:
    """(R, O) in single precision, which holds them exactly, of the chosen rows only.

    Of all of a long history it would be the largest thing there is.
    """
    table = exceedances(timestamps, levels, horizons, (SAID, *OTHERS), rows)
    ahead = [place for place, horizon in enumerate(horizons) if horizon > 0]
    return np.hstack([table[:, :, 0], table[:, ahead, 1:].reshape(len(rows), -1)]).astype(np.float32)


def features_of(spec: ForecastSpec, recording: Recording, levels: Floats, chosen: Integers) -> Floats:
    """The features (R, F) of the chosen rows only."""
    features, done = np.empty((len(chosen), len(spec.names))), 0
    for rows, part in feature_parts(spec, recording, levels, chosen):
        features[done : done + len(rows)] = part
        done += len(rows)
    return features


def feature_parts(
    spec: ForecastSpec, recording: Recording, levels: Floats, chosen: Integers
) -> Iterator[tuple[Integers, Floats]]:
    """Some of the chosen rows (r,), and their features (r, F), till all are told.

    A long history never stands in memory as a whole.
    """
    stream = ForecastFeatures(spec)
    values = recording.with_signals(spec.signals).values
    for start in range(0, len(recording), CHUNK):
        part = slice(start, start + CHUNK)
        features = stream.extend(recording.timestamps[part], values[part], levels[part])
        rows = chosen[slice(*np.searchsorted(chosen, [start, start + CHUNK]))]
        yield rows, features[rows - start]
