"""The learning rate of step k of n, k = 0 .. n - 1.

    constant      r
    steps         r factor^(k // every)
    exponential   r factor^(k / n)                        factor is what is left at the end
    cosine        r (floor + (1 - floor) (1 + cos(pi k / n)) / 2)
    warm_up       (another) min(1, (k + 1) / w)           w = min(length, share n)

Loshchilov and Hutter, "SGDR" (2017), equation 5; Goyal et al. (2017), section 2.2. A schedule is asked for
all steps of an epoch at once, so it takes and gives arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from loadwatch.nn.errors import InputError

Rates = npt.NDArray[np.float64]
Schedule = Callable[[Rates, int], Rates]
"""From step numbers k and the number of all steps n to the learning rates of these steps."""


def constant(rate: float) -> Schedule:
    """Give the same rate for ever."""
    return _scaled(rate, lambda k, _: np.ones_like(k))


def steps(rate: float, every: int, factor: float = 0.5) -> Schedule:
    """Multiply by `factor` after each `every` steps."""
    return _scaled(rate, lambda k, _: factor ** (k // every))


def exponential(rate: float, factor: float = 0.01) -> Schedule:
    """Fall evenly on a logarithmic scale, to `factor` of the rate."""
    return _scaled(rate, lambda k, n: factor ** (k / n))


def cosine(rate: float, floor: float = 0.02) -> Schedule:
    """Fall along half a cosine, to `floor` of the rate."""
    return _scaled(rate, lambda k, n: floor + (1.0 - floor) * (1.0 + np.cos(math.pi * k / n)) / 2.0)


def warm_up(schedule: Schedule, length: int = 100, share: float = 0.1) -> Schedule:
    """`schedule`, its first `length` steps (at most `share` of all) scaled up from near zero."""

    def rates(k: Rates, n: int) -> Rates:
        w = max(1.0, min(float(length), share * n))
        return schedule(k, n) * np.minimum(1.0, (k + 1.0) / w)

    return rates


def _scaled(rate: float, shape: Schedule) -> Schedule:
    if not (math.isfinite(rate) and rate > 0.0):
        raise InputError(f"learning rate is {rate}, expected a finite number above 0")
    return lambda k, n: rate * shape(k, n)
