"""Evidence to feed a judge with, and what to read off its judgements."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from loadwatch.judge import Evidence, EvidenceBatch, Judge, Judgement
from loadwatch.records import Alert

START = 1_700_000_000.0
WEEK = 604_800.0
HORIZONS = (0, 60, 300, 900)
CALM = (0.0, 0.0, 0.0, 0.0)


def evidence(
    timestamp: float,
    level: float = 0.2,
    probabilities: tuple[float, ...] = CALM,
    score: float = 0.1,
    values: Mapping[str, float] | None = None,
    *,
    maintenance: bool = False,
    training: bool = False,
) -> Evidence:
    """A calm sample, but for what is said otherwise."""
    return Evidence(timestamp, float(level), probabilities, float(score), values or {}, maintenance, training)


def run(judge: Judge, samples: Iterable[Evidence]) -> list[Judgement]:
    """Every judgement of a stream."""
    return [judge.update(sample) for sample in samples]


def batch_of(samples: list[Evidence]) -> EvidenceBatch:
    """The same samples as one batch."""
    names = sorted({name for sample in samples for name in sample.values})
    return EvidenceBatch(
        np.array([sample.timestamp for sample in samples]),
        np.array([sample.level for sample in samples]),
        np.array([sample.probabilities for sample in samples]).reshape(len(samples), len(HORIZONS)),
        np.array([sample.anomaly_score for sample in samples]),
        {name: np.array([sample.values.get(name, math.nan) for sample in samples]) for name in names},
        np.array([sample.maintenance for sample in samples], bool),
        np.array([sample.training for sample in samples], bool),
    )


def samples_of(batch: EvidenceBatch) -> list[Evidence]:
    """A batch without raw signals, sample by sample."""
    rows = zip(batch.timestamps.tolist(), batch.levels.tolist(), batch.probabilities.tolist(),
               batch.anomaly_scores.tolist(), strict=True)  # fmt: skip
    return [evidence(timestamp, level, tuple(chances), score) for timestamp, level, chances, score in rows]


def opened(judgements: Iterable[Judgement]) -> list[Alert]:
    """Every alert that was opened."""
    return [alert for judgement in judgements for alert in judgement.opened]


def transitions(flags: Iterable[bool | None]) -> int:
    """How often a flag changed."""
    return sum(one != other for one, other in pairwise(flags))


@st.composite
def streams(draw: st.DrawFn) -> list[Evidence]:
    """Evidence with calm and troubled stretches, unknown values, gaps, maintenance and training."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    timestamp, samples = START, []
    for _ in range(draw(st.integers(1, 12))):
        rows = int(rng.integers(1, 80))
        interval = float(rng.choice([1.0, 5.0, 60.0, 300.0]))
        kind = draw(st.sampled_from(["calm", "rough", "high", "unknown", "maintenance", "training"]))
        for _ in range(rows):
            timestamp += interval
            level, chance, score = (0.3, 0.0, 0.2) if kind == "calm" else rng.uniform(0, [1.2, 1.0, 0.8])
            if kind == "high":
                level, chance = 1.5, 0.9
            if kind == "unknown":
                level, chance, score = (
                    math.nan if rng.random() < 0.5 else value for value in (level, chance, score)
                )
            values = {
                "cpu": float(rng.choice([0.5, 0.99])),
                "io_pressure": float(rng.choice([0.0, 0.9, math.nan])),
            }
            samples.append(
                evidence(
                    timestamp,
                    float(level),
                    (float(chance),) * 4,
                    float(score),
                    values if kind != "calm" else {"cpu": 0.1, "io_pressure": 0.0},
                    maintenance=kind == "maintenance",
                    training=kind == "training",
                )
            )
        if rng.random() < 0.3:
            timestamp += float(rng.choice([-500.0, 2000.0, 90_000.0]))
    return samples
