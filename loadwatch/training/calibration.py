"""Probabilities that mean what they say, and the probability from which it is worth telling somebody.

Both are found on forecasts for rows the network had not learned from: the history is cut into spans, and each
is forecast by a network that learned the others.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from loadwatch.records import Floats, measured_steps

WEEK_SECONDS: Final = 7 * 86400.0
EPISODE_SECONDS: Final = 1800.0  # false alarms within half an hour are one disturbance
CAUTION: Final = 20.0  # weight, in rows, of the belief that logits need no correction


def fit_calibration(logits: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and shift that make ``slope * logit + shift`` the best logit (Platt, 1999); (1, 0) if in doubt.

    logits, y, weights: (N,). The slope stays between 1/3 and 2: beyond that, data and model do not fit
    anyway.
    """
    slope, shift = 1.0, 0.0
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-np.clip(slope * logits + shift, -30.0, 30.0)))
        error, spread = weights * (y - p), weights * p * (1.0 - p)
        gradient = np.array([(error * logits).sum() - CAUTION * (slope - 1.0), error.sum() - CAUTION * shift])
        cross = (spread * logits).sum()
        curvature = np.array([[(spread * logits**2).sum() + CAUTION, cross], [cross, spread.sum() + CAUTION]])
        step = np.linalg.solve(curvature, gradient)
        slope, shift = slope + float(np.clip(step[0], -0.5, 0.5)), shift + float(np.clip(step[1], -1.0, 1.0))
    return float(np.clip(slope, 1 / 3, 2.0)), float(np.clip(shift, -2.0, 2.0))


def weighted_quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> Floats:
    """(Q,) for each share the least of values (N,) that with those below it has that share of the weight."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.asarray(shares) * reached[-1])
    return np.asarray(values[order][np.minimum(places, len(values) - 1)])


def choose_threshold(
    timestamps: Floats, probabilities: Floats, y: Floats, high: Floats, budget_per_week: float
) -> float:
    """The lowest probability that would have been crossed in vain at most ``budget_per_week`` times a week.

    timestamps, probabilities, y (high load within the horizon), high (now): (N,). Crossings are counted in
    half hours in which nothing happened. With less than a week of history the answer leans on one half.
    """
    span = float(measured_steps(timestamps).sum())
    places = ((timestamps - timestamps[0]) // EPISODE_SECONDS).astype(np.int64)
    worst = np.full(int(places[-1]) + 1, -np.inf)
    calm = (y == 0) & (high == 0)
    np.maximum.at(worst, places[calm], probabilities[calm])
    worst[places[~calm]] = -np.inf
    crossed = np.sort(worst[np.isfinite(worst)])[::-1]
    weeks = span / WEEK_SECONDS
    allowed = int(budget_per_week * weeks)
    found = math.nextafter(float(crossed[allowed]), 1.0) if allowed < len(crossed) else 0.0
    trust = min(1.0, weeks)
    return float(np.clip(trust * found + (1.0 - trust) * 0.5, 0.05, 0.95))


def reliability(
    probabilities: Floats, y: Floats, weights: Floats, bins: int = 10
) -> list[tuple[float, float, int]]:
    """Mean forecast, observed share and number of rows in each tenth of the probabilities that has rows."""
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    table = []
    for place in np.unique(places):
        mine = places == place
        weight = weights[mine] / weights[mine].sum()
        table.append(
            (float((weight * probabilities[mine]).sum()), float((weight * y[mine]).sum()), int(mine.sum()))
        )
    return table
