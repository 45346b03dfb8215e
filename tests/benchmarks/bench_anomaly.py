"""Anomaly scores on recorded incidents, beside plain baselines: ``python tests/benchmarks/bench_anomaly.py``.

Two ways of replaying a recording. *Frozen*: learn on the publishers' training part, score the rest. *Walk*:
the way a daemon lives; a first model after a quarter of the recording, then one a day on all the past up to
thirty days, labels and the split never looked at; what was flagged is told to the next training.

Scored by the operators' measure of ``../shared/tools/score_anomaly.py`` on the labelled rows: average
precision over points, share of incidents found at one false half hour a day, median delay. And by what the
flag itself would have done, with its own threshold and hysteresis: share of time flagged outside incidents
after the third day, false half hours and episodes a day, incidents found, minutes from an incident's end
until it is clear.

``inject`` lays incidents of eight known kinds into the recordings of ``bitbrains``
(``../shared/tools/inject_incidents.py``), and prints the recall of each kind.
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
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from loadwatch.features.half_hours import HALF_HOUR, SLOTS
from loadwatch.judge.flags import AnomalyFlag
from loadwatch.model.anomaly import WARM_UP_SECONDS, AnomalyScores
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
    """What the scoring tool says, and what the flag would have done (times in minutes, rates a day)."""

    ap: float
    recall: float
    delay: float
    flagged: float = float("nan")
    false_half_hours: float = float("nan")
    false_episodes: float = float("nan")
    found: float = float("nan")
    clear: float = float("nan")


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


def judged(case: Case) -> AnomalyScores:
    """Scores (N,) and contributions (N, J) of a model of the training part."""
    model, _ = train_anomaly(case.recording.rows(0, case.split))
    return model.score(case.recording)


def frozen(case: Case) -> Floats:
    """Scores (N,) of a model of the training part."""
    return judged(case).scores


def walk(case: Case, *, every: float = DAY, window: float = WINDOW) -> Floats:
    """Scores (N,) of a series of models, each of the past alone; NaN before the first."""
    recording = case.recording
    scores = np.full(len(recording), np.nan)
    flagged: list[Span] = []
    model = None
    start = int(FIRST_SHARE * len(recording))
    while start < len(recording):
        now = float(recording.timestamps[start])
        model, _ = train_anomaly(
            recording.between(now - window, now), flagged=flagged, budget_per_day=1.0, before=model
        )
        stop = int(np.searchsorted(recording.timestamps, now + every))
        stream = model.stream()
        stream.extend(recording.between(now - WARM_UP_SECONDS, now))
        scores[start:stop] = stream.extend(recording.rows(start, stop)).scores
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


def time_of_day(case: Case) -> Floats:
    """Mean z^2 of what lies off the median of that half hour of the day, limited to 10 deviations."""
    slots = (case.recording.timestamps // HALF_HOUR % SLOTS).astype(int)
    values, train = case.recording.values, slice(0, case.split)
    course = np.array(
        [np.nanmedian(values[train][slots[train] == slot], axis=0) for slot in range(SLOTS)]
        if len(set(slots[train].tolist())) == SLOTS
        else [np.nanmedian(values[train], axis=0)] * SLOTS
    )
    recording = replace(case.recording, values=values - course[slots])
    return mean_squared_deviations(replace(case, recording=recording))


def time_of_day_smoothed(case: Case) -> Floats:
    """The same, as the mean of three rows."""
    return np.convolve(time_of_day(case), np.ones(3) / 3)[: len(case.recording)]


def netdata(case: Case) -> Floats:
    """Netdata's published algorithm: two centres a signal, in lagged smoothed differences, by many models.

    A signal is odd where all models of eighteen windows of six hours, one each three hours, find it farther
    from their centres than all they learned from. The score is the share of odd signals over five rows.
    """
    x, step = np.nan_to_num(case.recording.values), np.median(np.diff(case.recording.timestamps))
    smooth = np.apply_along_axis(np.convolve, 0, np.diff(x, axis=0, prepend=x[:1]), np.ones(3) / 3)[: len(x)]
    window, stride = int(6 * 3600 / step), int(3 * 3600 / step)
    ends = [case.split - k * stride for k in range(18) if case.split - k * stride >= window]
    odd = np.ones(x.shape, bool)
    for j in range(x.shape[1]):
        lagged = np.column_stack([np.roll(smooth[:, j], k) for k in range(6)])
        for end in ends:
            learned = lagged[end - window : end]
            if not np.ptp(learned):
                odd[:, j] &= (lagged != learned[0]).any(axis=1)
                continue
            centres = KMeans(2, n_init=1, max_iter=50, random_state=0).fit(learned).cluster_centers_
            near, far = (
                np.sqrt(((table[:, None] - centres) ** 2).sum(axis=2)).mean(axis=1)
                for table in (learned, lagged)
            )
            odd[:, j] &= (far - near.min()) / max(float(np.ptp(near)), 1e-12) >= 0.99
    return np.convolve(odd.mean(axis=1), np.ones(5) / 5)[: len(x)]


BASELINES = (
    mean_squared_deviations,
    time_of_day,
    time_of_day_smoothed,
    netdata,
    principal_components,
    isolation_forest,
)


def measure(case: Case, scores: Floats, tool: ModuleType, *, flags: bool = False) -> Figures:
    """The tool's figures on the labelled rows, and those of our own flag where asked for."""
    known = case.label >= 0
    timestamps, label = case.recording.timestamps[known], case.label[known]
    score = np.where(np.isnan(scores[known]), -1.0, scores[known])
    if not label.any():
        return Figures(np.nan, np.nan, np.nan)
    recall, delay, _ = tool.at_budget(timestamps, label, score)
    ap = float(average_precision_score(label, score))
    if not flags:
        return Figures(ap, recall, delay)
    up = flagged_rows(timestamps, scores[known])
    incidents = tool.incidents(label)
    found = [stop for start, stop in incidents if up[start:stop].any()]
    late = [_minutes_to_clear(timestamps, label, up, stop) for stop in found]
    false = up & (label == 0) & (timestamps > timestamps[0] + 3 * DAY)
    calm = (label == 0) & (timestamps > timestamps[0] + 3 * DAY)
    half_hours, episodes = _false_a_day(timestamps, label, up)
    return Figures(
        ap,
        recall,
        delay,
        false.sum() / max(int(calm.sum()), 1),
        half_hours,
        episodes,
        len(found) / len(incidents),
        float(np.median(late)) if late else np.nan,
    )


