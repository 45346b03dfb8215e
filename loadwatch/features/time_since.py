"""How high load has come and gone: time since it was there, since it began, and in the present state."""

import math

import numpy as np

from loadwatch.features.recurrence import Flags
from loadwatch.records import Floats

LONGEST = 7 * 86400.0  # what "long ago" means; also where it is not known, at the beginning

NAMES = ("since_high", "since_onset", "high_for", "calm_for")


class TimeSince:
    """Follows a yes-or-no through time; every answer is log(1 + seconds / 300)."""

    def __init__(self) -> None:
        self._high: bool | None = None
        self._last_high = self._last_onset = -math.inf
        self._changed = math.nan

    def extend(self, timestamps: Floats, high: Flags) -> tuple[Floats, Flags]:
        """Take in high (N,) at timestamps (N,); returns (N, 4), columns as NAMES, and onsets (N,) bool.

        since_high: 0 while it is high; high_for: 0 while calm; calm_for: 0 while high.
        """
        before = np.concatenate([[high[0] if self._high is None else self._high], high[:-1]])
        if self._high is None:
            self._changed = float(timestamps[0])
        onset = high & ~before
        last_high = _latest(timestamps, high, self._last_high)
        last_onset = _latest(timestamps, onset, self._last_onset)
        changed = _latest(timestamps, high != before, self._changed)
        self._high = bool(high[-1])
        self._last_high, self._last_onset = float(last_high[-1]), float(last_onset[-1])
        self._changed = float(changed[-1])
        in_state = timestamps - changed
        seconds = np.array(
            [timestamps - last_high, timestamps - last_onset, in_state * high, in_state * ~high]
        ).T
        return np.log1p(np.minimum(seconds, LONGEST) / 300.0), onset


def _latest(timestamps: Floats, when: Flags, start: float) -> Floats:
    """(N,) the last time so far at which ``when`` was true."""
    latest: Floats = np.maximum.accumulate(np.concatenate([[start], np.where(when, timestamps, -np.inf)]))[1:]
    return latest
