"""Thresholds that follow from an alert budget, by counting what the past would have cost.

An operator counts episodes, not samples: alarms within an hour and a half are one. So the score is reduced
to the maxima of half hours, and the threshold is lowered until the past holds more episodes than the budget
allows.

Lowered further, episodes begin to merge and their number falls again; a search by the count alone would then
run away to the bottom (measured: two asked, twenty-two false half hours a day). A lower bound stops it: never
more than three alarmed half hours an episode, so never below the quantile 1 - 3 budget / 48 of the maxima.

Counting beat extreme-value fits (generalised Pareto, moments) on every budget tried: the past holds real
incidents, and they fatten a fitted tail.
"""

import math
from typing import Final

import numpy as np

from loadwatch.features.recurrence import Flags
from loadwatch.records import Floats

BLOCK: Final = 1800.0  # seconds
BLOCKS_A_DAY: Final = 86400.0 / BLOCK
MERGED_BLOCKS: Final = 2  # this many calm half hours do not yet end an episode
BLOCKS_AN_EPISODE: Final = 3  # bounds the threshold from below
TAIL_INDEX: Final = (
    2.0  # P(score > x) ~ x^-2: how the threshold goes on beyond a past shorter than the budget asks
)


def block_maxima(timestamps: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Numbers (B,) of the half hours since the epoch that hold a known score, and their maxima (B,)."""
    known = np.isfinite(scores)
    blocks = np.floor(timestamps[known] / BLOCK)
    if not len(blocks):
        return blocks, blocks.copy()
    starts = np.flatnonzero(np.diff(blocks, prepend=blocks[0] - 1.0))
    return blocks[starts], np.maximum.reduceat(scores[known], starts)


def count_episodes(blocks: Floats) -> int:
    """How many episodes these alarmed half hours (ascending numbers) make.

    >>> count_episodes(np.array([1.0, 2.0, 5.0, 9.0]))
    2
    """
    return int((np.diff(blocks) > MERGED_BLOCKS + 1).sum()) + 1 if len(blocks) else 0


def threshold_for_budget(
    timestamps: Floats, scores: Floats, episodes_per_day: float, ordinary: Flags | None = None
) -> float:
    """The lowest threshold at which ``score > threshold`` stays within the budget on this past.

    timestamps: (N,) ascending epoch seconds; scores: (N,) not negative, NaN where unknown. The past should be
    normal: leave out what is known to be an incident. A past shorter than one episode's due time says too
    little; its maximum is then raised as a tail of index two demands. NaN where there is no score at all.
    ordinary: (N,) rows that bound the threshold from below, all by default. Others count as episodes, but
    half a day of overload would lift the bound over its own scores, and over all that is like it.
    """
    blocks, maxima = block_maxima(timestamps, scores)
    if ordinary is None:
        return threshold_of_blocks(blocks, maxima, maxima, episodes_per_day)
    calm = block_maxima(timestamps[ordinary], scores[ordinary])[1]
    return threshold_of_blocks(blocks, maxima, calm if len(calm) else maxima, episodes_per_day)


def threshold_of_blocks(blocks: Floats, maxima: Floats, calm: Floats, episodes_per_day: float) -> float:
    """As `threshold_for_budget`, from half hours (B,), their maxima (B,), and those of ordinary ones (C,)."""
    if not len(blocks):
        return math.nan
    allowed = episodes_per_day * len(blocks) / BLOCKS_A_DAY
    highest = float(maxima.max())
    if allowed < 1.0:
        return highest * float(allowed ** (-1.0 / TAIL_INDEX))
    share = min(1.0, BLOCKS_AN_EPISODE * episodes_per_day / BLOCKS_A_DAY)
    lowest = float(np.quantile(calm, 1.0 - share))
    chosen = highest
    for candidate in np.unique(maxima)[::-1].tolist():
        if candidate < lowest or count_episodes(blocks[maxima > candidate]) > allowed:
            break
        chosen = candidate
    return chosen