def flagged_rows(timestamps: Floats, scores: Floats) -> np.ndarray:
    """(N,) whether the flag of the score is up, as the judge keeps it."""
    flag, elapsed = AnomalyFlag(), np.diff(timestamps, prepend=timestamps[:1])
    rows = zip(timestamps.tolist(), scores.tolist(), elapsed.tolist(), strict=True)
    return np.array([bool(flag.update(*row)) for row in rows])


def _minutes_to_clear(timestamps: Floats, label: np.ndarray, up: np.ndarray, stop: int) -> float:
    """From the end of an incident to the first row that is not flagged, at most to the next incident."""
    over = np.flatnonzero(~up[stop:] | (label[stop:] == 1))
    last = stop + over[0] if len(over) else len(up) - 1
    return float(timestamps[min(last, len(up) - 1)] - timestamps[stop - 1]) / 60.0


def _false_a_day(timestamps: Floats, label: np.ndarray, alarm: np.ndarray) -> tuple[float, float]:
    """Half hours with an alarm that touch no incident, and episodes of them, a day."""
    blocks = np.floor(timestamps / BLOCK)
    touched = set(blocks[label == 1].tolist())
    alarmed = np.unique(blocks[alarm])
    groups = np.split(alarmed, np.flatnonzero(np.diff(alarmed) > MERGED_BLOCKS + 1) + 1)
    false = sum(len(group) > 0 and not touched & set(group.tolist()) for group in groups)
    days = (timestamps[-1] - timestamps[0]) / DAY
    return len(set(alarmed.tolist()) - touched) / days, false / days


