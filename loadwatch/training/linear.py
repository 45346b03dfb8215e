"""The linear part of the forecast: a small logistic regression on a dozen features of the load level.

Few weights, so few high moments are enough to fit them: on hosts with a handful of onsets it is better than
the network, on all others much worse, and a weighted mean of the two logits is at least as good as either
(measured on the Bitbrains hosts: benchmarks). It also ties down what is said where nothing was ever seen.

With next to no onsets even that is too much to learn, and nothing beats persistence and what came before. So
a logistic regression on the newest level, and on how often high load came at this time on earlier days and
weeks, takes the share 6 / (6 + onsets) from both: a half after six onsets, a fiftieth after 300. It is what
foretells a weekly peak in its fourth week: what synthetic servers show counts in it as one onset of the
host's own does, for they have no weeks, and three Saturdays of three would hardly be believed.
Being linear in the same features, its weights are added.

For the horizon 0 the linear model sees only whether the rule holds, and by how much, and counts most: whether
load is high now is a matter of the rule and of the operator's word, not of what happened before.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from loadwatch.features.lookback import REPEATS
from loadwatch.nn import Array
from loadwatch.records import Floats
from loadwatch.training.table import TrainingTable

FEATURES: Final = tuple(
    f"level:{name}"
    for name in (
        "now", "high", "near", "lag_1", "average_433s", "average_1796s", "maximum", "minimum",
        "since_high", "high_for", "calm_for", "usual_high", "usual_peak", *REPEATS,
    )
)  # fmt: skip
PERSISTENCE: Final = ("level:now", "level:near")
AS_FAR: Final = 0.5  # of the reach of what came back: it says nothing of when within it
FEW_ONSETS: Final = 6.0
NOW_FEATURES: Final = ("level:high", "level:near")
SHARE: Final = 0.3  # of the logit of a horizon ahead
NOW_SHARE: Final = 0.8
RIDGE: Final = 1.0
ITERATIONS: Final = 30
ENOUGH: Final = 1e-6


def fit_linear(Z: Array, table: TrainingTable, own: int) -> tuple[Floats, Floats]:
    """Weights (F + 1, H) on normalised features Z (R, F), the bias last, and the shares (H,) of the logit.

    own: how many of the rows, the first ones, are the host's.
    """
    weights = np.zeros((Z.shape[1] + 1, len(table.horizons)))
    shares = np.full(len(table.horizons), NOW_SHARE)
    repeats = tuple(f"level:{name}" for name in REPEATS)
    doubt = FEW_ONSETS / (FEW_ONSETS + table.onsets)
    its_own = table.weights * np.where(np.arange(len(table)) < own, 1.0, 1.0 / (1.0 + table.onsets))
    for column, horizon in enumerate(table.horizons):
        if horizon == 0:
            weights[:, column] = _fit(Z, table, table.weights, column, NOW_FEATURES)
            continue
        share = 1.0 - (1.0 - doubt) * (1.0 - SHARE)
        simple = (1.0 - doubt) * SHARE * _fit(Z, table, table.weights, column, FEATURES)
        came_back = repeats if horizon >= AS_FAR * table.spec.reach else ()
        simplest = doubt * _fit(Z, table, its_own, column, (*PERSISTENCE, *came_back))
        weights[:, column], shares[column] = (simple + simplest) / share, share
    return weights, shares


def _fit(Z: Array, table: TrainingTable, row_weights: Floats, column: int, wanted: Sequence[str]) -> Floats:
    """(F + 1,) a logistic regression of one horizon on the wanted features; 0 for all others."""
    names = table.spec.names
    places = [names.index(name) for name in wanted if name in names]
    y = table.targets[:, column]
    known = np.isfinite(y)
    answer = np.zeros(Z.shape[1] + 1)
    answer[[*places, -1]] = fit_logistic(Z[known][:, places].astype(np.float64), y[known], row_weights[known])
    return answer


def fit_logistic(X: Floats, y: Floats, weights: Floats, ridge: float = RIDGE) -> Floats:
    """Weights and bias (A + 1,) that minimise  sum w BCE + ridge/2 |weights|^2  for X (N, A), y (N,).

    Newton's method (iteratively reweighted least squares), each step at most 5 long so that separable data,
    as "high now" is, cannot overshoot.
    """
    A = np.column_stack([X, np.ones(len(X))])
    penalty = np.r_[np.full(X.shape[1], ridge), 1e-3]
    theta = np.zeros(A.shape[1])
    for _ in range(ITERATIONS):
        p = 1.0 / (1.0 + np.exp(-np.clip(A @ theta, -30.0, 30.0)))
        gradient = A.T @ (weights * (y - p)) - penalty * theta
        curvature = (A * (weights * p * (1.0 - p))[:, None]).T @ A + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        length = float(np.linalg.norm(step))
        theta += step * min(1.0, 5.0 / max(length, 1e-12))
        if length < ENOUGH:
            break
    return theta
