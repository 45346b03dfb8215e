"""A made-up host of four weeks, and what ``replay`` says of it: the figures that hold the tuned constants.

``python -m golden.recording`` in ``tests`` writes them anew; read the difference before it is committed.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

# As the suite does it, before numpy is loaded: the last digits depend on how many threads share a sum.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from loadwatch.records import Floats, Recording
from loadwatch.replay import Replay, Settings

FIGURES = Path(__file__).with_name("figures.json")
DAY, STEP, START = 86_400.0, 300.0, 1_741_564_800.0  # a Monday, 00:00 UTC
DAYS = 28
SETTINGS = Settings(
    rule="cpu > 0.8 or memory > 0.97 or io_pressure > 0.4",
    horizons=(0, 300, 900),
    every=4 * DAY,
    history=90 * DAY,
    minimum=1.5 * DAY,
    budget_per_week=2.0,
    seed=1,
)


def recording() -> Recording:
    """Office hours, a nightly and a weekly job, incidents, onsets, a leak; some rows are missing."""
    rng = np.random.default_rng(20_250_310)
    times = START + np.arange(0.0, DAYS * DAY, STEP)
    day, hour = (times - START) // DAY, (times - START) % DAY / 3600.0
    busy = (0.05 + 0.5 * np.exp(-(((hour - 13.0) / 3.0) ** 2))) * np.where(day % 7 < 5, 1.0, 0.3)
    noise = _drift(rng, len(times))
    cpu = 0.05 + busy * (1.0 + noise) + 0.02 * rng.random(len(times))
    memory = 0.4 + 0.08 * busy + 0.004 * rng.standard_normal(len(times))
    received = 1e5 + 4e6 * busy * (1.0 + 0.1 * rng.standard_normal(len(times)))
    written = 8e4 + 8e5 * busy * (1.0 + 0.3 * rng.standard_normal(len(times)))
    retransmits = np.abs(0.05 + 0.3 * busy * rng.standard_normal(len(times)))
    stall = np.clip(0.01 * rng.random(len(times)), 0.0, 1.0)

    nightly = (hour >= 2.0) & (hour < 2.0 + 2.0 / 3.0)
    weekly = (day % 7 == 5) & (hour >= 10.0) & (hour < 12.0)
    cpu[nightly], written[nightly] = 0.93, 6e7
    cpu[weekly] = 0.96
    for at, length in ((6.61, 40), (11.34, 90), (15.71, 30), (19.9, 60), (24.45, 45), (25.8, 120)):
        onset = times - (START + at * DAY)
        ramp, top = (onset >= -1800.0) & (onset < 0.0), (onset >= 0.0) & (onset < length * 60.0)
        cpu[ramp] = np.maximum(cpu[ramp], 0.4 + 0.35 * (onset[ramp] + 1800.0) / 1800.0)
        cpu[top] = 0.97
        stall[top] = 0.3 * (length >= 90)
    for at, hours in ((13.3, 3.0), (22.15, 2.0)):
        odd = (times >= START + at * DAY) & (times < START + at * DAY + hours * 3600.0)
        retransmits[odd] += 9.0
        received[odd] *= 0.2
    leak = np.clip((times - START - 16.5 * DAY) / (1.5 * DAY), 0.0, 1.0) * (times < START + 18.2 * DAY)
    memory = np.minimum(memory + 0.58 * leak, 0.995)

    values = np.column_stack([np.clip(cpu, 0.0, 1.0), memory, received, written, retransmits, stall])
    values[rng.random(values.shape) < 0.003] = math.nan
    kept = (rng.random(len(times)) > 0.01) & ~((day == 9) & (hour >= 3.0) & (hour < 9.0))
    names = ("cpu", "memory", "network_receive", "disk_write", "tcp_retransmits", "io_pressure")
    return Recording(times[kept], names, values[kept])


def replayed() -> dict[str, Any]:
    """What the pipeline says of it: alerts, trainings, and the figures of the scored weeks."""
    host = recording()
    replay = Replay(host, SETTINGS)
    judged = list(replay.run())
    probabilities = np.concatenate([part.scores.probabilities for part in judged])
    scores = np.concatenate([part.scores.anomaly for part in judged])
    high = np.concatenate([part.judgements.high_load for part in judged])
    odd = np.concatenate([part.judgements.anomaly for part in judged])
    truth = _high_within(host, 900.0)
    known = np.isfinite(truth) & np.isfinite(probabilities[:, 2])
    p, y = probabilities[known, 2], truth[known]
    return {
        "alerts": [
            [alert.verdict, alert.horizon, *(_days(moment) for moment in (alert.start, alert.end))]
            for alert in replay.findings.alerts
        ],
        "first signals": [
            alert.signals[0].signal if alert.signals else None for alert in replay.findings.alerts
        ],
        "trainings": [[_days(at), said.partition(":")[0]] for at, said in replay.findings.trainings],
        "average precision": average_precision(p, y),
        "Brier score": float(np.mean((p - y) ** 2)),
        "flagged rows by horizon": [int(count) for count in (high == 1).sum(axis=0)],
        "rows flagged as anomaly": int((odd == 1).sum()),
        "mean anomaly score": float(np.nanmean(scores)),
        "probabilities at noon": [
            float(value) for value in probabilities[np.searchsorted(host.timestamps, START + _NOONS), 2]
        ],
    }


_NOONS = (np.arange(3, DAYS) + 0.5) * DAY


def average_precision(scores: Floats, truth: Floats) -> float:
    """Mean of the precisions at each true row, from the highest score down."""
    found = truth[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    return float(precision[found == 1.0].mean())


def _drift(rng: np.random.Generator, rows: int) -> Floats:
    value, drift = 0.0, np.empty(rows)
    for row, step in enumerate(rng.standard_normal(rows) * 0.05):
        value = 0.95 * value + step
        drift[row] = value
    return drift


def _high_within(host: Recording, seconds: float) -> Floats:
    """1 where the rule holds at any row of the next ``seconds``, else 0; NaN where there is no such row."""
    high = (host.column("cpu") > 0.8) | (host.column("memory") > 0.97) | (host.column("io_pressure") > 0.4)
    ends = np.searchsorted(host.timestamps, host.timestamps + seconds, side="right")
    return np.array(
        [
            float(high[row + 1 : end].any()) if end > row + 1 else math.nan
            for row, end in enumerate(ends.tolist())
        ]
    )


def _days(moment: float | None) -> float | None:
    return None if moment is None else round((moment - START) / DAY, 4)


if __name__ == "__main__":
    FIGURES.write_text(json.dumps(replayed(), indent=1) + "\n", encoding="utf-8")
