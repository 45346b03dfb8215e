"""Short horizons on a real machine: record it second by second under stress-ng, then forecast what came.

    bench_seconds.py record FILE.csv            the daemon's own sampler, beside a random, seeded plan of
                                                ramps, bursts and calm spells on one core; ten minutes
    bench_seconds.py score FILE.csv             learned to its half, judged, frozen, on the rest
    bench_seconds.py score FILE.csv --step 5s   the same on means of five seconds

A ramp is a load that rises for a minute before it is high, so that a forecast is possible; a burst comes
out of nothing, so that it is not. Beside loadwatch stand the rule itself, persistence (the load level), and
scikit-learn's logistic regression on the same features. On a machine shared with others the figures sway.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from loadwatch.clock import SystemClock
from loadwatch.features.forecast import ForecastFeatures
from loadwatch.interchange.csv import read_csv, write_csv
from loadwatch.labels.horizons import exceedances
from loadwatch.labels.rule import Rule
from loadwatch.records import Floats, Recording
from loadwatch.sampling import Sampler
from loadwatch.times import parse_duration
from loadwatch.training.forecast import Lesson
from loadwatch.training.table import learning_table

HORIZONS = (0, 60, 300)
RAMP = (15, 30, 45, 60, 75, 90)  # per cent of one core, ten seconds each
NOTHING = 0


def plan(seed: int, seconds: float) -> Iterator[tuple[int, float]]:
    """Per cent of one core and for how many seconds, until ``seconds`` are planned."""
    rng, planned = random.Random(seed), 0.0
    while planned < seconds:
        spell = [(NOTHING, rng.uniform(20.0, 80.0))]
        if rng.random() < 0.6:
            spell += [(load, 10.0) for load in RAMP] + [(100, rng.uniform(15.0, 40.0))]
        else:
            spell += [(100, rng.uniform(8.0, 20.0))]
        for load, length in spell:
            planned += length
            yield load, length


def record(path: Path, seconds: float, seed: int) -> None:
    """Sample once a second while the plan runs."""
    sampler, samples = Sampler(SystemClock()), []
    started = time.monotonic()
    steps = plan(seed, seconds)
    load, until = NOTHING, started
    process: subprocess.Popen[bytes] | None = None
    try:
        while (now := time.monotonic()) < started + seconds:
            if now >= until:
                if process is not None:
                    process.terminate()
                    process.wait()
                    process = None
                load, length = next(steps, (NOTHING, seconds))
                until += length
                if load:
                    command = [
                        "stress-ng",
                        "--cpu",
                        "1",
                        "--cpu-load",
                        str(load),
                        "--timeout",
                        f"{length + 5:.0f}",
                    ]
                    process = subprocess.Popen([*command, "--quiet"])
            sample = sampler.sample()
            if sample is not None:
                samples.append(sample)
            time.sleep(max(0.0, now + 1.0 - time.monotonic()))
    finally:
        if process is not None:
            process.terminate()
            process.wait()
    names = tuple(sorted({name for sample in samples for name in sample.values}))
    values = np.array([[sample.values.get(name, np.nan) for name in names] for sample in samples])
    with path.open("w", encoding="ascii") as stream:
        write_csv(Recording(np.array([sample.timestamp for sample in samples]), names, values), stream)


def resampled(recording: Recording, step: float) -> Recording:
    """Means over ``step`` seconds, each at its last moment."""
    places = np.floor((recording.timestamps - recording.timestamps[0]) / step)
    starts = np.flatnonzero(np.diff(places, prepend=-1.0))
    lengths = np.diff(np.append(starts, len(places)))
    values = np.add.reduceat(recording.values, starts, axis=0) / lengths[:, None]
    return Recording(recording.timestamps[starts + lengths - 1], recording.signals, values)


def answers(recording: Recording, rule: Rule, half: int) -> dict[str, Floats]:
    """Probabilities or scores (N, H) of every method, learned on the rows before ``half``."""
    levels, past = rule.levels(recording), recording.rows(0, half)
    model, _ = Lesson(past, rule, HORIZONS).earlier()
    values = recording.with_signals(model.spec.signals).values
    features = ForecastFeatures(model.spec).extend(recording.timestamps, values, levels)
    table, _, _ = learning_table(past, levels[:half], HORIZONS, np.random.default_rng(0))
    mean, scale = table.features.mean(axis=0), table.features.std(axis=0) + 1e-3
    logistic = np.zeros((len(recording), len(HORIZONS)))
    values = recording.with_signals(table.spec.signals).values
    plain = ForecastFeatures(table.spec).extend(recording.timestamps, values, levels)
    for column in range(len(HORIZONS)):
        y = table.targets[:, column]
        known = np.isfinite(y)
        if 0 < y[known].sum() < known.sum():
            fitted = LogisticRegression(max_iter=1000).fit(((table.features - mean) / scale)[known], y[known])
            logistic[:, column] = fitted.predict_proba((plain - mean) / scale)[:, 1]
    count = len(HORIZONS)
    return {
        "loadwatch": model.probabilities(features),
        "the rule": np.repeat((levels > 1.0)[:, None].astype(float), count, axis=1),
        "persistence": np.repeat(np.clip(levels / 2.0, 0.0, 1.0)[:, None], count, axis=1),
        "logistic": logistic,
    }


def score(path: Path, step: float, when: str) -> None:
    """Print a line a method and horizon."""
    recording, rule = read_csv(path).recording, Rule.parse(when)
    if step:
        recording = resampled(recording, step)
    half = len(recording) // 2
    levels = rule.levels(recording)
    truth = exceedances(recording.timestamps, levels, HORIZONS)[:, :, 0]
    onsets = int((np.diff((levels[half:] > 1.0).astype(int)) == 1).sum())
    print(f"{len(recording)} rows, {np.mean(levels > 1.0):.2f} high, {onsets} onsets in the judged half")
    print(f"{'':12s}" + "".join(f"{f'{horizon} s: ap, calm, Brier':>28s}" for horizon in HORIZONS))
    for name, answer in answers(recording, rule, half).items():
        cells = ""
        for column in range(len(HORIZONS)):
            known = np.isfinite(truth[:, column]) & (np.arange(len(recording)) >= half)
            calm = known & (levels <= 1.0)
            y, p = truth[:, column], answer[:, column]
            apart = average_precision_score(y[calm], p[calm]) if y[calm].any() else float("nan")
            whole, brier = average_precision_score(y[known], p[known]), np.mean((p[known] - y[known]) ** 2)
            cells += f"{whole:14.3f}{apart:7.3f}{brier:7.3f}"
        print(f"{name:12s}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["record", "score"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--step", type=parse_duration, default=0.0)
    parser.add_argument("--when", default="cpu_max_core > 0.85", help="what high load is")
    options = parser.parse_args()
    if options.action == "record":
        record(options.file, options.seconds, options.seed)
    else:
        score(options.file, options.step, options.when)


if __name__ == "__main__":
    main()
