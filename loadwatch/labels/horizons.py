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
    timestamps: Floats, levels: Floats, horizons: Sequence[float], thresholds: Sequence[float] = (1.0,)
) -> Floats:
    """(N, H, T): is the level above each threshold at any time in (t, t + h]? 0, 1, or NaN: unknown.

    For h = 0 the row itself is meant. A row stands for the time since the one before, so for an h shorter
    than a step the next row decides.
    """
    rows = len(timestamps)
    answer = np.full((rows, len(horizons), len(thresholds)), np.nan)
    known = np.flatnonzero(np.isfinite(levels))
    if len(known) == 0:
        return answer
    t, level, limit = timestamps[known], levels[known], longest_step(timestamps)
    # The end of what was watched without a hole, from each known row on.
    breaks = np.flatnonzero(np.diff(t) > limit)
    ends = np.r_[breaks, len(t) - 1]
    stretch = np.searchsorted(ends, np.arange(len(t)))
    watched_until = t[ends][stretch]
    step = usual_step(t)
    for place, horizon in enumerate(horizons):
        if horizon == 0:
            above = level[:, None] > np.asarray(thresholds)
            answer[known, place] = above
            continue
        until = np.searchsorted(t, t + horizon, side="right")
        if horizon < step:
            until = np.maximum(until, np.minimum(np.arange(2, len(t) + 2), len(t)))
        until = np.minimum(until, ends[stretch] + 1)
        # What comes less than a step after the last row is not missing: it has not had its turn.
        complete = watched_until + np.fmin(step, horizon) > t + horizon
        complete &= until > np.arange(len(t)) + 1
        for column, threshold in enumerate(thresholds):
            count = np.r_[0, np.cumsum(level > threshold)]
            hit = count[until] > count[np.arange(len(t)) + 1]
            answer[known, place, column] = np.where(hit, 1.0, np.where(complete, 0.0, np.nan))
    return answer
