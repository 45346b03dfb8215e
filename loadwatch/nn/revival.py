"""Stuck units, noticed and replaced, so that a small network does not depend on a lucky seed.

A ReLU that is off for every sample has no gradient and stays off for ever; a tanh that is saturated for every
sample hardly moves. With few units that costs the whole solution: XOR by 2-4-1 fails for four seeds in ten.
So when the loss stands still, well above zero:

    stuck        f'(z) is zero, or nearly, on every row
    replace      w ~ initialiser, b = -w mean(x): the bend now lies among the data
                 b_next += mean(y) w_next,  w_next = 0: the output stays as it was, and the new unit can learn

If no unit is stuck, the point may still be a poor one: all units work, but together on three of four corners.
Where there are at least as many parameters as targets, such a network could fit them, so the unit that
matters least (deviation of y times |w_next|) is replaced too. On larger data a loss above zero is the noise,
and nothing is done.

Sokar et al., "The Dormant Neuron Phenomenon" (2023), section 4; Dohare et al., "Loss of plasticity in deep
continual learning" (2024), continual backpropagation: the utility of a unit.
"""

from __future__ import annotations

import math

import numpy as np

from loadwatch.nn.arrays import Array
from loadwatch.nn.diagnosis import dead_units
from loadwatch.nn.layers import Dense
from loadwatch.nn.losses import Loss
from loadwatch.nn.network import Network, Pass
from loadwatch.nn.objective import mean_loss
from loadwatch.nn.optimisers import Optimiser

ROWS_LOOKED_AT = 1000
IMPROVEMENT = 0.01  # a loss that falls by less than this share in a window stands still
SOLVED = 0.05  # share of the loss at the start that needs no help any more


class Reviver:
    """Watches one training; `train` calls it after each epoch."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimiser: Optimiser,
        X: Array,
        T: Array,
        *,
        rng: np.random.Generator,
        window: int = 50,
    ) -> None:
        self.network, self.loss, self.optimiser, self.rng, self.window = network, loss, optimiser, rng, window
        rows = rng.permutation(len(X))[:ROWS_LOOKED_AT]
        self.X, self.T = X[rows], T[rows]
        self.could_fit = network.theta.size >= T.size
        self.at = Pass(network, len(rows), training=False)
        self.at.load(self.X)
        self.solved = SOLVED * mean_loss(network, loss, self.X, self.T)
        self.lowest, self.since = math.inf, 0
        self.kept: tuple[float, Array] | None = None

    def after_epoch(self, loss: float) -> int:
        """Replace stuck units if the loss has stood still for a window; returns how many."""
        self.since += 1
        if loss < (1.0 - IMPROVEMENT) * self.lowest:
            self.lowest, self.since = loss, 0
        if self.since < self.window or loss <= self.solved:
            return 0
        self.lowest, self.since = math.inf, 0
        units = self.stuck() or (self.least_useful() if self.could_fit else [])
        if units:
            self._keep()
        for layer, unit in units:
            self._replace(layer, unit)
        return len(units)

    def finish(self) -> None:
        """If a replacement never paid, go back to the weights from before it."""
        if self.kept is not None and self.kept[0] < mean_loss(self.network, self.loss, self.X, self.T):
            self.network.theta[...] = self.kept[1]

    def stuck(self) -> list[tuple[int, int]]:
        """(layer, unit) of hidden units whose slope is zero, or nearly, on every row."""
        self.at.forward()
        dead = dead_units(self.network, self.at)[:-1]
        return [(number, unit) for number, units in enumerate(dead) for unit in units]

    def least_useful(self) -> list[tuple[int, int]]:
        """(layer, unit) of the hidden unit whose ups and downs move the next layer least, if there is one."""
        self.at.forward()
        utility = {
            (number, unit): float(spread)
            for number, (slot, after) in enumerate(zip(self.at.slots, self.network.dense[1:], strict=False))
            for unit, spread in enumerate(slot.YT.std(axis=1) * np.linalg.norm(after.W, axis=1))
        }
        return [min(utility, key=utility.__getitem__)] if utility else []

    def _keep(self) -> None:
        value = mean_loss(self.network, self.loss, self.X, self.T)
        if self.kept is None or value < self.kept[0]:
            self.kept = value, self.network.theta.copy()

    def _replace(self, number: int, unit: int) -> None:
        layer, after = self.network.dense[number], self.network.dense[number + 1]
        slot = self.at.slots[number]
        fresh = np.empty_like(layer.W)
        layer.initialiser(self.rng, fresh)
        after.b += slot.YT[unit].mean() * after.W[unit]
        after.W[unit] = 0.0
        layer.W[:, unit] = fresh[:, unit]
        layer.b[unit] = -fresh[:, unit] @ slot.X1T[:-1].mean(axis=1)
        self.optimiser.forget(self._places(layer, unit) + self._places(after, unit, row=True))

    def _places(self, layer: Dense, unit: int, *, row: bool = False) -> Array:
        """1 where theta holds the unit's incoming weights and bias, or with `row` its outgoing weights."""
        places = np.zeros_like(self.network.theta)
        start = 0
        for one in self.network.dense:
            if one is layer:
                table = places[start : start + one.size].reshape(one.Wb.shape)
                table[(unit, slice(None)) if row else (slice(None), unit)] = 1.0
            start += one.size
        return places