def attributions(case: Case, contributions: Floats, named: dict[int, set[str]]) -> tuple[float, float, int]:
    """How often the top three signals hold a named one: our contributions, plain |z|; over the first 5 rows.

    contributions: (N, J) as of `judged`; named: first row of an incident (in the test part) to the metrics
    that the publishers name.
    """
    ours = contributions[case.split :]
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
    """One line a method: ap / recall by host, means, median delay; then what our own flag did."""
    print(f"\n{title}\n{'ap / recall':26s}" + "".join(f"{name[-11:]:>13s}" for name in names))
    for name, figures in rows.items():
        cells = "".join(f"{f.ap:7.2f}/{f.recall:5.2f}" for f in figures)
        mean = np.nanmean([(f.ap, f.recall, f.delay) for f in figures], axis=0)
        print(f"{name:26s}{cells}  mean {mean[0]:.3f}/{mean[1]:.3f}, {mean[2]:.1f} minutes", flush=True)
    print("\nthe flag: time flagged outside incidents after day three, by host; means")
    for name, figures in rows.items():
        if not np.isnan(figures[0].found):
            values = [(f.false_half_hours, f.false_episodes, f.found, f.clear) for f in figures]
            mean = np.nanmean(values, axis=0)
            cells = "".join(f"{f.flagged:13.1%}" for f in figures)
            print(
                f"{name:26s}{cells}  {mean[0]:.2f} false half hours, {mean[1]:.2f} episodes a day, found "
                f"{mean[2]:.3f}, clear after {mean[3]:.1f} minutes"
            )


def bench(folder: str, *, every: float) -> None:
    tool = scoring_tool()
    hosts, injected = injected_cases() if folder == "inject" else (cases(folder), None)
    ours: dict[str, Callable[[Case], Floats]] = {
        "frozen": frozen,
        "walk": lambda case: walk(case, every=every),
    }
    if folder == "smd":
        ours |= {
            f"{name}, daemon's columns": lambda case, f=method: f(case.only(tuple(SAMPLED)))
            for name, method in list(ours.items())
        }
    scores = {name: [f(case) for case in hosts] for name, f in ours.items()}
    scores |= {method.__name__: [method(case) for case in hosts] for method in BASELINES}
    rows = {
        name: [measure(case, each, tool, flags=name in ours) for case, each in zip(hosts, found, strict=True)]
        for name, found in scores.items()
    }
    table(folder, rows, [case.name for case in hosts])
    if injected is not None:
        inject, laid = injected
        print("\nrecall by kind")
        inject.header(laid)
        for name, found in scores.items():
            inject.line(name, inject.judge(laid, found))
    if folder == "smd":
        named = named_metrics()
        found_named = [
            attributions(case, judged(case).contributions, named[case.name])
            for case in hosts
            if case.name in named
        ]
        total = sum(count for _, _, count in found_named)
        ours_share, plain_share = (sum(f[k] * f[2] for f in found_named) / total for k in (0, 1))
        print(
            f"a named signal in the top three: {ours_share:.3f}, by |z| {plain_share:.3f}; {total} incidents"
        )


def injected_cases() -> tuple[list[Case], tuple[ModuleType, list[Any]]]:
    """The hosts with incidents of known kinds, as cases and as the tool has them."""
    inject = tool_named("inject_incidents")
    laid = inject.hosts(SHARED / "data" / "bitbrains", 2)
    return [
        Case(
            host.name,
            Recording(host.t, tuple(host.names), host.x),
            host.split,
            np.where(np.arange(len(host.t)) < host.split, -1, host.label),
        )
        for host in laid
    ], (inject, laid)


def scoring_tool() -> ModuleType:
    return tool_named("score_anomaly")


def tool_named(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SHARED / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=["smd", "inject", "kpi", "nab"])
    parser.add_argument("--every", type=float, default=DAY, help="seconds between trainings of the walk")
    options = parser.parse_args()
    if not SHARED.exists():
        sys.exit(f"no recordings at {SHARED}")
    for folder in options.folders:
        started = time.perf_counter()
        bench(folder, every=options.every)
        print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
