"""Exponential averages in time: how a signal has been over the last minutes and hours.

A sample that came ``dt`` seconds after the one before weighs ``1 - exp(-dt/tau)``, and everything older has
faded by ``exp(-dt/tau)``. So an average means the same at samples of a second and of five minutes. Divided
by the sum of weights it is right from the first sample on, and after a gap (a sample speaks for ``longest``
seconds at most) it leans on the new samples without forgetting the old ones at once.
"""

from collections.abc import Sequence

import numpy as np

from loadwatch.features.recurrence import decayed_sums
from loadwatch.records import Floats


class Ewma:
    """Averages of K columns over each of T time constants (seconds)."""

    def __init__(self, columns: int, constants: Sequence[float], longest: float) -> None:
        self._constants = np.array(constants)
        self._longest = longest
        self._sums = np.zeros((len(self._constants), columns + 1))  # the last column sums the weights

    def extend(self, dt: Floats, x: Floats) -> Floats:
        """Take in x (N, K), each row dt (N,) seconds after the one before; returns (N, T * K) averages.

        Columns of the answer: all K for the first constant, then all K for the next.
        """
        # All constants side by side, (N, T, K + 1): a row is a few numpy calls, however many constants.
        rows, (constants, width) = len(x), self._sums.shape
        weighed = np.ones((rows, 1, width))
        weighed[:, 0, :-1] = x
        weight = -np.expm1(-np.minimum(dt, self._longest)[:, None] / self._constants)
        decay = np.exp(-dt[:, None] / self._constants)
        sums = decayed_sums(
            np.repeat(decay, width, axis=1),
            (weighed * weight[:, :, None]).reshape(rows, -1),
            self._sums.ravel(),
        ).reshape(rows, constants, width)
        self._sums = sums[-1].copy()
        averages: Floats = sums[:, :, :-1] / np.maximum(sums[:, :, -1:], 1e-300)
        return averages.reshape(rows, -1)
