"""Which inputs made this output: integrated gradients.

    a_i = (x_i - x0_i) mean over s of dz/dx_i (x0 + s (x - x0)),   0 < s < 1

The attributions of a row sum to z(x) - z(x0), the difference of the logit from that of the baseline; the
midpoints of `steps` equal parts stand for the mean. A network of ReLUs is linear by pieces, so only parts
with a kink inside err.

Sundararajan et al., "Axiomatic Attribution for Deep Networks" (2017), section 3 (completeness: proposition
1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadwatch.nn.arrays import Array, as_matrix, refuse_non_finite
from loadwatch.nn.errors import InputError
from loadwatch.nn.network import Network, Pass


class Attribution:
    """Integrated gradients through one network, for up to `rows` rows at a time; keeps its buffers."""

    def __init__(self, network: Network, *, rows: int = 1, steps: int = 32) -> None:
        if rows < 1 or steps < 1:
            raise InputError(f"rows is {rows} and steps is {steps}, expected at least 1 each")
        self.network, self.rows, self.steps = network, rows, steps
        self._at = Pass(network, rows * steps, training=False, inputs=True)
        self._s = ((np.arange(steps) + 0.5) / steps).astype(network.dtype)[:, None, None]

    def __call__(self, X: npt.ArrayLike, baseline: npt.ArrayLike, output: int = 0) -> Array:
        """Attributions (B, I) of logit `output` for X (B, I) against `baseline` (1, I) or (B, I)."""
        if not 0 <= output < self.network.outputs:
            raise InputError(f"output is {output}, expected 0 to {self.network.outputs - 1}")
        X = as_matrix("X", X, self.network.inputs)
        X0 = as_matrix("baseline", baseline, self.network.inputs)
        if len(X) > self.rows or len(X0) not in {1, len(X)}:
            raise InputError(
                f"X has {len(X)} rows and baseline {len(X0)}, expected at most {self.rows} and 1 or {len(X)}"
            )
        refuse_non_finite("X", X)
        refuse_non_finite("baseline", X0)
        difference = np.zeros((self.rows, self.network.inputs), self.network.dtype)
        difference[: len(X)] = X - X0
        path = X0[-1] + np.zeros_like(difference)
        path[: len(X)] = X0
        self._at.load((path + self._s * difference).reshape(-1, self.network.inputs))
        self._at.forward()
        self._at.dZT.fill(0.0)
        self._at.dZT[output] = 1.0
        self._at.backward()
        slopes = self._at.dX.reshape(self.steps, self.rows, -1).mean(axis=0)
        attributions: Array = (difference * slopes)[: len(X)]
        return attributions
