"""From history to an anomaly model: course, scale, season and threshold of what is usual on this host.

Two kinds of rows are not taken as they are. ``exclude`` (labelled incidents, maintenance, our own training)
is left out of everything. ``flagged`` (what alerted somebody, right or wrong, and high load) is left out of
course, centre and season, but counts in the spread (see training/robust.py), in what comes back at its time,
and in the threshold: the budget is one of alarms, and a threshold that forgot its own alarms would sink from
training to training. Beyond that every estimate is robust, so that an incident nobody flagged is no new
normal either.

For that very reason one evening would never change what is usual. So spans that
an operator labelled normal are heard by themselves: every signal's spread reaches as far as it went there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from loadwatch.errors import TrainingError
from loadwatch.features.deviations import ChangeFeatures, DeviationSpec
from loadwatch.features.half_hours import HALF_HOUR, SLOTS, half_hour_numbers
from loadwatch.features.quantiles import column_medians, column_quantiles, lower_medians
from loadwatch.features.recurrence import Flags
from loadwatch.features.resample import whole_minutes
from loadwatch.labels.horizons import inside
from loadwatch.model.anomaly import WARM_UP_SECONDS, AnomalyModel, PastHalfHours
from loadwatch.model.baseline import FEATURES, AnomalySettings, Baseline
from loadwatch.model.recurring import LevelDrift, RecurringOddity
from loadwatch.model.smoothing import ScoreSmoother
from loadwatch.records import Floats, Recording, Span
from loadwatch.signals import FILLING, Unit
from loadwatch.training.course import TOP, course, day_table, spread_factors
from loadwatch.training.robust import column_parts, labelled_normal_spread, least_spreads, robust_spread
from loadwatch.training.thresholds import threshold_for_budget

LEAST_HALF_HOURS: Final = 47  # of usable history: a day, but for what its ends lose
LEAST_SIGNAL_HALF_HOURS: Final = 42  # of each signal: one that was missing for an hour or two is not new
LEAST_DAYS_FOR_MEDIAN: Final = 5  # with fewer, one odd day must not count as the season
REACH: Final = 5.0  # spreads of the change up to which the calm average follows
LEAST_STEP: Final = 0.1  # of the least spread: a signal that typically moves by less stands still
STEP_FLOOR: Final = 0.1  # of the typical step
REST: Final = 0.02  # the share of all values that is at rest: not each night
LEAST_RELATIVE: Final = 0.2  # spread of a logarithm: a fifth up or down is no news
LEAST_VARIABILITY: Final = 0.4  # spread of a logarithm: half more or less is no news
LEAST_THRESHOLD: Final = 4.0  # mean squared deviation, whatever the past looked like
FEW_SIGNALS: Final = 6  # up to so many that holds; by chance a mean over more strays less
WEEK_DAYS: Final = 7.0  # a past that saw no whole week says little about what is rare
OVER_ORDINARY: Final = 2.0  # a threshold is at least so many times what one minute in twenty reaches


@dataclass(frozen=True, slots=True)
class AnomalyReport:
    """How the training went. minutes: judged; left_out: of them excluded; flagged: of them flagged."""

    minutes: int
    left_out: int
    flagged: int
    threshold: float


def train_anomaly(
    recording: Recording,
    *,
    exclude: Sequence[Span] = (),
    flagged: Sequence[Span] = (),
    labelled_normal: Sequence[Span] = (),
    budget_per_day: float = 1.0,
    settings: AnomalySettings | None = None,
    before: AnomalyModel | None = None,
    units: Mapping[str, Unit] | None = None,
) -> tuple[AnomalyModel, AnomalyReport]:
    """Learn what is usual from a recording; the same recording gives the same model.

    before: the model at work, whose memory of weeks that the recording no longer holds goes on;
    units: of signals that are not ours, where they have one.

    Raises:
        TrainingError: there is less than a day that may be called usual.

    """
    # A disk that is fuller every day is not unlike itself: what fills up has limits of its own.
    signals = tuple(name for name in recording.signals if name not in FILLING)
    times, values = whole_minutes(
        recording.timestamps,
        len(signals),
        lambda rows: recording.rows(rows.start, rows.stop).with_signals(signals).values,
    )
    taken = ~inside(times, exclude)
    labelled = taken & inside(times, labelled_normal)
    normal = (taken & ~inside(times, flagged)) | labelled
    days = _usable_days(times, values, normal)
    # A signal that came lately is unknown until a day of it was seen, as all of them are at first.
    seen = np.isfinite(day_table(times, np.where(normal[:, None], values, np.nan))).sum(axis=(0, 1))
    values = np.where(seen < LEAST_SIGNAL_HALF_HOURS, np.nan, values)
    settings = (settings or AnomalySettings()).stretched(float(np.median(np.diff(times))))
    baseline, features, residuals = _learn_scale(
        signals, times, values, settings, units or {}, taken=taken, normal=normal, labelled=labelled
    )
    S = baseline.oddity(times, features)
    baseline = replace(baseline, season=_season(times, np.where(normal[:, None], S, np.nan)))
    known = taken[:, None] & np.isfinite(values)
    oddities = RecurringOddity(len(signals))
    c = baseline.surprises(times, S, oddities.extend(times, np.where(known, S, np.nan)))
    held = ScoreSmoother(settings.hold, len(signals)).extend(times[taken], c[taken])
    scores = baseline.mean(held, values[taken])
    threshold = max(
        _least_threshold(int(baseline.judged.sum()), days),
        threshold_for_budget(times[taken], scores, budget_per_day, normal[taken]),
        OVER_ORDINARY * float(np.nanquantile(scores[normal[taken]], 0.95)),
    )
    # A short past has seen little: a spread may be short by one part in its days; deviations are squared.
    threshold *= (1.0 + 1.0 / days) ** 2
    if before is not None and before.signals == signals:
        # Until its averages are warm, a recording's own first half hours say too little.
        older = before.oddities.numbers < half_hour_numbers(times[:1] + WARM_UP_SECONDS)
        oddities.past.restore(before.oddities.numbers[older], before.oddities.values[older])
    model = AnomalyModel(baseline, threshold, residuals, PastHalfHours(*oddities.past.to_arrays()))
    left_out, suspect = int((~taken).sum()), int((taken & ~normal).sum())
    return model, AnomalyReport(len(times), left_out, suspect, threshold)


def _learn_scale(
    signals: tuple[str, ...],
    times: Floats,
    values: Floats,
    settings: AnomalySettings,
    units: Mapping[str, Unit],
    *,
    taken: Flags,
    normal: Flags,
    labelled: Flags,
) -> tuple[Baseline, Floats, PastHalfHours]:
    """A baseline without season, the features (M, 4J) it sees, and the newest residuals."""
    spec = settings.deviations
    usual = np.where(normal[:, None], values, np.nan)
    centre = column_medians(usual)
    first_day = int(half_hour_numbers(times[:1])[0]) // SLOTS
    least = least_spreads(values[taken], signals, units)
    # Around its course a signal may spread as far as it does without: what the course explains so far may
    # change its size next week (SMD: average precision 0.45 in place of 0.31 on two of seven machines).
    width = np.fmax(robust_spread(times[taken], values[taken]), least)
    baseline = Baseline(
        signals,
        course=centre + course(day_table(times, usual - centre), first_day),
        width=width,
        reach=np.full(2 * len(signals), np.inf),
        step_floors=_step_floors(usual, least),
        size_floors=least,
        elasticity=np.zeros(len(signals)),
        usual_step=np.zeros(len(signals)),
        rest=column_quantiles(np.abs(usual), np.array([REST]))[0],
        centre=np.zeros(FEATURES * len(signals)),
        spread=np.ones(FEATURES * len(signals)),
        factor=np.ones((SLOTS, FEATURES * len(signals))),
        season=np.zeros((SLOTS, len(signals))),
        settings=settings,
    )
    changing = baseline.changing(times, values)
    drift = LevelDrift(width)
    level = drift.levels(times, changing[:, : len(signals)], taken)
    change = _changes(spec, baseline.reach, times, changing)
    least_change = np.concatenate([least, np.full(len(signals), LEAST_RELATIVE)])
    narrow = np.fmax(robust_spread(times[taken], change[taken]), least_change)
    reach = np.where(np.isfinite(narrow), REACH * narrow, np.inf)
    change = _changes(spec, reach, times, changing)
    steps, sizes = baseline.variability_features().logarithms(times, values)
    baseline = replace(baseline, reach=reach, elasticity=_elasticity(steps[normal], sizes[normal]))
    del steps, sizes, changing  # of a long history what is held here is the most that a training needs
    usual_step = column_medians(baseline.variability_features().averages(times, values)[0][normal])
    baseline = replace(baseline, usual_step=usual_step)
    features = np.hstack([level, change, baseline.variability_features().extend(times, values)])
    del level, change
    lowest = np.concatenate([width, least_change, np.full(len(signals), LEAST_VARIABILITY)])
    centre = column_medians(features[normal])
    spread = np.fmax(robust_spread(times[taken], features[taken]), lowest)
    spread = np.fmax(spread, labelled_normal_spread(features[labelled] - centre))
    squares = features - centre
    squares /= spread
    squares *= squares
    squares[~normal] = np.nan
    for part in column_parts(squares.shape[1]):
        squares[:, part] = np.minimum(squares[:, part], column_quantiles(squares[:, part], np.array([TOP])))
    baseline = replace(
        baseline,
        centre=centre,
        spread=spread,
        factor=spread_factors(day_table(times, squares)),
    )
    return baseline, features, PastHalfHours(*drift.past.to_arrays())


def _changes(spec: DeviationSpec, reach: Floats, times: Floats, changing: Floats) -> Floats:
    """(M, K) as `ChangeFeatures` gives them, some columns at a time: it works with a dozen arrays of them."""
    changes = np.empty_like(changing)
    for part in column_parts(len(reach)):
        changes[:, part] = ChangeFeatures(spec, reach[part]).extend(times, changing[:, part])
    return changes


def _step_floors(values: Floats, least: Floats) -> Floats:
    """(J,) the floor of a step, from values (M, J); NaN for a signal that mostly stands still."""
    typical = column_medians(np.abs(np.diff(values, axis=0)))
    floors: Floats = np.where(
        typical > LEAST_STEP * least, np.maximum(STEP_FLOOR * typical, 0.01 * least), np.nan
    )
    return floors


def _elasticity(steps: Floats, sizes: Floats) -> Floats:
    """(J,) by how much steps (M, J) grow with sizes (M, J), in logarithms: a least squares line, 0 to 1."""
    known = np.isfinite(steps) & np.isfinite(sizes)
    count = np.maximum(known.sum(axis=0), 1)
    steps, sizes = (
        np.where(known, part - np.where(known, part, 0.0).sum(axis=0) / count, 0.0) for part in (steps, sizes)
    )
    slope = (steps * sizes).sum(axis=0) / np.maximum((sizes * sizes).sum(axis=0), 1e-9)
    elasticity: Floats = np.clip(slope, 0.0, 1.0)
    return elasticity


def _season(times: Floats, S: Floats) -> Floats:
    """(48, J) what S (M, J) usually is in each half hour of the day: the median over days of its means.

    A median forgets the day of an incident, and follows a nightly job. Of fewer than five days the lower one:
    better an alarm too many on the second day than an incident of the first learned.
    """
    table = day_table(times, S)
    days = np.isfinite(table).sum(axis=0)
    season = np.where(days >= LEAST_DAYS_FOR_MEDIAN, column_medians(table), lower_medians(table))
    return np.nan_to_num(season)


def _least_threshold(signals: int, days: float) -> float:
    """Below this no mean of squared deviations is odd, whatever the past looked like.

    With many signals one that moves alone would hardly pass a constant: of 14, ten spreads were not enough.
    """
    share = min(1.0, FEW_SIGNALS / max(1, signals)) ** 0.5
    return LEAST_THRESHOLD * (share if days >= WEEK_DAYS else 1.0)


def _usable_days(times: Floats, values: Floats, normal: Flags) -> float:
    """Days of history that may be called usual.

    Raises:
        TrainingError: there is less than one.

    """
    half_hours = len(np.unique(half_hour_numbers(times[normal & np.isfinite(values).any(axis=1)])))
    if half_hours < LEAST_HALF_HOURS:
        hours = half_hours * HALF_HOUR / 3600.0
        raise TrainingError(
            f"cannot train an anomaly model on {hours:.1f} usable hours (others are excluded, high "
            "load, or have no value): what is usual shows after a day of it; wait or import history"
        )
    return half_hours / SLOTS
