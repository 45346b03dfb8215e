"""Which rows of a history are worth learning from: all that are near a change, and a share of the rest."""

from __future__ import annotations

import numpy as np

from loadwatch.features.recurrence import Flags, Integers
from loadwatch.records import Floats


def choose_rows(
    timestamps: Floats,
    levels: Floats,
    usable: Flags,
    horizon: float,
    most: int,
    rng: np.random.Generator,
) -> tuple[Integers, Floats]:
    """Indices (R,) of at most about ``most`` usable rows, in order, and their weights (R,), mean 1.

    Samples of five seconds hardly differ from their neighbours, but the minutes around the beginning and
    the end of high load are few and tell everything: up to half of the rows are taken from within
    ``horizon`` of those. A row that stands for n rows left out or kept weighs n, so that shares stay true.
    """
    rows = np.flatnonzero(usable)
    if len(rows) <= most:
        return rows, np.ones(len(rows))
    high = np.nan_to_num(levels) > 1.0
    changes = timestamps[1:][high[1:] != high[:-1]]
    edges = np.r_[-np.inf, changes, np.inf]
    after = np.searchsorted(edges, timestamps[rows])
    distance = np.minimum(edges[after] - timestamps[rows], timestamps[rows] - edges[after - 1])
    near = distance <= horizon
    chosen: list[Integers] = []
    weights: list[Floats] = []
    room = most
    for group in sorted((rows[near], rows[~near]), key=len):
        # The smaller group first: what it does not need is room for the other.
        share = room if chosen else most // 2
        keep = group if len(group) <= share else np.sort(rng.choice(group, share, replace=False))
        if len(keep):
            chosen.append(keep)
            weights.append(np.full(len(keep), len(group) / len(keep)))
            room -= len(keep)
    index, weight = np.concatenate(chosen), np.concatenate(weights)
    order = np.argsort(index)
    return index[order], weight[order] / weight.mean()
