"""Synthetic server metrics: what an ordinary server looks like before one has been seen.

As in the founding example: daily cycles of CPU, memory and network with noise, and high load when several are
high together or one is at its limit. Beside the cycle there are jobs at fixed times, bursts of all lengths
that come unannounced, and quiet hosts are as likely as busy ones.
"""

from typing import Final

import numpy as np

from loadwatch.records import Floats, Recording

SIGNALS: Final = ("cpu", "memory", "network", "network_receive", "network_transmit")
LINK_BYTES_PER_SECOND: Final = 125e6  # one gigabit a second
START: Final = 1_700_006_400.0  # a midnight (UTC)


def synthetic_recording(step: float, rows: int, *, seed: int = 0) -> Recording:
    """``rows`` samples of a made-up server, one each ``step`` seconds, from a midnight on."""
    rng = np.random.default_rng(seed)
    t: Floats = step * np.arange(rows, dtype=np.float64)
    day: Floats = 2 * np.pi * t / 86400
    cpu = 0.15 + 0.12 * np.sin(day - 2.0) + 0.06 * _drift(rng, rows, step, 900.0)
    cpu += _jobs(rng, t) + _bursts(rng, t, 10.0)
    cpu = np.clip(cpu + 0.03 * rng.standard_normal(rows), 0.0, 1.0)
    memory = 0.45 + 0.1 * np.sin(day - 2.3) + 0.05 * _drift(rng, rows, step, 7200.0)
    memory += 0.25 * cpu + 0.2 * _bursts(rng, t, 1.0)
    network = 0.12 + 0.1 * np.sin(day - 1.8) + 0.04 * _drift(rng, rows, step, 600.0)
    network += 0.3 * cpu * rng.random() + _bursts(rng, t, 2.0)
    network = np.clip(network + 0.02 * rng.standard_normal(rows), 0.0, 1.0)
    values = np.column_stack([cpu, np.clip(memory, 0.0, 0.99), network, 0.6 * network, network])
    values[:, 3:] *= LINK_BYTES_PER_SECOND
    return Recording(START + t, SIGNALS, values)


def _drift(rng: np.random.Generator, rows: int, step: float, constant: float) -> Floats:
    """(rows,) noise of deviation 1 that forgets itself within ``constant`` seconds."""
    # A sum of slow random waves: no recurrence, so that a hundred thousand rows cost nothing.
    knots = int(rows * step / constant) + 3
    place = np.arange(rows) * (step / constant)
    whole = place.astype(np.int64)
    share = place - whole
    z = rng.standard_normal(knots + 1)
    mixed: Floats = (1.0 - share) * z[whole] + share * z[whole + 1]
    return mixed / np.sqrt((1.0 - share) ** 2 + share**2)


def _jobs(rng: np.random.Generator, t: Floats) -> Floats:
    """(N,) work that comes at the same times each day, a little early or late, and sometimes not at all."""
    load = np.zeros(len(t))
    days = int(t[-1] // 86400) + 1
    for _ in range(3):
        start, length, height = rng.uniform(0, 86400), rng.uniform(600, 3600), rng.uniform(0.3, 0.9)
        for day in range(days):
            if rng.random() < 0.9:
                _add(
                    load, t, day * 86400 + start + rng.normal(0.0, 120.0), length, height, rng.uniform(0, 300)
                )
    return load


def _bursts(rng: np.random.Generator, t: Floats, per_day: float) -> Floats:
    """(N,) unannounced work: from seconds to an hour, sudden or swelling."""
    load = np.zeros(len(t))
    for _ in range(rng.poisson(per_day * (t[-1] - t[0]) / 86400)):
        length = float(np.exp(rng.uniform(np.log(20.0), np.log(3600.0))))
        _add(load, t, rng.uniform(0, t[-1]), length, rng.uniform(0.2, 1.1), rng.uniform(0, 1) ** 2 * 900.0)
    return load


def _add(load: Floats, t: Floats, start: float, length: float, height: float, swelling: float) -> None:
    """Add a block of work that rises over ``swelling`` seconds."""
    first, last = np.searchsorted(t, [start, start + swelling + length])
    rise = (t[first:last] - start) / max(swelling, 1.0)
    load[first:last] += height * np.minimum(rise, 1.0)
