"""How many rows a second a replay judges between its trainings: ``python tests/benchmarks/bench_replay.py``.

CPU time of the replay of a recording, from the recorded rows to the lines of the scores, less its one
training after four days. Rows that are loud (high load, a flag, an open alert) are judged one by one.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from pathlib import Path

import numpy as np

from loadwatch import replay
from loadwatch.interchange.csv import read_csv
from loadwatch.records import Recording

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "../shared"))
FILES = ("smd/smd_machine-1-2", "smd/smd_machine-1-6", "bitbrains/bitbrains_rnd_vm094")
FILES += ("bitbrains/bitbrains_rnd_vm055",)
DAY = 86400.0


def rows_a_second(recording: Recording, rule: str) -> float:
    """Rows over seconds of CPU, training left out."""
    settings = replay.Settings(rule, (0, 60, 300, 900), 900 * DAY, 90 * DAY, 4 * DAY, budget_per_week=2.0)
    judging, last, learning = 0.0, time.process_time(), False

    def note(_row: int, stage: str) -> None:
        nonlocal judging, last, learning
        now = time.process_time()
        judging, last, learning = judging + (0.0 if learning else now - last), now, stage == "learning"

    replay.next_interval = lambda *_spans: 900 * DAY
    run = replay.Replay(recording, settings)
    last = time.process_time()
    for judged in run.run(note):
        replay.score_lines(judged)
    return len(recording) / judging


def in_seconds(recording: Recording, step: float) -> Recording:
    """The last six days at ``step`` seconds: straight lines between the recorded rows."""
    recording = recording.between(recording.timestamps[-1] - 6 * DAY, np.inf)
    times = np.arange(recording.timestamps[0], recording.timestamps[-1], step)
    columns = [np.interp(times, recording.timestamps, column) for column in recording.values.T]
    return Recording(times, recording.signals, np.column_stack(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    files = options.files or [SHARED / "data" / f"{name}.csv.gz" for name in FILES]
    for path in files:
        recording = read_csv(path).recording
        rule = "cpu_percent > 80" if "cpu_percent" in recording.signals else "cpu_r > 0.8"
        for name, rows in (("as recorded", recording), ("each 5 s", in_seconds(recording, 5.0))):
            print(
                f"{path.name:34s}{name:12s}{len(rows):8d} rows{rows_a_second(rows, rule):10.0f} rows/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
