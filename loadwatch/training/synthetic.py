"""Synthetic server metrics: what ordinary servers look like before one has been seen.

As in the founding example: daily cycles of CPU, memory and network with noise, and high load when several are
high together or one is at its limit. Beside the cycle there are jobs at fixed times and work that comes
unannounced, in bursts of seconds to an hour; quiet servers are as likely as busy ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from loadwatch.records import Floats, Recording

SIGNALS: Final = ("cpu", "memory", "network", "network_receive", "network_transmit")
LINK_BYTES_PER_SECOND: Final = 125e6  # one gigabit a second
START: Final = 1_700_006_400.0  # a midnight (UTC)


def synthetic_recording(step: float, rows: int, *, seed: int = 0) -> Recording:
    """``rows`` samples of a synthetic server, one each ``step`` seconds, from some time of a day on."""
    rng = np.random.default_rng(seed)
    t: Floats = rng.uniform(0.0, 86400.0) + step * np.arange(rows, dtype=np.float64)
    size = float(np.exp(rng.uniform(np.log(0.02), np.log(0.5))))
    roughness = rng.uniform(0.05, 0.4)
    peak = rng.uniform(0.0, 86400.0)
    work = _jobs(rng, t) + _bursts(rng, t, 12.0)
    cpu = size * (_cycle(t, peak) + roughness * _drift(rng, rows, step, 900.0)) + work
    cpu = np.clip(cpu + rng.uniform(0.002, 0.06) * rng.standard_normal(rows), 0.0, 1.0)
    memory = rng.uniform(0.2, 0.6) + 0.1 * _cycle(t, peak) + 0.03 * _drift(rng, rows, step, 7200.0)
    memory += 0.25 * cpu + 0.2 * _bursts(rng, t, 1.0)
    network = size * (_cycle(t, peak) + roughness * _drift(rng, rows, step, 600.0))
    network += rng.uniform(0.0, 0.5) * work + _bursts(rng, t, 2.0)
    network = np.clip(network + 0.01 * rng.standard_normal(rows), 0.0, 1.0)
    values = np.column_stack([cpu, np.clip(memory, 0.0, 0.99), network, 0.6 * network, network])
    values[:, 3:] *= LINK_BYTES_PER_SECOND
    return Recording(START + t, SIGNALS, values)


def _cycle(t: Floats, peak: float) -> Floats:
    """(N,) the day: 1 on average, highest at ``peak`` seconds after midnight."""
    return 1.0 + 0.6 * np.cos(2 * np.pi * (t - peak) / 86400)


def _drift(rng: np.random.Generator, rows: int, step: float, constant: float) -> Floats:
    """(rows,) noise of deviation 1 that forgets itself within ``constant`` seconds."""
    # Random knots and straight lines between them: no recurrence, so a hundred thousand rows cost nothing.
    place = np.arange(rows) * (step / constant)
    knot = place.astype(np.int64)
    share = place - knot
    z = rng.standard_normal(int(place[-1]) + 2)
    mixed: Floats = (1.0 - share) * z[knot] + share * z[knot + 1]
    return mixed / np.sqrt((1.0 - share) ** 2 + share**2)


def _jobs(rng: np.random.Generator, t: Floats) -> Floats:
    """(N,) work at the same times each day, a little early or late, and now and then not at all."""
    load = np.zeros(len(t))
    days = range(int(t[-1] // 86400) + 1)
    for _ in range(3):
        start, length, height = rng.uniform(0, 86400), rng.uniform(600, 3600), rng.uniform(0.3, 0.9)
        swelling = rng.uniform(0, 300)
        for day in days:
            if rng.random() < 0.9:
                _add(load, t, day * 86400 + start + rng.normal(0.0, 120.0), length, height, swelling)
    return load


def _bursts(rng: np.random.Generator, t: Floats, per_day: float) -> Floats:
    """(N,) unannounced work: from seconds to an hour, sudden or swelling."""
    load = np.zeros(len(t))
    before = t[0] - 3600.0  # some are under way when the recording begins
    for _ in range(rng.poisson(per_day * (t[-1] - before) / 86400)):
        length = float(np.exp(rng.uniform(np.log(20.0), np.log(3600.0))))
        swelling = 900.0 * rng.uniform(0, 1) ** 2
        _add(load, t, rng.uniform(before, t[-1]), length, rng.uniform(0.2, 1.1), swelling)
    return load


def _add(load: Floats, t: Floats, start: float, length: float, height: float, swelling: float) -> None:
    """Add a block of work that rises over ``swelling`` seconds."""
    first, last = np.searchsorted(t, [start, start + swelling + length])
    rise = (t[first:last] - start) / max(swelling, 1.0)
    load[first:last] += height * np.minimum(rise, 1.0)
