"""Which signals the forecast sees beside the load level: chosen by what they say, never by their name.

None at all in the first days. What such a signal has shown by then is mostly which host this is, and one that
was under high load when first seen would be foretold to stay so. Brier score of the next day, with and
without, on Bitbrains: after a quarter of an hour 0.032 and 0.006, after two days 0.0072 and 0.0068; from
four days on they help.
"""

from typing import Final

import numpy as np

from loadwatch.features.moments import signed_log
from loadwatch.records import Floats, Recording
from loadwatch.signals import FILLING

MOST: Final = 6
LEAST_SECONDS: Final = 3 * 86400.0  # of history
LOOKED_AT: Final = 20_000  # rows
LEAST_KNOWN: Final = 0.5  # share of rows in which a signal must be known
LEAST_MOVING: Final = 0.05  # share of rows in which it must change
SAME: Final = 0.98  # correlation from which on two signals say the same


def choose_signals(recording: Recording, levels: Floats, future: Floats) -> tuple[str, ...]:
    """At most ``MOST`` signals, those first that go along with high load soon.

    levels: (N,) load level; future: (N,) 1 where load will be high, NaN where unknown. A signal that hardly
    ever moves, is mostly missing, only fills up, or repeats the level or a better signal is left out. None of
    a history shorter than ``LEAST_SECONDS``. By name, so that the same ones are the same inputs a day later.
    """
    if recording.measured_seconds < LEAST_SECONDS:
        return ()
    step = max(1, len(recording) // LOOKED_AT)
    columns: dict[str, Floats] = {}
    for name in recording.signals:
        if name in FILLING:
            continue
        x = recording.column(name)[::step]
        known = x[np.isfinite(x)]
        if len(known) < max(3, LEAST_KNOWN * len(x)) or (np.diff(known) != 0).mean() < LEAST_MOVING:
            continue
        z = np.where(np.isfinite(x), signed_log(x), np.nan)
        if np.nanstd(z) > 0.0:
            columns[name] = _standardised(z)
    level, target = _standardised(levels[::step]), _standardised(future[::step])
    ordered = sorted(columns, key=lambda name: -abs(float((columns[name] * target).mean())))
    chosen: list[str] = []
    taken = [level]
    for name in ordered:
        if len(chosen) < MOST and all(abs(float((columns[name] * other).mean())) < SAME for other in taken):
            chosen.append(name)
            taken.append(columns[name])
    return tuple(sorted(chosen))


def _standardised(x: Floats) -> Floats:
    """Mean 0 and deviation 1; unknown is the mean. A constant stays 0."""
    known = np.isfinite(x)
    if not known.any():
        return np.zeros(len(x))
    centred = np.where(known, x - x[known].mean(), 0.0)
    scale = float(np.sqrt((centred**2).mean()))
    return centred / scale if scale > 0.0 else centred
