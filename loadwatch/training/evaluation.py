"""Candidate against incumbent, on the newest span, which neither has learned.

Both, and two forecasters that need no learning, are compared by the Brier score, the mean squared error of
the probabilities, each pair on the rows that are new to both. The candidate must be no worse than any of
them, beyond what chance explains.

A training that follows closely on another, as after an import or a label, finds next to nothing new. It is
then judged on the newest hours all the same: to the candidate, and to the forecasters without learning, they
are new. The incumbent has learned them, so that there its score would flatter it; it is left out, and the
decision says so.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from loadwatch.features.recurrence import Integers
from loadwatch.labels.horizons import exceedances, inside, labelled_levels
from loadwatch.model.forecast import ForecastModel
from loadwatch.records import Floats, Label, Recording, Span, measured_steps
from loadwatch.training.table import HistoryFeatures

HELD_OUT: Final = 0.2  # of the history, at most
LEAST_SECONDS: Final = 3 * 3600.0
"""Held out at least, if a fifth of the history allows: six half hours, each one observation.
Trainings as the daemon plans them hold out no less by themselves."""
LEAST_ROWS: Final = 10
"""Rows fewer than these judge nobody. A fifth of the shortest history that is learned from has as many."""
BLOCK_SECONDS: Final = 1800.0  # errors of one half hour go together: it counts as one observation
SURE: Final = 1.0  # standard errors by which a difference is more than chance
UNSEEN: Final = 0.05
"""Deviation of a half hour's difference assumed beyond the one seen; all half hours judged share it.

A handful of quiet half hours agree with each other to the fourth digit and say nothing of the next busy one.
Without this a young history's candidates were refused for a thousandth, most of which the next day undid, and
a model of synthetic servers stayed. After a day's worth of half hours it no longer matters.
"""
KEPT: Final = "kept the old model: "
TOLERANCE: Final = 2e-4  # difference of Brier scores that nobody would notice


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the candidate is published, why, and by which figures; the figures are plain values.

    ``why`` begins with the verdict, for it is read in logs and lists. ``figures["incumbent_rows"]``: on how
    many of the rows the incumbent was compared, which are those it has not learned; ``"difference"``: by how
    much the candidate's score is above each other's on the rows of both, and the standard error of that.
    """

    published: bool
    why: str
    figures: dict[str, Any] = field(default_factory=dict)


def held_out_start(timestamps: Floats, learned: Span | None) -> float:
    """Where the span begins that the candidate must not learn from, because it will be judged there.

    timestamps: (N,) of the whole history; learned: what of it the incumbent has learned, None where it knows
    nothing of this host. Half of what is new to the incumbent is held out, so that the candidate learns
    something new and is judged on what is new to both; at least ``LEAST_SECONDS``, for less tells nothing,
    and at most a fifth of the history. Gaps count for nothing.
    """
    measured = np.concatenate([[0.0], np.cumsum(measured_steps(timestamps))])
    length = float(measured[-1])
    known = 0.0
    if learned is not None:
        first, last = np.interp([learned.start, learned.end], timestamps, measured)
        known = float(last - first)
    held_out = min(max(0.5 * (length - known), LEAST_SECONDS), HELD_OUT * length)
    # The same times with the gaps taken out, ending at the same end.
    closed_up = timestamps[-1] - (length - measured)
    start = timestamps[-1] - held_out
    first = np.searchsorted(closed_up, start)
    return float(timestamps[first] - (closed_up[first] - start))


def judge_forecast(  # noqa: PLR0913 - all but five are refinements with a usual value
    candidate: ForecastModel,
    incumbent: ForecastModel | None,
    recording: Recording,
    levels: Floats,
    start: float,
    *,
    learned: Span | None = None,
    labels: Iterable[Label] = (),
    masks: Iterable[Span] = (),
    features: HistoryFeatures | None = None,
) -> Decision:
    """Compare on the rows of ``recording`` from ``start`` (epoch seconds) on; those before warm up.

    levels: (N,) of the rule; ``learned``: rows that the incumbent has learned, on which it is not compared;
    ``features``: of all rows from ``start`` on, where they are at hand.
    """
    rows = np.flatnonzero((recording.timestamps >= start) & ~inside(recording.timestamps, masks))
    truth = labelled_levels(recording.timestamps, levels, labels)
    targets = exceedances(recording.timestamps, truth, candidate.horizons)[:, :, 0]
    rows = rows[np.isfinite(targets[rows]).any(axis=1)]
    if len(rows) < LEAST_ROWS:
        if incumbent is None:
            return Decision(True, "published: there is no other")
        few = f"only {len(rows)} rows of the newest span have a known future"
        return Decision(False, f"{KEPT}{few}, too few to judge by")
    times = recording.timestamps[rows]
    if features is None:
        nothing, first = np.empty(0, np.intp), int(rows[0])
        features = HistoryFeatures(recording, levels, candidate.spec, nothing, first)
    names = {"candidate": _probabilities(candidate, features, rows)}
    if incumbent is not None and incumbent.horizons == candidate.horizons:
        names["incumbent"] = _probabilities(incumbent, features, rows)
        if learned is not None:
            names["incumbent"][(times >= learned.start) & (times <= learned.end)] = np.nan
    names |= _plain(targets, levels, rows)
    return _decide(names, targets[rows], times, candidate.horizons)


