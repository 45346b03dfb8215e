import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loadwatch.errors import HistoryError, UsageError
from loadwatch.interchange import write_openmetrics
from loadwatch.interchange.openmetrics import read_openmetrics
from loadwatch.records import Recording

RECORDING = Recording(
    np.array([1_700_000_000.0, 1_700_000_005.5]), ("cpu", "load_1"), np.array([[0.25, 3.0], [math.nan, 4.5]])
)


def test_a_recording_becomes_the_exporters_series() -> None:
    """Same name and labels as a scrape would have given; unknown values are absent."""
    stream = io.StringIO()
    write_openmetrics(RECORDING, stream, {"instance": 'a"\\\n', "job": "loadwatch"})

    labels = 'instance="a\\"\\\\\\n",job="loadwatch"'
    assert stream.getvalue().splitlines() == [
        "# HELP loadwatch_signal What the model saw of this signal, in the unit of the label.",
        "# TYPE loadwatch_signal gauge",
        'loadwatch_signal{signal="cpu",unit="ratio",instance="a\\"\\\\\\n",job="loadwatch"} 0.25 1700000000',
        'loadwatch_signal{signal="load_1",unit="1",instance="a\\"\\\\\\n",job="loadwatch"} 3.0 1700000000',
        'loadwatch_signal{signal="load_1",unit="1",instance="a\\"\\\\\\n",job="loadwatch"} 4.5 1700000005.5',
        "# HELP loadwatch_last_sample_timestamp_seconds Unix time of the last sample, in seconds.",
        "# TYPE loadwatch_last_sample_timestamp_seconds gauge",
        f"loadwatch_last_sample_timestamp_seconds{{{labels}}} 1700000000.0 1700000000",
        f"loadwatch_last_sample_timestamp_seconds{{{labels}}} 1700000005.5 1700000005.5",
        "# EOF",
    ]


@pytest.mark.parametrize("name", ["signal", "unit", "", "1st", "a-b", "é"])
def test_a_label_that_cannot_be_is_refused(name: str) -> None:
    """Before anything is written."""
    stream = io.StringIO()

    with pytest.raises(UsageError, match="as a label"):
        write_openmetrics(RECORDING, stream, {name: "x"})
    assert stream.getvalue() == ""


@pytest.mark.slow
@given(
    start=st.floats(9.5e8, 2e9),
    steps=st.lists(st.floats(0.001, 1e6), min_size=1, max_size=12),
    name=st.text(min_size=1, max_size=8),
    data=st.data(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, start: float, steps: list[float], name: str, data: st.DataObject
) -> None:
    """To the last digit, rows without any value and labels and signals of every character included."""
    assume(name not in ("cpu", "memory"))
    signals = ("cpu", name, "memory")
    value = st.floats(allow_infinity=False)
    values = np.array([data.draw(st.lists(value, min_size=3, max_size=3)) for _ in steps])
    written = Recording(start + np.cumsum(steps), signals, values)
    file = tmp_path_factory.mktemp("written") / "history.om"
    with file.open("w", newline="", encoding="utf-8") as stream:
        write_openmetrics(
            (written.with_signals(some) for some in (signals[:2], signals[2:])),
            stream,
            {"job": data.draw(st.text(max_size=8)), "instance": "host:1"},
        )
    read = read_openmetrics(file)

    np.testing.assert_array_equal(read.timestamps, written.timestamps)
    np.testing.assert_array_equal(read.with_signals(signals).values, written.values)


def written(*hosts: str) -> str:
    stream = io.StringIO()
    for host in hosts:
        write_openmetrics(RECORDING, stream, {"instance": host})
    return stream.getvalue().replace("# EOF\n", "") + "# EOF\n"


def test_one_of_several_hosts_is_named(tmp_path: Path) -> None:
    """Two hosts in one file are never mixed."""
    file = tmp_path / "history.om"
    file.write_text(written("a:1", "b:1"))

    with pytest.raises(UsageError, match='instance="a:1"; instance="b:1"; name one: --label instance=a:1'):
        read_openmetrics(file)
    np.testing.assert_array_equal(read_openmetrics(file, {"instance": "b:1"}).values, RECORDING.values)


FAULTS = {
    "cut": (written("a").rpartition("# HELP")[0], "no '# EOF'; it was cut off"),
    "other metrics": ("# TYPE up gauge\nup 1 5\n# EOF\n", "there was no series loadwatch_signal"),
    "more after the end": (written("a") + "up 1 5\n", "there is more after the end"),
    "no time": ('loadwatch_signal{signal="cpu"} 1\n# EOF\n', "line 1: .* is no sample"),
    "no number": ('loadwatch_signal{signal="cpu"} x 1\n# EOF\n', "line 1: .* is no sample"),
    "other digits": ('loadwatch_signal{signal="cpu"} ٣ 1\n# EOF\n', "line 1: .* is no sample"),
    "no signal": ('loadwatch_signal{unit="1"} 1 1\n# EOF\n', "line 1: .* is no sample"),
    "broken labels": ('loadwatch_signal{signal="cpu} 1 1\n# EOF\n', "line 1: .* is no sample"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, fault: str) -> None:
    """With the line, or what was looked for."""
    content, message = FAULTS[fault]
    file = tmp_path / "history.om"
    file.write_text(content)

    with pytest.raises(HistoryError, match=message) as raised:
        read_openmetrics(file)
    assert str(raised.value).startswith(f"cannot read {file}, ")


def test_signals_and_rows_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    """Also where each signal has rows of its own, so that a small file would make a large table."""
    series = "".join(f'loadwatch_signal{{signal="s{n}"}} 1 {n}\n' for n in range(300))
    file = tmp_path / "history.om"
    file.write_text(f"{series}# EOF\n")

    with pytest.raises(HistoryError, match="fill the memory allowed"):
        read_openmetrics(file, largest_bytes=400_000)
    with pytest.raises(HistoryError, match="fills the memory allowed"):
        read_openmetrics(file, largest_bytes=100_000)
