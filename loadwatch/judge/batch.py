"""Reading a batch of evidence: row by row where something happens, and finding where that is."""

import bisect
from typing import Final

import numpy as np

from loadwatch.judge.limits import WATCHED, StaticLimits
from loadwatch.judge.seasonality import SLOT_SECONDS
from loadwatch.judge.types import Evidence, EvidenceBatch

GAP_SECONDS: Final = 1300.0
"""After a longer silence nothing goes on as before: two samples at the slowest interval, and a little."""


class BatchReader:
    """A batch for a judge that saw its last sample at ``last`` and is quiet below these ``limits``."""

    def __init__(
        self,
        batch: EvidenceBatch,
        last: float,
        limits: tuple[float, ...],
        guard: StaticLimits,
        odd_from: float,
    ) -> None:
        rows = len(batch)
        none = np.zeros(rows, bool)
        self._maintenance = none if batch.maintenance is None else batch.maintenance
        self._training = none if batch.training is None else batch.training
        previous = np.concatenate([[last], batch.timestamps[:-1]])[:rows]
        elapsed = batch.timestamps - previous
        calm = (elapsed >= 0.0) & (elapsed <= GAP_SECONDS) & (batch.levels <= 1.0) & ~self._maintenance
        calm &= (batch.probabilities < np.array(limits)).all(axis=1)
        calm &= guard.quiet_rows(batch.values, rows)
        turned = batch.timestamps // SLOT_SECONDS != previous // SLOT_SECONDS
        self._turns = np.flatnonzero(turned).tolist()
        unknown = np.isnan(batch.anomaly_scores) | self._training
        # The rows that are not quiet, for a rest in which the anomaly score is known, and for one where not.
        self._loud = {
            True: np.flatnonzero(~(calm & ~unknown & (batch.anomaly_scores < odd_from))).tolist(),
            False: np.flatnonzero(~(calm & unknown)).tolist(),
        }
        # Plain numbers at once: picked out of the arrays one by one they would cost more than judging them.
        names = [name for name in batch.values if name in WATCHED]
        values = zip(*(batch.values[name].tolist() for name in names), strict=True) if names else [()] * rows
        self._names = tuple(names)
        self._plain = list(
            zip(
                batch.timestamps.tolist(),
                batch.levels.tolist(),
                map(tuple, batch.probabilities.tolist()),
                batch.anomaly_scores.tolist(),
                values,
                self._maintenance.tolist(),
                self._training.tolist(),
                strict=True,
            )
        )
        self._rows = rows

    def next_loud(self, row: int, known: bool) -> int:
        """The first row from ``row`` on that is not quiet, or N."""
        loud = self._loud[known]
        place = bisect.bisect_left(loud, row)
        return loud[place] if place < len(loud) else self._rows

    def turns(self, start: int, stop: int) -> list[int]:
        """The rows from ``start`` up to, not including, ``stop`` with which a half hour begins."""
        return self._turns[bisect.bisect_left(self._turns, start) : bisect.bisect_left(self._turns, stop)]

    def evidence(self, row: int) -> Evidence:
        """One row as the stream would have it."""
        when, level, probabilities, score, values, maintenance, training = self._plain[row]
        named = dict(zip(self._names, values, strict=True))
        return Evidence(when, level, probabilities, score, named, maintenance, training)