def _probabilities(model: ForecastModel, features: HistoryFeatures, rows: Integers) -> Floats:
    return np.concatenate([model.probabilities(part) for part in features.parts(model.spec, rows)])


def _plain(targets: Floats, levels: Floats, rows: Integers) -> dict[str, Floats]:
    """What needs no network: it stays as it is, with the chances of that so far; or simply yes and no."""
    high = np.nan_to_num(levels) > 1.0
    before = np.arange(len(levels)) < rows[0]
    persistence = np.empty((len(rows), targets.shape[1]))
    for column in range(targets.shape[1]):
        y = targets[:, column]
        for state in (False, True):
            mine = before & (high == state) & np.isfinite(y)
            # One synthetic row each way keeps the chance of what was never seen off 0 and 1.
            persistence[high[rows] == state, column] = (y[mine].sum() + state) / (mine.sum() + 1.0)
    static = np.repeat(high[rows, None].astype(np.float64), targets.shape[1], axis=1)
    return {"persistence": persistence, "static threshold": static}


def _decide(
    forecasts: Mapping[str, Floats], targets: Floats, timestamps: Floats, horizons: tuple[int, ...]
) -> Decision:
    errors = {name: (forecast - targets) ** 2 for name, forecast in forecasts.items()}
    compared = {name: int(np.isfinite(error).any(axis=1).sum()) for name, error in errors.items()}
    known_to_it = compared.get("incumbent", len(timestamps)) < LEAST_ROWS
    if known_to_it:
        del errors["incumbent"]
    figures = {
        "start_timestamp": float(timestamps[0]),
        "end_timestamp": float(timestamps[-1]),
        "rows": len(timestamps),
        "incumbent_rows": compared.get("incumbent", 0),
        "high_share": {str(h): _mean(targets[:, i]) for i, h in enumerate(horizons)},
        "brier": {
            name: {str(h): _mean(error[:, i]) for i, h in enumerate(horizons)}
            for name, error in errors.items()
        },
    }
    mine = errors.pop("candidate")
    differences = {name: _difference(mine - theirs, timestamps) for name, theirs in errors.items()}
    figures["difference"] = {name: list(pair) for name, pair in differences.items()}
    beaten: list[str] = []
    level: list[str] = []
    for name, (difference, uncertainty) in differences.items():
        if difference > max(SURE * uncertainty, TOLERANCE):
            why = (
                f"{KEPT}on {compared[name]:,} new rows the Brier score of the new one is worse than that of "
                f"the {name} by {difference:.4f} (standard error {uncertainty:.4f})"
            )
            return Decision(False, why, figures)
        note = f" (on {compared[name]:,})" if compared[name] < len(timestamps) else ""
        if difference > TOLERANCE:
            level.append(f"{name}{note} by {difference:.4f} (standard error {uncertainty:.4f})")
        else:
            beaten.append(name + note)
    verdicts = [f"no worse than {', '.join(beaten)}"] if beaten else []
    verdicts += [f"worse, but within chance, than {', '.join(level)}"] if level else []
    why = f"published: {'; '.join(verdicts)} on {len(timestamps):,} new rows"
    if known_to_it:
        why += "; these the incumbent has learned, so it was not compared"
    return Decision(True, why, figures)


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _difference(difference: Floats, timestamps: Floats) -> tuple[float, float]:
    """Mean of (N, H) over known entries, and its standard error with half hours as the observations.

    The error seen is joined by one that few half hours cannot rule out.
    """
    known = np.isfinite(difference)
    count = known.sum(axis=1)
    blocks = ((timestamps - timestamps[0]) // BLOCK_SECONDS).astype(np.int64)
    sums = np.bincount(blocks, np.where(known, difference, 0.0).sum(axis=1))
    sizes = np.bincount(blocks, count)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    mean = float(sums.sum() / sizes.sum())
    # The deviation of a ratio of sums (Cochran, "Sampling Techniques", 1977, section 6.4).
    spread = float(((sums - mean * sizes) ** 2).sum())
    return mean, math.hypot(math.sqrt(spread) / float(sizes.sum()), UNSEEN / len(sizes))
