"""Whether Prometheus fires exactly the alerts that the daemon lists, over whole recordings.

    PYTHONPATH=tests python tests/benchmarks/bench_alert_rules.py [DATA] [--hosts vm055 1-6] [--budget 2]

Every host of the Bitbrains and SMD recordings is replayed with weekly training. What ``/metrics`` would have
shown is written at a scrape a minute, becomes blocks of a Prometheus (``promtool tsdb create-blocks-from``),
and a real Prometheus evaluates the shipped rules over them, once a minute. An alert agrees where its firing
begins and ends within two evaluations of what ``loadwatch alerts`` would list. In a gap longer than the judge
bridges, host and daemon are taken for off.

Needs Debian's package prometheus. High load is ``cpu_percent > 80`` and ``cpu_r > 0.8``.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from bench_alerts import HORIZON, caught, onsets_of
from e2e.programs import Database, free_port, running

from loadwatch.assets import FILES
from loadwatch.exporter import ALERT_STAGES
from loadwatch.judge.judge import GAP_SECONDS
from loadwatch.judge.types import Flags
from loadwatch.records import Alert, Floats, Recording, Verdict
from loadwatch.replay import Replay, Settings

DATA = Path(__file__).parents[3] / "shared" / "data"
RULES = {
    "LoadwatchHighLoad": "high_load",
    "LoadwatchHighLoadExpected": "high_load",
    "LoadwatchAnomaly": "anomaly",
}
HOST = 'job="loadwatch",instance="replayed:10074"'
DAY = 86_400.0
WEEK = 7 * DAY
STEP = 60.0
MOST_POINTS = 10_000  # a query of more is refused
STAGE_CODES = {"present": 1, "expected": 2}
Span = tuple[float, float]


@dataclass(frozen=True)
class Replayed:
    """What a replay leaves behind: (N,) times, open alerts by verdict and row, and the list."""

    times: Floats
    open: dict[Verdict, Flags]
    alerts: list[Alert]


@dataclass(frozen=True)
class Row:
    """One host."""

    host: str
    weeks: float
    listed: int
    fired: int
    agreeing: int
    caught: int

    def __str__(self) -> str:
        return (
            f"{self.host:8} {self.weeks:5.1f} {self.listed:6} {self.fired:6} {self.agreeing:8} "
            f"{self.fired / self.weeks:6.2f} {self.caught:6}"
        )


HEADER = "host     weeks listed  fired agreeing a week caught"


def replayed(recording: Recording, rule: str, budget: float) -> Replayed:
    """A host under weekly training on all its past."""
    replay = Replay(recording, Settings(rule, (0, 900), 7 * DAY, 120 * DAY, 2 * DAY, budget))
    parts = [judged.judgements.alerts for judged in replay.run()]
    verdicts: tuple[Verdict, ...] = ("high_load", "anomaly")
    is_open = {verdict: np.concatenate([part[verdict] for part in parts]) for verdict in verdicts}
    return Replayed(recording.timestamps, is_open, replay.findings.alerts)


def pages(host: Replayed) -> Iterator[str]:
    """What the scrapes saw of the series that the rules on verdicts read, as OpenMetrics."""
    times = host.times
    scrapes = np.arange(times[0], times[-1], STEP)
    rows = np.searchsorted(times, scrapes, side="right") - 1
    following = np.append(times[1:], times[-1])
    on = following[rows] - times[rows] <= GAP_SECONDS
    scrapes, rows = scrapes[on], rows[on]
    yield "# TYPE loadwatch_alert gauge\n"
    for verdict, stage in ALERT_STAGES:
        values = (host.open[verdict][rows] == STAGE_CODES[stage]).astype(int)
        yield from _lines(f'loadwatch_alert{{verdict="{verdict}",stage="{stage}",{HOST}}}', scrapes, values)
    yield "# TYPE loadwatch_last_sample_timestamp_seconds gauge\n"
    yield from _lines(f"loadwatch_last_sample_timestamp_seconds{{{HOST}}}", scrapes, times[rows])
    yield "# TYPE loadwatch_maintenance gauge\n"
    yield from _lines(f"loadwatch_maintenance{{{HOST}}}", scrapes, np.zeros(len(rows), int))
    yield "# EOF\n"


def _lines(series: str, scrapes: Floats, values: np.ndarray) -> Iterator[str]:
    for moment, value in zip(scrapes.tolist(), values.tolist(), strict=True):
        yield f"{series} {value} {moment}\n"


def fired(host: Replayed) -> dict[str, list[Span]]:
    """When each rule on verdicts fires, by its name, as Prometheus evaluates it."""
    with ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory()))
        with (folder / "pages").open("w") as file:
            file.writelines(pages(host))
        # In one block: promtool reads the whole file again for each.
        command = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=10000h", "openmetrics"]
        subprocess.run([*command, folder / "pages", folder / "data"], check=True, stdout=subprocess.DEVNULL)
        (folder / "pages").unlink()
        (folder / "prometheus.yml").write_text("{}")
        url = f"http://127.0.0.1:{free_port()}"
        servers.enter_context(
            running(
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={url.removeprefix('http://')}",
                ready_url=f"{url}/-/ready",
                log=folder / "prometheus.log",
            )
        )
        database = Database(url)
        return {name: firing(database, expression, host.times) for name, expression in expressions().items()}


def expressions() -> dict[str, str]:
    """The rules on verdicts as they are shipped; none of them waits, so what it yields is what fires."""
    rules = yaml.safe_load((FILES / "prometheus/loadwatch.rules.yml").read_text())
    found = {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}
    assert not any("for" in found[name] for name in RULES)
    return {name: str(found[name]["expr"]) for name in RULES}


def firing(database: Database, expression: str, times: Floats) -> list[Span]:
    """First and last evaluation of each stretch in which the expression yields something."""
    moments: list[float] = []
    for start in np.arange(times[0], times[-1] + 10 * STEP, MOST_POINTS * STEP).tolist():
        end = min(start + (MOST_POINTS - 1) * STEP, times[-1] + 10 * STEP)
        for row in database.query_range(expression, start, end, STEP):
            moments += [float(moment) for moment, _ in row["values"]]
    return stretches(sorted(moments))


def stretches(moments: Sequence[float]) -> list[Span]:
    """Moments in a row, no evaluation left out, as spans."""
    spans: list[Span] = []
    for moment in moments:
        if spans and moment - spans[-1][1] <= 1.5 * STEP:
            spans[-1] = (spans[-1][0], moment)
        else:
            spans.append((moment, moment))
    return spans


def by_verdict(rules: dict[str, list[Span]]) -> dict[str, list[Span]]:
    """Spans of both stages of high load as one: where expected becomes present, one alert goes on."""
    joined: dict[str, list[Span]] = {verdict: [] for verdict in RULES.values()}
    for name, spans in rules.items():
        joined[RULES[name]] += spans
    for verdict, spans in joined.items():
        spans.sort()
        merged: list[Span] = []
        for span in spans:
            if merged and span[0] - merged[-1][1] <= 1.5 * STEP:
                merged[-1] = (merged[-1][0], max(span[1], merged[-1][1]))
            else:
                merged.append(span)
        joined[verdict] = merged
    return joined


def agreeing(alerts: Sequence[Alert], spans: dict[str, list[Span]], last: float) -> int:
    """Listed alerts that fired from their begin to their end, each within two evaluations."""
    return sum(
        any(
            0.0 <= span[0] - alert.start <= 2 * STEP
            and abs(span[1] - (last if alert.end is None else alert.end)) <= 2 * STEP
            for span in spans[alert.verdict]
        )
        for alert in alerts
    )


def measure(path: Path, budget: float) -> Row:
    """One host, replayed and evaluated."""
    table = pd.read_csv(path)
    names = [name for name in table.columns[1:] if name not in {"split", "label"}]
    recording = Recording(table["timestamp"].to_numpy(float), tuple(names), table[names].to_numpy(float))
    rule = "cpu_percent > 80" if "cpu_percent" in names else "cpu_r > 0.8"
    host = replayed(recording, rule, budget)
    spans = by_verdict(fired(host))
    times = recording.timestamps
    onsets = np.empty(0)
    if "cpu_percent" in names:  # as bench_alerts.py counts: in the second half
        onsets = onsets_of(times, recording.column("cpu_percent") > 80.0)
        onsets = onsets[onsets >= times[len(times) // 2]]
    return Row(
        path.name.removesuffix(".csv.gz").rpartition("_")[2].removeprefix("machine-"),
        float(times[-1] - times[0]) / WEEK,
        len(host.alerts),
        sum(map(len, spans.values())),
        agreeing(host.alerts, spans, float(times[-1])),
        caught((span[0] for span in spans["high_load"]), onsets),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--hosts", nargs="*", default=[""])
    parser.add_argument("--budget", type=float, default=2.0)
    options = parser.parse_args()
    begin, rows = time.perf_counter(), []
    print(HEADER)
    for folder in ("bitbrains", "smd"):
        for path in sorted((options.data / folder).glob("*.csv.gz")):
            if any(host in path.name for host in options.hosts):
                rows.append(measure(path, options.budget))
                print(rows[-1], flush=True)
    sums = [sum(getattr(row, name) for row in rows) for name in ("listed", "fired", "agreeing", "caught")]
    print(Row("all", sum(row.weeks for row in rows), *sums))
    worst = max(row.fired / row.weeks for row in rows)
    print(
        f"most a week on any host: {worst:.2f}; onsets caught in the {HORIZON / 60:.0f} minutes before: "
        f"{sums[3]}; {time.perf_counter() - begin:.0f} s"
    )


if __name__ == "__main__":
    main()
