"""What the forecast is to learn: for each row, whether load was high within the next h seconds.

Three-valued: 1 where a high moment is known in the span, 0 where the span was watched to its end and stayed
calm, NaN where the recording stops or has a hole before that could be known. A reboot is a hole, too.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from loadwatch.records import Floats, Label, Span

# The level an operator's word stands for: clearly above or below the limit, so that neighbouring thresholds
# agree.
SAID_HIGH = 1.25
SAID_NORMAL = 0.75
Places = npt.NDArray[np.intp]


def labelled_levels(timestamps: Floats, levels: Floats, labels: Iterable[Label]) -> Floats:
    """The levels (N,) with the operator's word in place of the rule's: "high" lifts, "normal" lowers.

    An "incident" says that something was wrong, not that load was high: it changes nothing here.
    """
    levels = levels.copy()
    for label in labels:
        mine = inside(timestamps, [label.span])
        if label.kind == "high":
            levels[mine] = np.fmax(levels[mine], SAID_HIGH)
        elif label.kind == "normal":
            levels[mine] = np.fmin(levels[mine], SAID_NORMAL)
    return levels


def inside(timestamps: Floats, spans: Iterable[Span]) -> npt.NDArray[np.bool_]:
    """(N,) whether each row lies in one of the spans."""
    mask = np.zeros(len(timestamps), dtype=bool)
    for span in spans:
        first, last = np.searchsorted(timestamps, [span.start, span.end])
        mask[first:last] = True
    return mask


def usual_step(timestamps: Floats) -> float:
    """Median seconds between rows; NaN of fewer than two."""
    return float(np.median(np.diff(timestamps))) if len(timestamps) > 1 else float("nan")


def longest_step(timestamps: Floats) -> float:
    """Seconds between two rows above which something was missed: three usual steps, at least 30 s."""
    step = usual_step(timestamps)
    return 30.0 if np.isnan(step) else max(3.0 * step, 30.0)


def exceedances(
    timestamps: Floats,
    levels: Floats,
    horizons: Sequence[float],
    thresholds: Sequence[float] = (1.0,),
    rows: Places | None = None,
) -> Floats:
    """(N, H, T): is the level above each threshold at any time in (t, t + h]? 0, 1, or NaN: unknown.

    For h = 0 the row itself is meant. A row stands for the time since the one before, so for an h shorter
    than a step the next row decides. Of ``rows`` (R,) only, if they are given.
    """
    highest, complete = _futures(timestamps, levels, horizons)
    if rows is not None:
        highest, complete = highest[rows], complete[rows]
    above = highest[:, :, None] > np.asarray(thresholds)
    return np.where(above, 1.0, np.where(complete[:, :, None], 0.0, np.nan))


def peaks(timestamps: Floats, levels: Floats, horizons: Sequence[float]) -> Floats:
    """(N, H): the highest level in (t, t + h], NaN where not all of that was watched."""
    highest, complete = _futures(timestamps, levels, horizons)
    return np.where(complete, highest, np.nan)


def _futures(
    timestamps: Floats, levels: Floats, horizons: Sequence[float]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(N, H) the highest level known in (t, t + h], NaN where none is, and whether all of it was watched."""
    highest = np.full((len(timestamps), len(horizons)), np.nan)
    watched = np.zeros(highest.shape, bool)
    known = np.flatnonzero(np.isfinite(levels))
    if len(known) == 0:
        return highest, watched
    t, level, limit = timestamps[known], levels[known], longest_step(timestamps)
    # The end of what was watched without a hole, from each known row on.
    breaks = np.flatnonzero(np.diff(t) > limit)
    ends = np.r_[breaks, len(t) - 1]
    stretch = np.searchsorted(ends, np.arange(len(t)))
    watched_until = t[ends][stretch]
    step = usual_step(t)
    first = np.arange(1, len(t) + 1)
    for place, horizon in enumerate(horizons):
        if horizon == 0:
            highest[known, place], watched[known, place] = level, True
            continue
        until = np.searchsorted(t, t + horizon, side="right")
        if horizon < step:
            until = np.maximum(until, np.minimum(first + 1, len(t)))
        until = np.minimum(until, ends[stretch] + 1)
        # What comes less than a step after the last row is not missing: it has not had its turn.
        watched[known, place] = (watched_until + np.fmin(step, horizon) > t + horizon) & (until > first)
        highest[known, place] = _highest(level, first, until)
    return highest, watched


def _highest(values: Floats, first: Places, until: Places) -> Floats:
    """(N,) the largest of ``values[first:until]`` for each pair, NaN where that is empty.

    Two overlapping stretches of a power of two, whose maxima are made by doubling, cover each.
    """
    answer = np.full(len(first), np.nan)
    length = until - first
    size, maxima = 1, values  # maxima[i] is the largest of values[i : i + size]
    while (mine := np.flatnonzero(length >= size)).size:
        answer[mine] = np.maximum(maxima[first[mine]], maxima[until[mine] - size])
        maxima = np.maximum(maxima[: max(0, len(maxima) - size)], maxima[size:])
        size *= 2
    return answer
