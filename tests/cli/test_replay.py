"""A recorded history at the terminal: scores, a summary, and a picture."""

from pathlib import Path

import pytest

from cli import hosts
from cli.conftest import Invoke
from loadwatch.interchange.csv import write_csv


@pytest.mark.slow
def test_replay_writes_scores_and_draws(invoke: Invoke, tmp_path: Path) -> None:
    """A line a row, what an operator wants to know in the end, and a picture of it."""
    pytest.importorskip("matplotlib")
    source, scores, picture = tmp_path / "host.csv", tmp_path / "scores.csv", tmp_path / "host.png"
    with source.open("w", encoding="utf-8") as stream:
        write_csv(hosts.recording(5, end=1_700_000_000.0), stream)
    rule = ("--set", f"high_load.when={hosts.RULE}")
    end = invoke("replay", source, "--output", scores, "--plot", picture, *rule)
    assert end.exit_code == 0, end.output
    assert "600 rows from 2023-11-14 17:13 UTC to 2023-11-14 22:13 UTC" in end.output
    assert scores.read_text().count("\n") == 601
    assert picture.read_bytes().startswith(b"\x89PNG")
