import io
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from loadwatch.errors import UsageError
from loadwatch.interchange import write_openmetrics
from loadwatch.records import Recording

RECORDING = Recording(
    np.array([1_700_000_000.0, 1_700_000_005.5]), ("cpu", "load_1"), np.array([[0.25, 3.0], [math.nan, 4.5]])
)


def test_a_recording_becomes_the_exporters_series() -> None:
    """Same name and labels as a scrape would have given; unknown values are absent."""
    stream = io.StringIO()
    write_openmetrics(RECORDING, stream, {"instance": 'a"\\\n', "job": "loadwatch"})

    assert stream.getvalue().splitlines() == [
        "# HELP loadwatch_signal What the model saw of this signal, in the unit of the label.",
        "# TYPE loadwatch_signal gauge",
        'loadwatch_signal{signal="cpu",unit="ratio",instance="a\\"\\\\\\n",job="loadwatch"} 0.25 1700000000',
        'loadwatch_signal{signal="load_1",unit="1",instance="a\\"\\\\\\n",job="loadwatch"} 3.0 1700000000',
        'loadwatch_signal{signal="load_1",unit="1",instance="a\\"\\\\\\n",job="loadwatch"} 4.5 1700000005.5',
        "# EOF",
    ]


@pytest.mark.parametrize("name", ["signal", "unit", "", "1st", "a-b", "é"])
def test_a_label_that_cannot_be_is_refused(name: str) -> None:
    """Before anything is written."""
    stream = io.StringIO()

    with pytest.raises(UsageError, match="as a label"):
        write_openmetrics(RECORDING, stream, {name: "x"})
    assert stream.getvalue() == ""


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus' promtool")
def test_prometheus_takes_what_is_written(tmp_path: Path) -> None:
    """Promtool makes blocks of it that hold every known value."""
    source = tmp_path / "history.om"
    with source.open("w") as stream:
        write_openmetrics(RECORDING, stream, {"instance": "localhost:10074", "job": "loadwatch"})
    blocks = tmp_path / "blocks"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", source, blocks],
        check=True,
        capture_output=True,
    )
    (blocks / "wal").mkdir()  # promtool 2.42 looks for one
    dump = subprocess.run(
        ["promtool", "tsdb", "dump", blocks], check=True, capture_output=True, text=True
    ).stdout

    assert sorted(line.split("} ")[1] for line in dump.splitlines()) == [
        "0.25 1700000000000",
        "3 1700000000000",
        "4.5 1700000005500",
    ]
