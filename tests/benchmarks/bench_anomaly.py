"""Anomaly scores on recorded incidents, beside plain baselines: ``python tests/benchmarks/bench_anomaly.py``.

Two ways of replaying a recording. *Frozen*: learn on the publishers' training part, score the rest. *Walk*:
the way a daemon lives; a first model after a quarter of the recording, then one a day on all the past up to
thirty days, labels and the split never looked at; what was flagged is told to the next training.

Scored by the operators' measure of ``../shared/tools/score_anomaly.py`` on the labelled rows: average
precision over points, share of incidents found at one false half hour a day, median delay.
"""

import argparse
import csv
import gzip
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from loadwatch.model.anomaly import WARM_UP_SECONDS
from loadwatch.model.baseline import AnomalySettings
from loadwatch.records import Floats, Recording, Span
from loadwatch.training.anomaly import train_anomaly
from loadwatch.training.thresholds import BLOCK, MERGED_BLOCKS

SHARED = Path(__file__).resolve().parents[3] / "shared"
DAY = 86400.0
FIRST_SHARE = 0.25
WINDOW = 30 * DAY
FLAGGED = 2.0 / 3.0  # the score at twice the threshold

# What of SMD's columns a loadwatch daemon measures, by its own name for each. Not among them: longer load
# averages, shared and total memory, swapping, queue, service time and number of requests of disks, packets of
# the interface, UDP send errors.
SAMPLED = {
    "cpu_r": "cpu",
    "load_1": "load_per_cpu",
    "mem_u": "memory",
    "disk_u": "disk",
    "disk_rb": "disk_read",
    "disk_wb": "disk_write",
    "disk_wa": "disk_wait",
    "eth1_fi": "network_receive",
    "eth1_fo": "network_transmit",
    "curr_estab": "tcp_established",
    "tcp_tw": "tcp_time_wait",
    "tcp_use": "tcp_in_use",
    "in_segs": "tcp_in_segments",
    "out_segs": "tcp_out_segments",
    "retransegs": "tcp_retransmits",
    "active_opens": "tcp_active_opens",
    "passive_opens": "tcp_passive_opens",
    "out_rsts": "tcp_resets",
    "in_errs": "tcp_in_errors",
    "tcp_timeouts": "tcp_retransmit_timeouts",
    "listen_overflows": "listen_overflows",
    "udp_in_dg": "udp_in_datagrams",
    "udp_out_dg": "udp_out_datagrams",
    "udp_rcv_buf_errs": "udp_errors",
}


@dataclass(frozen=True)
class Case:
    """One recorded host: rows before ``split`` are the publishers' training part; label -1 is unknown."""

    name: str
    recording: Recording
    split: int
    label: np.ndarray

    def only(self, signals: Sequence[str]) -> "Case":
        return replace(self, recording=self.recording.with_signals(signals))


@dataclass(frozen=True)
class Figures:
    """What the scoring tool says, and what the model's own threshold (0.5) would have meant."""

    ap: float
    recall: float
    delay: float
    false_episodes: float = float("nan")
    found: float = float("nan")


def load(path: Path) -> Case:
    """Read one gzip CSV; repeated or backward times are dropped, as the importer does."""
    with gzip.open(path, "rt") as stream:
        names = stream.readline().strip().split(",")
        rows = [line.rstrip("\n").split(",") for line in stream]
    columns = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    timestamps = np.array(columns.pop("timestamp"), float)
    split = np.array([part == "train" for part in columns.pop("split")])
    label = np.array([int(value) if value else -1 for value in columns.pop("label")])
    values = np.column_stack([np.array([float(v or "nan") for v in column]) for column in columns.values()])
    keep = np.diff(np.maximum.accumulate(timestamps), prepend=-np.inf) > 0
    recording = Recording(timestamps[keep], tuple(columns), values[keep])
    name = path.name.removesuffix(".csv.gz").removeprefix("smd_machine-").removeprefix("nab_")
    return Case(name, recording, int(split[keep].sum()), label[keep])


def cases(folder: str) -> list[Case]:
    return [load(path) for path in sorted((SHARED / "data" / folder).glob("*.csv.gz"))]


