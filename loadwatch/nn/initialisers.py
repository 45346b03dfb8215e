"""Weights before the first step: random, and as large as keeps the signal's variance from layer to layer.

    He        W ~ N(0, 2 / I)                   for ReLU, which throws half of the signal away
    Glorot    W ~ U(-a, a),  a^2 = 6 / (I + O)  for tanh, sigmoid and linear units

He et al., "Delving Deep into Rectifiers" (2015), section 2.2; Glorot and Bengio, "Understanding the
difficulty of training deep feedforward neural networks" (2010), equation 16. Zero weights make all units of a
layer equal for ever, too large ones saturate or explode: tests/nn/test_initialisers.py shows both. Biases
start at zero.

Draws are made in float64 and rounded, so that a seed means the same network in float32 and in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from loadwatch.nn.arrays import Array

Initialiser = Callable[["np.random.Generator", Array], None]
"""Fills a weight matrix (I, O) in place."""


def he_normal(rng: np.random.Generator, W: Array) -> None:
    """W (I, O) ~ N(0, 2 / I)."""
    W[...] = math.sqrt(2.0 / W.shape[0]) * rng.standard_normal(W.shape)


def glorot_uniform(rng: np.random.Generator, W: Array) -> None:
    """W (I, O) ~ U(-a, a) with a = sqrt(6 / (I + O))."""
    bound = math.sqrt(6.0 / sum(W.shape))
    W[...] = rng.uniform(-bound, bound, W.shape)


def normal(gain: float) -> Initialiser:
    """W (I, O) ~ N(0, gain^2 / I): `normal(0.5)` for a last layer that starts out nearly silent."""

    def fill(rng: np.random.Generator, W: Array) -> None:
        W[...] = gain / math.sqrt(W.shape[0]) * rng.standard_normal(W.shape)

    return fill


def constant(value: float) -> Initialiser:
    """Every weight the same; of use in proofs only."""

    def fill(rng: np.random.Generator, W: Array) -> None:  # noqa: ARG001 - one form for all initialisers
        W[...] = value

    return fill
