"""``loadwatch signals``: the values of now, and exporters shown so that one can take from them."""

import json
from pathlib import Path

import numpy as np
import pytest
from sampling.exporters import exporting, page
from web.fake_daemon import Starter

from cli import hosts
from cli.conftest import Invoke, program
from loadwatch import config
from loadwatch.errors import ConfigurationError
from loadwatch.records import Recording
from loadwatch.signals import NAMES

PAGE = """\
# HELP http_requests_total Requests \u202e answered.
# TYPE http_requests_total counter
http_requests_total{code="200",path="a \\"b\\" \x1b[2J"} 41
http_requests_total{code="500",path="/"} 1
# HELP cpu Of another kind.
# TYPE cpu gauge
cpu 0.5
# TYPE memory_used_bytes gauge
memory_used_bytes 65536
"""


def test_all_signals_are_listed_with_value_and_meaning(invoke: Invoke, daemon: Starter) -> None:
    """In the units that people use; as JSON with the numbers."""
    url = daemon().server.urls[0]
    lines = invoke("signals", "list", "--url", url).output.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert any(line.startswith("memory ") and "%" in line and "not available" in line for line in lines)
    rows = json.loads(invoke("signals", "list", "--json", "--url", url).output)["signals"]
    assert {row["name"] for row in rows} == set(NAMES)
    assert set(rows[0]) == {"name", "value", "unit", "help"}


def test_an_exporter_s_metrics_are_listed_safely(invoke: Invoke) -> None:
    """Each with its kind, how many series and their sum; no text of its moves the cursor."""
    with exporting(page(PAGE)) as exporter:
        output = invoke("signals", "try", exporter.url).output
        rows = json.loads(invoke("signals", "try", exporter.url, "--json").output)["offers"]
    assert all(line.isprintable() for line in output.splitlines())
    (line,) = (line for line in output.splitlines() if line.startswith("http_requests_total"))
    assert "counter, 2 series" in line
    assert " 42 " in line
    assert [row["metric"] for row in rows] == ["http_requests_total", "cpu", "memory_used_bytes"]


@pytest.mark.parametrize(
    ("metric", "kind", "unit"),
    [
        ("http_requests_total", "counter", "per_second"),
        ("cpu", "gauge", "1"),
        ("memory_used_bytes", "gauge", "bytes"),
    ],
)
def test_the_table_that_it_shows_can_be_pasted(
    invoke: Invoke, tmp_path: Path, metric: str, kind: str, unit: str
) -> None:
    """As it stands, and with what it suggests to match."""
    with exporting(page(PAGE)) as exporter:
        output = invoke("signals", "try", exporter.url, metric).output
        assert all(line.isprintable() for line in output.splitlines())
        for text in (output, output.replace("# match", "match")):
            (tmp_path / "c.toml").write_text(text)
            (own,) = config.load(tmp_path / "c.toml", environment={}).signals
            assert (own.url, own.metric, own.kind, own.signal.unit) == (exporter.url, metric, kind, unit)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (page("<html>"), "cannot be read"),
        (page(""), "no metrics"),
        (page(b"\xff\xfe"), "cannot be read"),
        (b"HTTP/1.1 404 \x1b[2J\r\n\r\n", "404"),
    ],
)
def test_what_is_no_exporter_is_said_in_words(invoke: Invoke, talk: bytes, words: str) -> None:
    """Without a traceback and without a control character."""
    with exporting(talk) as exporter:
        end = invoke("signals", "try", exporter.url)
    assert words in str(end.exception)
    assert str(end.exception).isprintable()


def test_an_address_that_is_none_is_a_wrong_use(invoke: Invoke) -> None:
    """With the forms that work."""
    assert "unix:///" in str(invoke("signals", "try", "nonsense").exception)
    with exporting(page(PAGE)) as exporter:
        assert "lists what is" in str(invoke("signals", "try", exporter.url, "none").exception)


@pytest.mark.slow
def test_a_name_too_like_a_stored_one_is_refused_before_the_daemon_meets_it(
    invoke: Invoke, tmp_path: Path
) -> None:
    """The check of a reload says so, and a start ends with the exit code of a wrong configuration."""
    hosts.fill(tmp_path / "state", Recording(np.array([1.7e9]), ("Queue",), np.array([[1.0]])))
    path = tmp_path / "loadwatch.toml"
    path.write_text('[[signals]]\nname = "queue"\nurl = "file:///run/q.prom"\nmetric = "q"\n')
    options = ("--config", path, "--state-directory", tmp_path / "state")
    refused = invoke("check-config", *options).exception
    assert isinstance(refused, ConfigurationError)
    assert "too like 'Queue'" in str(refused)
    end = program("run", *options, "--set", "web.listen_address=127.0.0.1:0")
    assert (end.returncode, "too like 'Queue'" in end.stderr) == (78, True), end
