"""Two days of the daemon on a clock that is turned; a week is ``bench_soak.py --days 7``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "benchmarks" / "bench_soak.py"
INTERVAL = 60.0
KEPT_HOURS = 12


@pytest.mark.slow
def test_nothing_grows_but_what_may() -> None:
    """Memory, descriptors and threads stay; the history stays within its retention; verdicts never stop."""
    days = os.environ.get("TEST_SOAK_DAYS", "2.05")
    command = [sys.executable, str(SOAK), "--days", days, "--interval", str(INTERVAL)]
    # The same loadwatch as here, installed or in a checkout.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr[-2000:]
    hours = [json.loads(line) for line in answer.stdout.splitlines()]
    settled = hours[24:]
    first, last = settled[0], settled[-1]
    grown = last["rss_mebibytes"] - first["rss_mebibytes"]
    # What the allocator takes in steps is no leak; a mebibyte a day is the promise, over at least a day.
    allowed = max(1.0, (last["hour"] - first["hour"]) / 24.0)
    assert grown < allowed, [hour["rss_mebibytes"] for hour in hours]
    assert len({hour["descriptors"] for hour in settled}) == 1
    assert len({hour["threads"] for hour in settled}) == 1
    # Retention runs once an hour.
    assert max(hour["rows"] for hour in settled) <= (KEPT_HOURS + 1) * 3600 / INTERVAL
    assert settled[-1]["megabytes"] <= 1.2 * settled[0]["megabytes"]
    assert last["trainings"] >= 5
    assert last["training_failures"] == 0, answer.stderr[-2000:]
    assert all(hour["verdict"] for hour in hours)
    assert all(hour["unsaved"] == 0 for hour in hours)