def frozen(case: Case, settings: AnomalySettings) -> Floats:
    """Scores (N,) of a model of the training part."""
    model, _ = train_anomaly(case.recording.rows(0, case.split), settings=settings)
    return model.score(case.recording).scores


def walk(case: Case, settings: AnomalySettings, *, every: float = DAY, window: float = WINDOW) -> Floats:
    """Scores (N,) of a series of models, each of the past alone; NaN before the first."""
    recording = case.recording
    scores = np.full(len(recording), np.nan)
    flagged: list[Span] = []
    start = int(FIRST_SHARE * len(recording))
    while start < len(recording):
        now = float(recording.timestamps[start])
        model, _ = train_anomaly(
            recording.between(now - window, now), flagged=flagged, settings=settings, budget_per_day=1.0
        )
        stop = int(np.searchsorted(recording.timestamps, now + every))
        stream = model.stream()
        stream.extend(recording.between(now - WARM_UP_SECONDS, now))
        scores[start:stop] = stream.extend(recording.rows(start, stop))
        flagged += flagged_spans(recording.timestamps[start:stop], scores[start:stop])
        start = stop
    return scores


def flagged_spans(timestamps: Floats, scores: Floats) -> list[Span]:
    """What an operator would have been told: stretches at twice the threshold, half an hour around them."""
    rows = timestamps[scores > FLAGGED]
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) > BLOCK)
    starts, ends = np.r_[rows[0], rows[cuts + 1]], np.r_[rows[cuts], rows[-1]]
    return [Span(a - BLOCK, b + BLOCK / 2) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def mean_squared_deviations(case: Case) -> Floats:
    """Mean z^2, limited to 10 deviations: the plainest detector there is."""
    train = case.recording.values[: case.split]
    z = (case.recording.values - np.nanmean(train, axis=0)) / (np.nanstd(train, axis=0) + 1e-4)
    return np.nan_to_num(np.clip(z, -10, 10) ** 2).mean(axis=1)


def principal_components(case: Case) -> Floats:
    """What the components of 90 % of the variance do not reconstruct."""
    z = _standard(case)
    pca = PCA(0.9 if z.shape[1] > 1 else None, svd_solver="full").fit(z[: case.split])
    return ((z - pca.inverse_transform(pca.transform(z))) ** 2).mean(axis=1)


def isolation_forest(case: Case) -> Floats:
    z = _standard(case)
    forest = IsolationForest(n_estimators=200, random_state=0).fit(z[: case.split])
    return -np.asarray(forest.score_samples(z))


def _standard(case: Case) -> Floats:
    train = case.recording.values[: case.split]
    z = (case.recording.values - np.nanmean(train, axis=0)) / (np.nanstd(train, axis=0) + 1e-4)
    return np.nan_to_num(np.clip(z, -20, 20))


def measure(case: Case, scores: Floats, tool: ModuleType, *, threshold: float | None = None) -> Figures:
    """The tool's figures on the labelled rows, and those of our own threshold if there is one."""
    known = case.label >= 0
    timestamps, label = case.recording.timestamps[known], case.label[known]
    score = np.where(np.isnan(scores[known]), -1.0, scores[known])
    if not label.any():
        return Figures(np.nan, np.nan, np.nan)
    recall, delay, _ = tool.at_budget(timestamps, label, score)
    ap = float(average_precision_score(label, score))
    if threshold is None:
        return Figures(ap, recall, delay)
    incidents = tool.incidents(label)
    alarm = score > threshold
    found = float(np.mean([alarm[start:stop].any() for start, stop in incidents]))
    return Figures(ap, recall, delay, _false_episodes_a_day(timestamps, label, alarm), found)


def _false_episodes_a_day(timestamps: Floats, label: np.ndarray, alarm: np.ndarray) -> float:
    blocks = np.floor(timestamps / BLOCK)
    alarmed, touched = np.unique(blocks[alarm]), set(blocks[label == 1].tolist())
    groups = np.split(alarmed, np.flatnonzero(np.diff(alarmed) > MERGED_BLOCKS + 1) + 1)
    false = sum(len(group) > 0 and not touched & set(group.tolist()) for group in groups)
    return false / ((timestamps[-1] - timestamps[0]) / DAY)


def attributions(case: Case, named: dict[int, set[str]]) -> tuple[float, float, int]:
    """How often the top three signals hold a named one: our contributions, plain |z|; over the first 5 rows.

    named: first row of an incident (in the test part) to the metrics that the publishers name.
    """
    model, _ = train_anomaly(case.recording.rows(0, case.split))
    ours = model.score(case.recording).contributions[case.split :]
    plain = np.abs(_standard(case))[case.split :]
    signals = np.array(case.recording.signals)
    hits = []
    for row, metrics in named.items():
        tops = [np.argsort(-table[row : row + 5].mean(axis=0))[:3] for table in (ours, plain)]
        hits.append([bool(set(signals[top]) & metrics) for top in tops])
    share = np.mean(hits, axis=0)
    return float(share[0]), float(share[1]), len(hits)


def named_metrics() -> dict[str, dict[int, set[str]]]:
    """Machine to first row to named metrics, of `smd_segments.csv`."""
    found: dict[str, dict[int, set[str]]] = {}
    with (SHARED / "data" / "smd" / "smd_segments.csv").open() as stream:
        for row in csv.DictReader(stream):
            metrics = set(filter(None, row["metrics"].split("|")))
            if metrics:
                machine = row["machine"].removeprefix("machine-")
                found.setdefault(machine, {})[int(row["test_row_start"])] = metrics
    return found


def table(title: str, rows: dict[str, list[Figures]], names: list[str]) -> None:
    """One line a method: ap / recall by host, means, median delay; then what our own threshold gave."""
    print(f"\n{title}\n{'ap / recall':34s}" + "".join(f"{name[-11:]:>13s}" for name in names))
    for name, figures in rows.items():
        cells = "".join(f"{f.ap:7.2f}/{f.recall:5.2f}" for f in figures)
        mean = np.nanmean([(f.ap, f.recall, f.delay) for f in figures], axis=0)
        print(f"{name:34s}{cells}  mean {mean[0]:.3f}/{mean[1]:.3f}, {mean[2]:.1f} minutes", flush=True)
    print("\nfalse episodes a day at the model's own threshold, share of incidents found")
    for name, figures in rows.items():
        if not np.isnan(figures[0].false_episodes):
            mean = np.nanmean([(f.false_episodes, f.found) for f in figures], axis=0)
            cells = "".join(f"{f.false_episodes:13.2f}" for f in figures)
            print(f"{name:34s}{cells}  mean {mean[0]:.2f}, found {mean[1]:.3f}")


def bench(folder: str, *, columns: bool, every: float) -> None:
    tool, hosts = scoring_tool(), cases(folder)
    plain = AnomalySettings(residual_weight=0.0)
    ours: dict[str, Callable[[Case], Floats]] = {
        "frozen": lambda case: frozen(case, AnomalySettings()),
        "frozen, no network": lambda case: frozen(case, plain),
        "walk": lambda case: walk(case, AnomalySettings(), every=every),
        "walk, no network": lambda case: walk(case, plain, every=every),
    }
    if columns:
        ours |= {
            f"{name}, daemon's columns": lambda case, f=method: f(case.only(tuple(SAMPLED)))
            for name, method in list(ours.items())[::2]
        }
    rows = {name: [measure(case, f(case), tool, threshold=0.5) for case in hosts] for name, f in ours.items()}
    for method in (mean_squared_deviations, principal_components, isolation_forest):
        rows[method.__name__] = [measure(case, method(case), tool) for case in hosts]
    table(folder, rows, [case.name for case in hosts])
    if folder == "smd":
        named = named_metrics()
        found = [attributions(case, named[case.name]) for case in hosts if case.name in named]
        total = sum(count for _, _, count in found)
        ours_share, plain_share = (sum(f[k] * f[2] for f in found) / total for k in (0, 1))
        print(
            f"a named signal in the top three: {ours_share:.3f}, by |z| {plain_share:.3f}; {total} incidents"
        )


def scoring_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_anomaly", SHARED / "tools" / "score_anomaly.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=["smd", "nab"])
    parser.add_argument("--every", type=float, default=DAY, help="seconds between trainings of the walk")
    options = parser.parse_args()
    if not SHARED.exists():
        sys.exit(f"no recordings at {SHARED}")
    for folder in options.folders:
        started = time.perf_counter()
        bench(folder, columns=folder == "smd", every=options.every)
        print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
