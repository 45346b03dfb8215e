"""Whatever a CSV file holds, it is a recording that can be stored, or one refusal that says where and why."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from manual_clock import ManualClock

from loadwatch.errors import HistoryError
from loadwatch.history import History
from loadwatch.interchange.csv import read_csv, write_csv

NAMES = ["timestamp", "cpu", "CPU", "memory", "split", "label", "", " ", "a\tb", "é", "\x1b[2J", "rowid"]
NAMES += ['"x"', "x" * 300]
TIMES = ["1700000000", "1700000005", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "1700000010000", "nan"]
CELLS = ["", "0.5", "1e308", "1e999", "-1", "nan", "inf", "NaN", "1,5", "0x10", "\u0663", "1_000", " 1 "]
CELLS += ["abc", "\x00", '"', "\r"]
odd = st.sampled_from(CELLS) | st.floats().map(repr) | st.text(max_size=8)
plain = st.floats(0.0, 1e6).map(repr)
tables = st.booleans().flatmap(
    lambda usual: st.lists(plain if usual else odd | plain, min_size=5, max_size=5)
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    header=st.just(["cpu", "memory"]) | st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True),
    rows=st.lists(tables, max_size=8),
    time=st.none() | st.sampled_from(TIMES) | odd,
    cut=st.none() | st.none() | st.integers(0, 5),
    separator=st.sampled_from([",", ",", ",", ",", ",", ";", "\t", "\n"]),
    ending=st.sampled_from(["\n", "\n", "\r\n", "\r", ""]),
    start=st.sampled_from(["", "", "", "\ufeff", "sep=,\n", "# comment\n"]),
)
def test_any_table_is_stored_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    header: list[str],
    rows: list[list[str]],
    time: str | None,
    cut: int | None,
    separator: str,
    ending: str,
    start: str,
) -> None:
    """Names, times and cells of every kind: what is read can be stored, written out and read again."""
    folder = tmp_path_factory.mktemp("table")
    header = ["timestamp", *(name for name in header if name != "timestamp")]
    width = len(header) - 1 if cut is None else cut
    moments = [str(1_700_000_000 + 5 * number) for number in range(len(rows))]
    if time is not None and moments:
        moments[len(moments) // 2] = time
    table = [header, *([moment, *row[:width]] for moment, row in zip(moments, rows, strict=True))]
    lines = [separator.join(row) for row in table]
    file = folder / "table.csv"
    file.write_bytes((start + ending.join(lines)).encode("utf-8", "surrogatepass"))
    history = History.open(folder / "history.db", clock=ManualClock(), signals=())
    try:
        recording = read_csv(file).recording
        history.merge(recording)
    except HistoryError as refused:
        event("refused")
        words = str(refused)
        history.close()
        assert 0 < len(words) < 1000
        return
    event("stored")
    stored = history.recording()
    history.close()
    assert len(stored) == len(recording)
    known = np.isfinite(stored.values)
    assert (np.abs(stored.values[known]) <= 1.8e308).all()
    again = io.StringIO()
    write_csv(recording, again)
    file.write_text(again.getvalue(), encoding="utf-8")
    if len(recording):
        np.testing.assert_array_equal(read_csv(file).recording.values, recording.values)
    assert all(math.isfinite(moment) for moment in stored.timestamps)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/proc/self/mem"])
def test_a_file_without_an_end_is_refused(device: str) -> None:
    """In bounded time and memory."""
    with pytest.raises(HistoryError, match="cannot read"):
        read_csv(Path(device))
