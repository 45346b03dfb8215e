"""The forecast of what fills up, on made-up fillings: ``python tests/benchmarks/bench_filling.py``.

Each kind is drawn many times, by the minute for up to a week. Of those that fill up counts how many were told
before, how long before, and how far off the first forecast was; of those that do not, how many were told
although they never got full. Beside it stands the plain rule of the node mixin: a line through six hours that
ends within a day, with less than 40 per cent left.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from loadwatch.judge.filling import FULL, FillingWatch
from loadwatch.records import Floats

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
Draw = Callable[[np.random.Generator, Floats], Floats]


def steady(rng: np.random.Generator, t: Floats) -> Floats:
    """A log that nobody rotates: full in an hour to three days."""
    begin, pause = rng.uniform(0.2, 0.8), rng.uniform(0, 6 * HOUR)
    return begin + (1 - begin) * np.maximum(t - pause, 0) / np.exp(rng.uniform(np.log(HOUR), np.log(3 * DAY)))


def by_the_piece(rng: np.random.Generator, t: Floats) -> Floats:
    """The same, in pieces of ten minutes to two hours."""
    piece = rng.uniform(10 * MINUTE, 2 * HOUR)
    return steady(rng, np.floor(t / piece) * piece)


def faster_and_faster(rng: np.random.Generator, t: Floats) -> Floats:
    """Errors that are logged make more errors."""
    begin = rng.uniform(0.2, 0.8)
    return begin + 0.01 * (np.exp(t / rng.uniform(HOUR, 12 * HOUR)) - 1)


def with_deletions(rng: np.random.Generator, t: Floats) -> Floats:
    """Filling for good, while a job deletes a little every hour."""
    begin, life = rng.uniform(0.3, 0.8), rng.uniform(6 * HOUR, 3 * DAY)
    return begin + (1 - begin) * t / life + rng.uniform(0.002, 0.015) * (t % HOUR) / HOUR


def cleaned_nightly(rng: np.random.Generator, t: Floats) -> Floats:
    """It grows all day and is emptied at night."""
    return rng.uniform(0.3, 0.6) + rng.uniform(0.1, 0.35) * ((t + rng.uniform(0, DAY)) % DAY) / DAY


def temporary_files(rng: np.random.Generator, t: Floats) -> Floats:
    """Each few hours a job fills a part and removes it again."""
    every, lasts = rng.uniform(2 * HOUR, DAY), rng.uniform(20 * MINUTE, HOUR)
    phase = (t + rng.uniform(0, DAY)) % every
    return rng.uniform(0.2, 0.6) + np.where(phase < lasts, rng.uniform(0.1, 0.35) * phase / lasts, 0.0)


def one_copy(rng: np.random.Generator, t: Floats) -> Floats:
    """Somebody copies something large, once."""
    begin, lasts = rng.uniform(0, 4 * DAY), rng.uniform(5 * MINUTE, 3 * HOUR)
    return rng.uniform(0.2, 0.6) + rng.uniform(0.05, 0.3) * np.clip((t - begin) / lasts, 0, 1)


def backup_kept(rng: np.random.Generator, t: Floats) -> Floats:
    """A backup each night that stays; full in weeks."""
    days, phase = np.floor(t / DAY), (t % DAY) / (rng.uniform(1, 5) * HOUR)
    return rng.uniform(0.3, 0.7) + rng.uniform(0.005, 0.02) * (days + np.minimum(phase, 1.0))


def months(rng: np.random.Generator, t: Floats) -> Floats:
    """Growth as it is everywhere: full in months."""
    return rng.uniform(0.2, 0.8) + rng.uniform(0.1, 0.5) * t / (60 * DAY)


FILLING: tuple[Draw, ...] = (steady, by_the_piece, faster_and_faster, with_deletions)
NOT_FILLING: tuple[Draw, ...] = (cleaned_nightly, temporary_files, one_copy, backup_kept, months)


def drawn(draw: Draw, count: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Times (N,) in seconds and shares (N,) up to the moment of full, or a week."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        t = np.arange(0, 7 * DAY, MINUTE)
        shares = np.clip(draw(rng, t) + rng.normal(0, 0.0005, len(t)), 0.0, 1.0)
        full = np.flatnonzero(shares >= 1.0)
        end = int(full[0]) if len(full) else len(t)
        yield t[:end], shares[:end]


def ours(t: Floats, shares: Floats) -> Iterator[float | None]:
    """Seconds to full at each minute, None where nothing is said; what is nearly full is no forecast."""
    watch = FillingWatch()
    for now, share in zip(t.tolist(), shares.tolist(), strict=True):
        said = watch.update(now, {"x": share})
        yield said[0].full_in_seconds if said and share < FULL else None


def mixin(t: Floats, shares: Floats) -> Iterator[float | None]:
    """The same of a line through six hours."""
    rows = int(6 * HOUR / MINUTE)
    for row in range(len(t)):
        first = max(0, row - rows)
        if row - first < 15 or shares[row] < 0.6:
            yield None
            continue
        slope, level = np.polyfit(t[first : row + 1] - t[row], shares[first : row + 1], 1)
        left = (1.0 - level) / slope if slope > 0 else math.inf
        yield left if left < DAY else None


@dataclass
class Worth:
    """told: share of them; lead: median hours before full; error: median of ``|forecast / true - 1|``."""

    count: int
    told: float
    lead: float
    error: float


def worth(draw: Draw, forecast: Callable[[Floats, Floats], Iterator[float | None]], count: int) -> Worth:
    """What a forecast says of one kind."""
    told, leads, errors = 0, [], []
    for t, shares in drawn(draw, count, seed=7):
        end = float(t[-1]) if len(t) else 0.0
        for now, left in zip(t.tolist(), forecast(t, shares), strict=True):
            if left is not None:
                told += 1
                leads.append((end - now) / HOUR)
                errors.append(abs(left / max(end - now, MINUTE) - 1.0))
                break
    median = [float(np.median(values)) if values else math.nan for values in (leads, errors)]
    return Worth(count, told / count, *median)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args().count
    print(f"{'':<20}{'told, h before, first error':>30}{'a line through 6 h':>30}")
    for kinds, title in ((FILLING, "full in the end"), (NOT_FILLING, "never full: told in vain")):
        print(title)
        for draw in kinds:
            row = f"  {draw.__name__:<18}"
            for forecast in (ours, mixin):
                found = worth(draw, forecast, count if forecast is ours else max(1, count // 5))
                row += f"{found.told:>14.0%}"
                row += f"{found.lead:>9.1f}{found.error:>7.0%}" if kinds is FILLING else " " * 16
            print(row)


if __name__ == "__main__":
    main()
