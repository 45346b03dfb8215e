"""A made-up host with busy spells that announce themselves, as a recording and as a state directory."""

from pathlib import Path

import numpy as np

from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.records import Recording

STEP = 30.0
RULE = "cpu > 0.85"


def recording(hours: float, *, end: float, seed: int = 0) -> Recording:
    """CPU climbs for ten minutes before each busy spell of twenty; memory follows the day."""
    rng = np.random.default_rng(seed)
    times = end - STEP * np.arange(int(hours * 3600 / STEP))[::-1]
    spells = times[0] + 3_600.0 * np.cumsum(rng.uniform(1.5, 4.0, size=int(hours) + 1))
    since = times[:, None] - spells[None, :]
    rise = np.clip(1.0 + since / 600.0, 0.0, 1.0) * (since < 1_200.0)
    cpu = np.clip(0.25 + 0.68 * rise.max(axis=1) + rng.normal(0.0, 0.03, len(times)), 0.0, 1.0)
    memory = 0.4 + 0.1 * np.sin(times / 86_400.0 * 2 * np.pi) + rng.normal(0.0, 0.005, len(times))
    receive = 1e6 * (0.2 + cpu) * rng.lognormal(0.0, 0.2, len(times))
    return Recording(times, ("cpu", "memory", "network_receive"), np.column_stack([cpu, memory, receive]))


def fill(state: Path, rows: Recording) -> None:
    """A state directory with this history."""
    state.mkdir(parents=True, exist_ok=True)
    history = History.open(state / "history.db", clock=SystemClock())
    history.merge(rows)
    history.close()
