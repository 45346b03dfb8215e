"""What a daily retraining of a host with 5-minute rows costs: ``python tests/benchmarks/bench_training.py``.

CPU time of a first training on a month of a recording, and of the next a day later, each with the fitting
of synthetic servers as the daemon's child process has it, and the memory of the process at most.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import time
from pathlib import Path

from loadwatch.interchange.csv import read_csv
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Model
from loadwatch.training import table
from loadwatch.training.bootstrap import first_model
from loadwatch.training.candidate import TrainingInput, make_candidate

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "../shared"))
HORIZONS = (0, 60, 300, 900)
DAY, MONTH = 288, 30 * 288  # rows
RULE = Rule.parse("cpu_percent > 80")


def trained(material: TrainingInput, incumbent: Model) -> tuple[Model, float]:
    """The model that came of it, and seconds of CPU."""
    table._level_table.cache_clear()
    begin, now = time.process_time(), float(material.recording.timestamps[-1])
    candidate = make_candidate(
        material, RULE, HORIZONS, incumbent, seed=0, progress=lambda _stage, _share, _loss=None: None
    )
    seconds = time.process_time() - begin
    return candidate.model(
        material, RULE, incumbent, version="1", now=now, host="x", seconds=seconds
    ), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = [SHARED / f"data/bitbrains/bitbrains_rnd_vm{name}.csv.gz" for name in ("055", "094")]
    parser.add_argument("files", nargs="*", type=Path, default=default)
    for path in parser.parse_args().files:
        recording = read_csv(path).recording
        model = first_model(RULE, HORIZONS, step=300.0, seed=0, version="0", now=0.0, host="x")
        model, first = trained(TrainingInput(recording.rows(0, MONTH)), model)
        _, again = trained(TrainingInput(recording.rows(DAY, MONTH + DAY)), model)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{path.name:34s}first {first:5.1f} s, a day later {again:5.1f} s, {memory:4.0f} MiB", flush=True
        )


if __name__ == "__main__":
    main()
