"""From history to an anomaly model: scale, network, season and threshold of what is usual on this host.

Two kinds of rows are not taken as they are. ``exclude`` (labelled incidents, maintenance, our own training)
is left out of everything. ``flagged`` (what the daemon itself alarmed about, right or wrong) is left out of
centre, network and season, but counts in the spread (see training/robust.py) and in the threshold: the budget
is one of alarms, and a threshold that forgot its own alarms would sink from training to training. Beyond that
every estimate is robust, so that an incident nobody flagged is no new normal either.

For that very reason one evening would never change what is usual. So spans that
an operator labelled normal are heard by themselves: every signal's spread reaches as far as it went there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from loadwatch.errors import TrainingError
from loadwatch.features.deviations import DeviationFeatures
from loadwatch.features.resample import MinuteResampler
from loadwatch.model.anomaly import AnomalyModel
from loadwatch.model.baseline import (
    HALF_HOUR,
    SLOTS,
    AnomalySettings,
    Baseline,
    Flags,
    autoencoder,
    half_hours,
)
from loadwatch.model.smoothing import Reals, ScoreSmoother
from loadwatch.nn import Adam, Data, Epoch, Huber, Network, Plan, cosine, train, warm_up
from loadwatch.nn.training import Stop
from loadwatch.records import Floats, Recording, Span
from loadwatch.signals import FILLING
from loadwatch.training.robust import labelled_normal_spread, robust_scale
from loadwatch.training.thresholds import block_maxima, threshold_for_budget

LEAST_MINUTES: Final = 10  # of usable history
LEAST_FOR_NETWORK: Final = 360  # minutes; with less, residuals are noise
LEAST_DAYS_FOR_SEASON: Final = 3
CALM_SHARE: Final = 0.7
HIDDEN: Final = 16
EPOCHS: Final = 12
BATCH: Final = 256
RATE: Final = 2e-3
LEAST_THRESHOLD: Final = 0.5  # mean squared deviation: half of ordinary noise, whatever the past looked like


@dataclass(frozen=True, slots=True)
class AnomalyReport:
    """How the training went, for the model's card.

    minutes: judged; left_out: of them excluded; flagged: of them flagged. losses: of the network, one an
    epoch, empty without one. blocks: half hours that the threshold rests on.
    """

    minutes: int
    left_out: int
    flagged: int
    losses: tuple[float, ...]
    blocks: int
    threshold: float


def train_anomaly(  # noqa: PLR0913 - all but the recording are refinements with a usual value
    recording: Recording,
    *,
    exclude: Sequence[Span] = (),
    flagged: Sequence[Span] = (),
    labelled_normal: Sequence[Span] = (),
    budget_per_day: float = 1.0,
    seed: int = 0,
    stop: Stop | None = None,
    progress: Callable[[Epoch], None] | None = None,
    settings: AnomalySettings | None = None,
) -> tuple[AnomalyModel, AnomalyReport]:
    """Learn what is usual from a recording; the same recording and seed give the same model.

    Raises:
        TrainingError: there are fewer than ten usable minutes, or no signal has a value in them.

    """
    minutes = MinuteResampler(len(recording.signals)).extend(recording.timestamps, recording.values)
    # A disk that is fuller every day is not unlike itself: what fills up has limits of its own.
    learned = [place for place, name in enumerate(recording.signals) if name not in FILLING]
    signals = tuple(recording.signals[place] for place in learned)
    minutes = replace(minutes, values=minutes.values[:, learned])
    taken = ~_inside(minutes.timestamps, exclude)
    _refuse_too_little(taken, minutes.values)
    step = float(np.median(np.diff(minutes.timestamps)))
    settings = (settings or AnomalySettings()).stretched(step)
    features = DeviationFeatures(settings.deviations, len(signals)).extend(minutes.timestamps, minutes.values)
    features, timestamps, values = features[taken], minutes.timestamps[taken], minutes.values[taken]
    labelled = _inside(timestamps, labelled_normal)
    normal = ~_inside(timestamps, flagged) | labelled
    if not normal.any():
        normal[:] = True
    centre, spread = robust_scale(timestamps, features, signals, normal)
    spread = np.fmax(spread, labelled_normal_spread(features[labelled] - centre))
    usual, losses = _learn_usual(
        Baseline(signals, centre, spread, _no_season(signals), None, settings),
        timestamps[normal],
        features[normal],
        seed,
        stop,
        progress,
    )
    surprises = usual.surprises(timestamps, features)
    scores = usual.mean(ScoreSmoother(settings.hold, len(signals)).extend(timestamps, surprises), values)
    threshold = threshold_for_budget(timestamps, scores, budget_per_day)
    model = AnomalyModel(usual, max(threshold, LEAST_THRESHOLD))
    blocks = len(block_maxima(timestamps, scores)[0])
    left_out, suspect = int((~taken).sum()), int((~normal).sum())
    return model, AnomalyReport(len(minutes), left_out, suspect, losses, blocks, model.threshold)


def _learn_usual(
    usual: Baseline,
    timestamps: Floats,
    features: Floats,
    seed: int,
    stop: Stop | None,
    progress: Callable[[Epoch], None] | None,
) -> tuple[Baseline, tuple[float, ...]]:
    """To a scale without network and season add both, from normal minutes (M,) with features (M, 2J)."""
    losses: tuple[float, ...] = ()
    if usual.settings.residual_weight and len(timestamps) >= LEAST_FOR_NETWORK:
        z = usual.standardise(features[_calmest(usual.oddity(features))])
        network, losses = _train_network(z, usual.settings, seed, stop, progress)
        usual = replace(usual, network=network)
    oddities = usual.surprises(timestamps, features)  # the season is still zero
    return replace(usual, season=season_profile(timestamps, oddities)), losses


def _no_season(signals: tuple[str, ...]) -> Reals:
    return np.zeros((SLOTS, len(signals)), np.float32)


def season_profile(timestamps: Floats, S: Reals) -> Reals:
    """(48, J) what S (M, J) usually is in each half hour of the day: the median over days of its means.

    A median forgets the day of an incident, and follows a nightly job. Zero where a half hour was seen on
    fewer than three days.
    """
    block = np.floor(timestamps / HALF_HOUR)
    starts = np.flatnonzero(np.diff(block, prepend=-1.0))
    lengths = np.diff(np.append(starts, len(block)))
    means = np.add.reduceat(S, starts, axis=0) / lengths[:, None]
    slots = half_hours(timestamps[starts])
    profile = np.zeros((SLOTS, S.shape[1]), np.float32)
    for slot in range(SLOTS):
        days = means[slots == slot]
        if len(days) >= LEAST_DAYS_FOR_SEASON:
            profile[slot] = np.median(days, axis=0)
    return profile


def _train_network(
    z: Reals,
    settings: AnomalySettings,
    seed: int,
    stop: Stop | None,
    progress: Callable[[Epoch], None] | None,
) -> tuple[Network, tuple[float, ...]]:
    network = autoencoder(z.shape[1], [HIDDEN], seed=seed)
    plan = Plan(Huber(), Adam(), warm_up(cosine(RATE)), EPOCHS, BATCH)
    narrow = np.clip(z, -settings.input_clip, settings.input_clip)
    report = train(network, Data(narrow, z), plan, seed=seed, stop=stop, progress=progress)
    return network, tuple(report.losses)


def _calmest(S: Reals) -> Flags:
    """Which rows of S (M, J) the network learns from: without the oddest, lest it learns incidents."""
    mean = S.mean(axis=1)
    return np.asarray(mean <= np.quantile(mean, CALM_SHARE))


def _inside(timestamps: Floats, spans: Sequence[Span]) -> Flags:
    inside = np.zeros(len(timestamps), bool)
    for span in spans:
        first, last = np.searchsorted(timestamps, [span.start, span.end])
        inside[first:last] = True
    return inside


def _refuse_too_little(taken: Flags, values: Floats) -> None:
    usable = int((taken & np.isfinite(values).any(axis=1)).sum())
    if usable < LEAST_MINUTES:
        raise TrainingError(
            f"cannot train an anomaly model on {usable} usable minutes of {len(taken)} (others are excluded "
            f"or have no value); at least {LEAST_MINUTES} are needed, wait or import history"
        )
