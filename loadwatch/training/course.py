"""The course of a day: what level, and how wide a spread, a signal has at each half hour, where it has one.

Both are used only for a signal whose days tell each other: learned on four fifths of the days, they must
explain the fifth.
"""

from typing import Final

import numpy as np

from loadwatch.features.half_hours import SLOTS, half_hour_numbers, is_weekend
from loadwatch.features.recurrence import Integers
from loadwatch.records import Floats

FOLDS: Final = 5
LEAST_DAYS: Final = 4
HALF_LIFE_DAYS: Final = 5.0
LEAST_EXPLAINED: Final = 0.3  # of the variance, by the day
LEAST_EXPLAINED_MORE: Final = 0.05  # by weekdays and weekends, of what the day leaves
LEAST_LIKELIHOOD: Final = 0.2  # nats a half hour
TOP: Final = 0.98  # squares above this quantile are limited to it
PRIOR: Final = 0.1  # weight of the whole day's variance in that of a half hour
LOWEST, HIGHEST = 0.7, 2.5
"""Between which the factor of a spread stays: calm hours are judged a little more strictly than busy ones."""


def day_table(timestamps: Floats, values: Floats) -> Floats:
    """(D, 48, K) means of values (N, K) in each half hour of each day (UTC); NaN where there is none."""
    numbers = half_hour_numbers(timestamps)
    first = numbers[0] // SLOTS * SLOTS
    days = int((numbers[-1] - first) // SLOTS) + 1
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    known = np.isfinite(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts, axis=0)
    counts = np.add.reduceat(known.astype(np.int64), starts, axis=0)
    table = np.full((days * SLOTS, values.shape[1]), np.nan)
    with np.errstate(invalid="ignore"):
        table[numbers[starts] - first] = sums / counts
    return table.reshape(days, SLOTS, -1)


def course(table: Floats, first_day: int) -> Floats:
    """(2, 48, K) how far weekdays and weekends lie from 0, from a table (D, 48, K) of centred means.

    first_day: number of the table's first day since the epoch. They are alike until two weekends were seen.
    """
    daily = daily_course(table, LEAST_EXPLAINED)
    rest = table - daily
    weekend = is_weekend(first_day + np.arange(len(table)))
    if weekend.sum() < LEAST_DAYS:
        return np.array([daily, daily])
    parts = [daily_course(rest[weekend == kind], LEAST_EXPLAINED_MORE) for kind in (False, True)]
    return daily + np.array(parts)


def daily_course(table: Floats, least_explained: float) -> Floats:
    """(48, K) how far each half hour lies from 0, from a table (D, 48, K) of centred means.

    The median over days, recent ones heavier, smoothed with its neighbours; shrunk to what helps on days it
    was not learned from, and 0 for a signal where that explains too little.
    """
    days, _, columns = table.shape
    if days < LEAST_DAYS:
        return np.zeros((SLOTS, columns))
    guess = np.full_like(table, np.nan)
    for fold in _folds(days):
        guess[fold] = _profile(np.delete(table, fold, axis=0), np.delete(np.arange(days), fold) - days)
    known = np.isfinite(table) & np.isfinite(guess)
    aim, guess = np.where(known, table, 0.0), np.where(known, guess, 0.0)
    # Sums by day, and their medians: one wild day would outweigh all others.
    shares = (guess * aim).sum(axis=1) / np.maximum((guess * guess).sum(axis=1), 1e-300)
    share = np.clip(np.median(shares, axis=0), 0.0, 1.0)
    left, total = ((aim - share * guess) ** 2).sum(axis=1), (aim * aim).sum(axis=1)
    share[np.median(left, axis=0) > (1.0 - least_explained) * np.median(total, axis=0)] = 0.0
    return np.asarray(np.nan_to_num(share * _profile(table, np.arange(days) - days)))


def spread_factors(table: Floats) -> Floats:
    """(48, K) how much wider than the day each half hour spreads, from a table (D, 48, K) of mean squares."""
    days, _, columns = table.shape
    if days < LEAST_DAYS:
        return np.ones((SLOTS, columns))
    gain, seen = np.zeros(columns), np.zeros(columns)
    for fold in _folds(days):
        factors, whole = _factors(np.delete(table, fold, axis=0))
        squares = table[fold] / np.maximum(whole, 1e-300)
        # Of a normal distribution: log-likelihood with the factor less that without.
        better = 0.5 * squares * (1.0 - factors**-2.0) - np.log(factors)
        gain += np.nansum(better, axis=(0, 1))
        seen += np.isfinite(better).sum(axis=(0, 1))
    worth = gain > LEAST_LIKELIHOOD * np.maximum(seen, 1.0)
    return np.where(worth, _factors(table)[0], 1.0)


def _folds(days: int) -> list[Integers]:
    return [np.arange(fold, days, FOLDS) for fold in range(min(FOLDS, days))]


def _factors(table: Floats) -> tuple[Floats, Floats]:
    """Factors (48, K), and the variance (K,) of the whole day."""
    known = np.isfinite(table)
    sums, counts = np.where(known, table, 0.0).sum(axis=0), known.sum(axis=0)
    whole = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    sums, counts = (part + np.roll(part, 1, axis=0) + np.roll(part, -1, axis=0) for part in (sums, counts))
    variance = np.where(counts > 0, sums / np.maximum(counts, 1), whole)
    ratio = (variance + PRIOR * whole) / np.maximum((1.0 + PRIOR) * whole, 1e-300)
    return np.clip(np.sqrt(ratio), LOWEST, HIGHEST), whole


def _profile(table: Floats, ages: Integers) -> Floats:
    """(48, K) weighted medians over days; ages: (D,) of the days, 0 or less. NaN where nothing is known."""
    order = np.argsort(table, axis=0)
    weights = np.where(np.isfinite(table), np.exp2(ages / HALF_LIFE_DAYS)[:, None, None], 0.0)
    heap = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    place = (heap >= 0.5 * heap[-1]).argmax(axis=0)[None]
    medians = np.take_along_axis(np.take_along_axis(table, order, axis=0), place, axis=0)[0]
    known = np.isfinite(medians)
    sums, counts = np.where(known, medians, 0.0), known.astype(np.float64)
    sums, counts = (
        2.0 * part + np.roll(part, 1, axis=0) + np.roll(part, -1, axis=0) for part in (sums, counts)
    )
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)
