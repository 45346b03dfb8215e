"""Alerts against baselines on the Bitbrains hosts, replayed: how many a week, how many onsets caught in time.

    python tests/benchmarks/bench_alerts.py [DATA] [--hosts vm055 vm394] [--budget 2]

Every host is replayed with weekly training from its first row, and the second half is counted. High load is
``cpu_percent > 80``; an onset is its begin after a quarter of an hour without; it is caught in time by an
alert that *begins* in the quarter of an hour before. (To count alerts that are merely open would reward the
one that never closes.)

Baselines get what no program in service has: their threshold is the best in hindsight of all that raise no
more alerts on the very rows that are counted. They are persistence (CPU now, which is also the static line)
and a logistic regression on recent CPU, network, disk and the time of day, learned on the first half. Each
may open at any time, or out of calm only; interruptions are merged as the judge merges them.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from loadwatch.judge.statistics import is_false
from loadwatch.judge.trigger import MERGE_SECONDS
from loadwatch.records import Alert, Floats, Recording
from loadwatch.replay import Replay, Settings

DATA = Path(__file__).parents[3] / "shared" / "data" / "bitbrains"
HORIZON = 900.0
DAY = 86_400.0
WEEK = 7 * DAY
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """What is counted on one host, or on all."""

    host: str
    weeks: float
    onsets: int
    high_load: int
    anomaly: int
    false: int
    caught: int
    baseline: int
    all_baseline: int

    def __str__(self) -> str:
        ratio = f"{self.caught / self.baseline:.2f}" if self.baseline else "-"
        return (
            f"{self.host:8} {self.onsets:6} {self.high_load:9} {self.anomaly:7} "
            f"{(self.high_load + self.anomaly) / self.weeks:9.2f} {self.false:5} {self.caught:6} "
            f"{self.baseline:8} {ratio:>6} {self.all_baseline:12}"
        )


HEADER = "host     onsets high_load anomaly  all/week false caught baseline  ratio base(all n)"


def read(path: Path) -> Recording:
    """A host as it is imported."""
    table = pd.read_csv(path)
    names = tuple(table.columns[1:])
    return Recording(table["timestamp"].to_numpy(float), names, table[list(names)].to_numpy(float))


def onsets_of(times: Floats, high: Mask) -> Floats:
    """When high load began after a horizon of calm."""
    begins = np.flatnonzero(high & ~np.concatenate([[True], high[:-1]]))
    last_high = np.maximum.accumulate(np.where(high, times, -np.inf))
    return np.array([times[row] for row in begins if times[row] - last_high[row - 1] > HORIZON])


def caught(starts: Iterable[float], onsets: Floats) -> int:
    """Onsets that have a start in the horizon before them."""
    ordered = np.sort(np.fromiter(starts, float))
    if len(ordered) == 0:
        return 0
    return int((np.searchsorted(ordered, onsets) > np.searchsorted(ordered, onsets - HORIZON)).sum())


def episodes(times: Floats, over: Mask, may_open: Mask) -> Floats:
    """Where merged stretches of ``over`` begin, each at its first row that may open one."""
    rows = np.flatnonzero(over)
    if len(rows) == 0:
        return np.empty(0)
    number = np.cumsum(np.concatenate([[False], np.diff(times[rows]) > MERGE_SECONDS]))
    able = may_open[rows]
    _, first = np.unique(number[able], return_index=True)
    return times[rows[able][first]]


def best_baseline(times: Floats, high: Mask, onsets: Floats, scores: Iterable[Floats], most: int) -> int:
    """Onsets caught by the best score at the best threshold that raises at most ``most`` alerts."""
    best = 0
    for score in scores:
        for threshold in np.unique(
            np.quantile(score, [*np.linspace(0.2, 0.99, 80), *(1 - np.geomspace(0.01, 1e-5, 60))])
        ):
            for may_open in (np.ones(len(times), bool), ~high):
                starts = episodes(times, score > threshold, may_open)
                if len(starts) <= most:
                    best = max(best, caught(starts, onsets))
    return best


def logistic(recording: Recording, high: Mask, half: int) -> Floats:
    """Probability of high load within the horizon, by a regression learned on the first half."""
    times = recording.timestamps
    network = recording.column("net_rx_kbps") + recording.column("net_tx_kbps")
    disk = recording.column("disk_read_kbps") + recording.column("disk_write_kbps")
    frame = pd.DataFrame(
        np.column_stack([recording.column("cpu_percent"), np.log1p(network), np.log1p(disk)])
    )
    angle = 2 * np.pi * times / DAY
    features = np.column_stack(
        [frame, frame.shift(1), frame.shift(3), frame.diff(), frame.diff(3)]
        + [frame.ewm(span=span).mean() for span in (3, 12, 36, 288)]
        + [frame.rolling(12, min_periods=1).max(), frame.rolling(12, min_periods=2).std()]
        + [np.column_stack([np.sin(k * angle), np.cos(k * angle)]) for k in (1, 2, 3)]
    )
    features = np.nan_to_num(features)
    total = np.concatenate([[0], np.cumsum(high)])
    until = np.searchsorted(times, times + HORIZON, side="right")
    soon = total[until] > total[np.arange(len(times)) + 1]
    if soon[: half - 4].sum() < 2:
        return np.zeros(len(times))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.3))
    model.fit(features[: half - 4], soon[: half - 4])
    return np.asarray(model.predict_proba(features)[:, 1])


def count(host: str, recording: Recording, alerts: list[Alert]) -> Row:
    """Alerts and baselines over the second half of a host."""
    times = recording.timestamps
    half = len(times) // 2
    high = recording.column("cpu_percent") > 80.0
    onsets = onsets_of(times, high)
    onsets = onsets[onsets >= times[half]]
    late = [alert for alert in alerts if alert.start >= times[half]]
    foretelling = [alert for alert in late if alert.verdict == "high_load"]
    scores = [recording.column("cpu_percent")[half:], logistic(recording, high, half)[half:]]
    baseline, all_baseline = (
        best_baseline(times[half:], high[half:], onsets, scores, most)
        for most in (len(foretelling), len(late))
    )
    return Row(
        host,
        float(times[-1] - times[half]) / WEEK,
        len(onsets),
        len(foretelling),
        len(late) - len(foretelling),
        sum(map(is_false, foretelling)),
        caught((alert.start for alert in foretelling), onsets),
        baseline,
        all_baseline,
    )


def replayed(recording: Recording, budget: float) -> list[Alert]:
    """The alerts of a host under weekly training on all its past."""
    settings = Settings("cpu_percent > 80", (0, 900), 7 * DAY, 120 * DAY, 2 * DAY, budget)
    replay = Replay(recording, settings)
    for _ in replay.run():
        pass
    return replay.findings.alerts


def rows(paths: Iterable[Path], budget: float) -> Iterator[Row]:
    """One row a host."""
    for path in paths:
        recording = read(path)
        host = path.name.removesuffix(".csv.gz").rpartition("_")[2]
        yield count(host, recording, replayed(recording, budget))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--hosts", nargs="*", default=[""])
    parser.add_argument("--budget", type=float, default=2.0)
    options = parser.parse_args()
    paths = [
        path
        for path in sorted(options.data.glob("*.csv.gz"))
        if any(host in path.name for host in options.hosts)
    ]
    begin, found = time.perf_counter(), []
    print(HEADER)
    for row in rows(paths, options.budget):
        found.append(row)
        print(row, flush=True)
    fields = ("onsets", "high_load", "anomaly", "false", "caught", "baseline", "all_baseline")
    sums = {name: sum(getattr(row, name) for row in found) for name in fields}
    print(Row("all", sum(row.weeks for row in found), **sums))
    worst = max((row.high_load + row.anomaly) / row.weeks for row in found)
    print(f"most a week on any host: {worst:.2f}; {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
