"""Counts of rare things go on through restarts, whatever becomes of the file they stand in."""

import os
from pathlib import Path

import pytest
from manual_clock import ManualClock

from loadwatch.daemon.totals import FILE, Totals
from loadwatch.exporter import Exporter


def run(folder: Path, *alerts: int, salvages: int = 0, set_aside: int = 0) -> list[float]:
    """What a run exports in the end: alerts of high load, salvages, models set aside."""
    exporter = Exporter(ManualClock(), 5.0)
    totals = Totals(folder)
    for count in (0, *alerts):
        totals.follow(exporter, {"high_load": count, "anomaly": 0}, salvages=salvages, set_aside=set_aside)
    page = exporter.render().decode()
    names = (
        'loadwatch_alerts_total{verdict="high_load"}',
        "loadwatch_history_salvages_total",
        "loadwatch_models_set_aside_total",
    )
    return [float(line.split()[1]) for line in page.splitlines() if line.split()[0] in names]


def test_a_restart_counts_on(tmp_path: Path) -> None:
    """Damage in each of three runs is three, not one three times, and no total ever falls."""
    assert run(tmp_path, 1, 2, salvages=1) == [2, 1, 0]
    assert run(tmp_path) == [2, 1, 0]
    assert run(tmp_path, 1, salvages=1, set_aside=1) == [3, 2, 1]
    assert run(tmp_path, salvages=1) == [3, 3, 1]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[1]", b'{"alerts_high_load": "many"}', b"\xff\xfe", b"{" * 9000, b'{"a": null}'),
        *(b"[" * 4000, b'{"a": Infinity}', b'{"a": 1e999}'),
    ],
)
def test_a_torn_file_costs_the_counts_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    """The daemon starts, counts from 0, and the file is whole again with the next count."""
    (tmp_path / FILE).write_bytes(content)
    assert run(tmp_path, 1) == [1, 0, 0]
    assert run(tmp_path) == [1, 0, 0]


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The metrics go on; the log has one line, not one a second."""
    assert run(tmp_path / "gone", 1, 2, 3, 3) == [3, 0, 0]
    assert len([line for line in caplog.messages if "a restart forgets" in line]) == 1


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    """The daemon starts at once, and with the next count a file stands there again."""
    os.mkfifo(tmp_path / FILE)
    assert run(tmp_path, 1) == [1, 0, 0]
    assert run(tmp_path) == [1, 0, 0]


def test_others_cannot_read_it(tmp_path: Path) -> None:
    """As all files of the state directory, whatever the umask."""
    run(tmp_path, 1)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o640
