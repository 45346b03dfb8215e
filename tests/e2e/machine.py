"""Boots a throw-away machine with a real systemd, in which a script of ours does its checks as root."""

import json
import subprocess
from pathlib import Path

import pytest

from .programs import pip_elsewhere

Outcomes = dict[str, str]


def boot(shared: Path, script: str, out: Path, *options: str) -> Outcomes:
    """What each check of the script beside this file found: nothing, or the reason of its failure.

    out: a new folder for what the machine leaves, its journal among it; options: those of ``nspawn-test.sh``.
    """
    out.mkdir()
    tool = shared / "tools" / "nspawn-test.sh"
    command = [tool, "-o", out, "-t", "560", *options, Path(__file__).with_name(script)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=pip_elsewhere())
    results = out / "results"
    if answer.returncode != 0 or not results.exists():
        pytest.fail(f"the machine ended with {answer.returncode}: {answer.stderr[-3000:]}")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    for line in lines:
        print(f"{line['seconds']:6.1f} s  {line['test']}")
    return {line["test"]: line["outcome"] for line in lines}


def check(outcomes: Outcomes, request: pytest.FixtureRequest) -> None:
    """Report the check that has the name of this test."""
    name = request.node.name
    assert name in outcomes, f"{name} was not reached: {list(outcomes)}"
    assert outcomes[name] == "", outcomes[name]
