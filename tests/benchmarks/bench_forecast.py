"""Forecasts of high load beside plain ones, on recorded hosts: the same command for every file.

Each file is learned to its half and forecast, frozen, from there on; the forecasts are written as
``loadwatch replay`` would write them and scored by the scorer that comes with the data. Beside loadwatch
stand persistence (the load level itself), and scikit-learn's logistic regression and gradient boosting on
the same features. below_0.5 and below_0.9 are the shares of the time in which the highest load level now or
within the horizon stayed below the quantile that was forecast, or both lay beyond the last limit.

    bench_forecast.py                     every Bitbrains file, cpu > 80 %, 900 s
    bench_forecast.py --walk 7d           the same, learning anew each week
    bench_forecast.py --history 14d       learning from the last two weeks only
    bench_forecast.py --quantile 0.97     high is what a host's first half exceeds 3 % of the time
    bench_forecast.py --step 60s          rows stretched to one a minute, with noise between them
    bench_forecast.py --only loadwatch    without the others
    bench_forecast.py --only level --quantile 0.97 FILE ...
                                          below_0.5 and below_0.9 alone, of the first signal of any files

Not a test: it takes minutes.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from loadwatch.features.forecast import ForecastFeatures
from loadwatch.labels.horizons import peaks
from loadwatch.labels.rule import Rule
from loadwatch.model.forecast import ForecastModel
from loadwatch.model.level import HIGHEST
from loadwatch.records import Recording
from loadwatch.times import parse_duration
from loadwatch.training.forecast import Lesson
from loadwatch.training.table import learning_table

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "../shared"))
COLUMNS = ("ap", "ap_calm", "brier", "recall", "lead_minutes")
QUANTILE_COLUMNS = ("below_0.5", "below_0.9")
HORIZONS = (0, 60, 300, 900)
SELDOM_HIGH = ("vm093", "vm383")  # scored, but high at most five times in the half that is learned


def read(path: Path) -> Recording:
    table = pd.read_csv(path).drop(columns=["split", "label"], errors="ignore")
    return Recording(
        table.timestamp.to_numpy(float), tuple(table.columns[1:]), table.iloc[:, 1:].to_numpy(float)
    )


def stretched(recording: Recording, step: float) -> Recording:
    """Rows each ``step`` seconds: straight lines between the recorded ones, with 3 % of noise."""
    times = np.arange(recording.timestamps[0], recording.timestamps[-1], step)
    columns = [np.interp(times, recording.timestamps, column) for column in recording.values.T]
    noise = np.random.default_rng(0).normal(1.0, 0.03, (len(times), len(columns)))
    return Recording(times, recording.signals, np.column_stack(columns) * noise)


def score(recording: Recording, probabilities: np.ndarray, high: str, horizon: int) -> dict:
    with (
        tempfile.NamedTemporaryFile("w", suffix=".csv") as truth,
        tempfile.NamedTemporaryFile("w", suffix=".csv") as scores,
    ):
        table = {"timestamp": recording.timestamps, "cpu_percent": recording.column("cpu_percent")}
        pd.DataFrame(table).to_csv(truth.name, index=False)
        frame = {"timestamp": recording.timestamps, f"high_load_probability_{horizon}": probabilities}
        pd.DataFrame(frame).to_csv(scores.name, index=False)
        command = [sys.executable, SHARED / "tools/score_forecast.py", truth.name, scores.name]
        answer = subprocess.run(
            [*command, "--high", high, "--horizon", str(horizon)], capture_output=True, text=True, check=False
        )
    fields = answer.stdout.split()
    return dict(zip(fields[::2], map(float, fields[1::2]), strict=True))


def forecast(model: ForecastModel, recording: Recording, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = model.features().extend(
        recording.timestamps, recording.with_signals(model.spec.signals).values, levels
    )
    chances, logits = model.look_ahead(features)
    return chances, model.peaks(features, logits)


def coverage(recording: Recording, rule: Rule, horizon: int, quantiles: np.ndarray) -> dict[str, float]:
    """How often what came stayed below each of the quantiles (N, 2)."""
    levels = rule.levels(recording)
    came = np.fmax(peaks(recording.timestamps, levels, [horizon])[:, 0], levels)
    known = np.isfinite(came) & np.isfinite(quantiles).all(axis=1)
    below = (came[:, None] <= quantiles) | (quantiles >= HIGHEST)
    return dict(zip(QUANTILE_COLUMNS, below[known].mean(axis=0).tolist(), strict=True))


def loadwatch(
    recording: Recording, rule: Rule, horizon: int, options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N,) and quantiles (N, 2) of the level.

    By a model learned to the half, or anew each ``options.walk`` seconds after.
    """
    times, levels = recording.timestamps, rule.levels(recording)
    answer, quantiles = np.full(len(recording), np.nan), np.full((len(recording), 2), np.nan)
    cuts = [times[len(times) // 2]]
    while options.walk and cuts[-1] + options.walk < times[-1]:
        cuts.append(cuts[-1] + options.walk)
    for start, end in zip(cuts, [*cuts[1:], np.inf], strict=True):
        past = recording.between(start - options.history, start)
        model, _ = Lesson(past, rule, HORIZONS, seed=options.seed).earlier()
        mine = (times >= start) & (times < end)
        chances, ahead = forecast(model, recording, levels)
        answer[mine] = chances[mine, HORIZONS.index(horizon)]
        quantiles[mine] = ahead[mine, model.ahead.index(horizon)]
    return answer, quantiles


def others(recording: Recording, rule: Rule, horizon: int) -> dict[str, np.ndarray]:
    """Persistence, and two of scikit-learn's on the features that loadwatch itself sees."""
    levels = rule.levels(recording)
    half = recording.rows(0, len(recording) // 2)
    table, _, _ = learning_table(half, levels[: len(half)], (horizon,), np.random.default_rng(0))
    values = recording.with_signals(table.spec.signals).values
    features = ForecastFeatures(table.spec).extend(recording.timestamps, values, levels)
    y = table.targets[:, 0]
    known = np.isfinite(y)
    mean, scale = table.features.mean(axis=0), table.features.std(axis=0) + 1e-3
    answers = {"persistence": levels / np.nanmax(levels)}
    if 0 < y[known].sum() < known.sum():
        logistic = LogisticRegression(max_iter=1000).fit(((table.features - mean) / scale)[known], y[known])
        answers["logistic"] = logistic.predict_proba((features - mean) / scale)[:, 1]
        boosting = HistGradientBoostingClassifier(random_state=0).fit(table.features[known], y[known])
        answers["boosting"] = boosting.predict_proba(features)[:, 1]
    return answers


def show(rows: pd.DataFrame) -> None:
    """A table a figure, a line a host."""
    table = rows.pivot_table(index="host", columns="by", values=list(COLUMNS), sort=False)
    # The mean is over the hosts with enough high moments to learn from, as the recipe's was.
    table.loc["mean"] = table.loc[[host for host in table.index if host not in SELDOM_HIGH]].mean()
    for column in COLUMNS:
        print(f"\n{column}\n{table[column].round(3).to_string()}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--horizon", type=int, default=900)
    parser.add_argument("--limit", type=float, default=80.0)
    parser.add_argument("--quantile", type=float)
    parser.add_argument("--walk", type=parse_duration, default=0.0)
    parser.add_argument("--step", type=parse_duration, default=0.0)
    parser.add_argument("--history", type=parse_duration, default=1e12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["loadwatch", "level"])
    options = parser.parse_args()
    files = options.files or sorted((SHARED / "data/bitbrains").glob("*.csv.gz"))
    rows, covered = [], {}
    for path in files:
        recording = stretched(read(path), options.step) if options.step else read(path)
        signal, limit = "cpu_percent", options.limit
        if options.only == "level" and signal not in recording.signals:
            signal = recording.signals[0]
        if options.quantile:
            first = recording.column(signal)[: len(recording) // 2]
            limit = float(np.nanquantile(first, options.quantile))
        rule = Rule.parse(f"{signal} > {limit!r}")
        started = time.process_time()
        chances, quantiles = loadwatch(recording, rule, options.horizon, options)
        answers = {"loadwatch": chances}
        host = path.name.removesuffix(".csv.gz")[-25 if options.only == "level" else -5 :]
        covered[host] = coverage(recording, rule, options.horizon, quantiles)
        if options.only == "level":
            continue
        seconds = time.process_time() - started
        if not options.only:
            answers |= others(recording, rule, options.horizon)
        for name, answer in answers.items():
            figures = score(recording, answer, rule.text, options.horizon)
            if figures:
                rows.append({"host": host, "by": name, **figures})
        print(
            f"{path.name}: {seconds:.1f} s of CPU",
            "" if figures else "(too few high moments)",
            file=sys.stderr,
        )
    if rows:
        show(pd.DataFrame(rows))
    print(f"\nload level within {options.horizon} s\n{pd.DataFrame(covered).T.round(3).to_string()}")


if __name__ == "__main__":
    main()
