"""``loadwatch history``: a past comes whole or not at all, can be taken back, and goes to another machine."""

import contextlib
import gzip
import re
import time
from pathlib import Path

import documents
import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch.clock import SystemClock
from loadwatch.errors import UsageError
from loadwatch.history import History
from loadwatch.model.host import host_identity
from loadwatch.model.store import ModelStore
from loadwatch.records import Alert, Label, Recording, Sample, Span
from loadwatch.signals import NAMES

from . import hosts
from .conftest import Invoke

RULE = ("--set", f"high_load.when={hosts.RULE}")


def rows_of(state: Path) -> Recording:
    with contextlib.closing(History.read(state / "history.db")) as history:
        return history.recording()


def csv(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def minutes_before_now(count: int) -> list[float]:
    now = time.time() // 60 * 60
    return [now - 60.0 * (count - row) for row in range(count)]


def test_an_import_says_signal_by_signal_what_came(invoke: Invoke, tmp_path: Path) -> None:
    """And how to take it back, which leaves the history as it was, columns included."""
    rows = "".join(
        f"{moment:.0f},0.5,{'' if row % 4 else 0.25},7\n" for row, moment in enumerate(minutes_before_now(40))
    )
    file = csv(tmp_path / "past.csv", f"timestamp,cpu,memory,cpu_maxcore\n{rows}")
    end = invoke("history", "import", file, "--no-train", "--state-directory", tmp_path, *RULE)

    assert end.exit_code == 0, end.output
    assert "'cpu_maxcore' (did you mean cpu_max_core?)" in end.output
    assert "40 of 40 rows added" in end.output
    assert "known in at least 99% of the rows: cpu, cpu_maxcore" in end.output
    assert "known in 25 %: memory" in end.output
    assert re.search(r"not there: .*\bswap\b", end.output)
    (undo,) = re.findall(r"to undo: loadwatch (.*)", end.output)
    forgotten = invoke(*undo.split(), "--state-directory", tmp_path)
    assert "40 rows removed\nsignals without values removed: cpu_maxcore" in forgotten.output
    assert (len(rows_of(tmp_path)), rows_of(tmp_path).signals) == (0, NAMES)


def test_a_past_without_what_the_rule_needs_is_stored_only_on_demand(invoke: Invoke, tmp_path: Path) -> None:
    """A model would learn from it that load never was high."""
    rows = "".join(
        f"{moment:.0f},{'' if row % 4 else 0.5},0.5\n" for row, moment in enumerate(minutes_before_now(40))
    )
    file = csv(tmp_path / "past.csv", f"timestamp,cpu,memory\n{rows}")
    command = ("history", "import", file, "--no-train", "--state-directory", tmp_path, *RULE)
    end = invoke(*command)

    assert "mostly lacks what the rule for high load needs: cpu (25% of the rows); nothing was stored" in str(
        end.exception
    )
    assert len(rows_of(tmp_path)) == 0
    assert "40 of 40 rows added" in invoke(*command, "--allow-gaps").output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("timestamp,cpu\n{later},0.5\n", "no zone, so they are read as UTC"),
        ("timestamp,cpu\n{now},0.5\n,\n", "line 3"),
        (
            "timestamp," + ",".join(f"c{n}" for n in range(1500)) + "\n{now}" + ",1" * 1500 + "\n",
            "room for 1,000",
        ),
    ],
)
def test_what_is_refused_leaves_nothing(invoke: Invoke, tmp_path: Path, content: str, message: str) -> None:
    """One line says why, and neither rows nor columns stay."""
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3_600))
    file = csv(tmp_path / "past.csv", content.format(now=int(time.time()) - 60, later=later))
    end = invoke("history", "import", file, "--state-directory", tmp_path)

    assert message in str(end.exception)
    if (tmp_path / "history.db").exists():
        assert (len(rows_of(tmp_path)), rows_of(tmp_path).signals) == (0, NAMES)


def test_forgetting_needs_a_history_and_a_span(invoke: Invoke, tmp_path: Path) -> None:
    """A slip of the pen makes no state directory and forgets nothing."""
    end = invoke(
        "history", "forget", "--from", "2 hours ago", "--to", "now", "--state-directory", tmp_path / "no"
    )
    assert "no history there" in str(end.exception)
    assert not (tmp_path / "no").exists()
    end = invoke("history", "forget", "--from", "now", "--to", "2 hours ago", "--state-directory", tmp_path)
    assert isinstance(end.exception, UsageError)
    assert "ends before it begins" in str(end.exception)


@pytest.mark.parametrize("name", ["past.csv", "past.om", "past.history"])
def test_what_is_exported_is_imported_again_to_the_last_digit(
    invoke: Invoke, tmp_path: Path, name: str
) -> None:
    """In each format, the whole span, on another machine; a daemon there goes on with it."""
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / name
    past = hosts.recording(2, end=time.time() - 60.0)
    past.values[5] = np.nan
    past.values[7, 1] = np.nan
    hosts.fill(here, past)
    form = {".csv": "csv", ".om": "openmetrics", ".history": "sqlite"}[file.suffix]
    written = invoke("history", "export", "--format", form, "-o", file, "--state-directory", here)
    assert (written.exit_code, written.output) == (0, "")
    end = invoke("history", "import", file, "--no-train", "--state-directory", there)

    assert "240 of 240 rows added" in end.output, end.exception
    expected, actual = rows_of(here), rows_of(there)
    np.testing.assert_array_equal(actual.timestamps, expected.timestamps)
    np.testing.assert_array_equal(actual.with_signals(expected.signals).values, expected.values)
    daemon = History.open(there / "history.db", clock=SystemClock())
    assert daemon.append(Sample(time.time(), 1.0, dict.fromkeys(NAMES, 0.5)))
    daemon.close()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_export_says_whose_it_is(invoke: Invoke, tmp_path: Path) -> None:
    """By default as a Prometheus that scrapes this daemon would; other labels where they are named."""
    hosts.fill(tmp_path, hosts.recording(1, end=time.time()))
    export = ("history", "export", "--format", "openmetrics", "--state-directory", tmp_path)
    assert re.search(r'job="loadwatch",instance="[^":]+:10074"} ', invoke(*export).output)
    named = invoke(*export, "--job", "web", "--instance", "web-1:9").output
    assert 'unit="ratio",job="web",instance="web-1:9"} ' in named
    assert "loadwatch_last_sample_timestamp_seconds{job=" in named


def test_a_compressed_export_is_imported(invoke: Invoke, tmp_path: Path) -> None:
    """Of OpenMetrics as of CSV: who moves a month compresses it."""
    here, there = tmp_path / "here", tmp_path / "there"
    hosts.fill(here, hosts.recording(1, end=time.time()))
    for form in ("csv", "openmetrics"):
        text = invoke("history", "export", "--format", form, "--state-directory", here).output
        (tmp_path / "past.gz").write_bytes(gzip.compress(text.encode()))
        end = invoke(
            "history", "import", tmp_path / "past.gz", "--no-train", "--state-directory", there, *RULE
        )
        assert "of 120 rows added" in end.output, end.output


def test_an_export_that_fails_leaves_the_old_file(invoke: Invoke, tmp_path: Path) -> None:
    """A file is there when it is whole."""
    file = tmp_path / "past.csv"
    file.write_text("old")
    end = invoke("history", "export", "-o", file, "--state-directory", tmp_path / "nothing")
    assert (end.exit_code, file.read_text()) == (1, "old")
    hosts.fill(tmp_path, hosts.recording(1, end=time.time()))
    end = invoke("history", "export", "--format", "sqlite", "--state-directory", tmp_path)
    assert "name it with -o" in str(end.exception)
    end = invoke("history", "export", "-o", tmp_path / "no" / "past.csv", "--state-directory", tmp_path)
    assert "cannot write" in str(end.exception)


@pytest.mark.slow
def test_a_host_moves_in_two_commands(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured, said and judged is kept; the model is learned anew, for the new machine."""
    here, there = tmp_path / "here", tmp_path / "there"
    monkeypatch.chdir(tmp_path)
    out, into = (documents.shell(part).removeprefix("loadwatch ").split() for part in ("move out", "move in"))
    past = hosts.recording(72, end=time.time())
    hosts.fill(here, past)
    span = Span(float(past.timestamps[10]), float(past.timestamps[20]))
    with contextlib.closing(History.open(here / "history.db", clock=ManualClock())) as history:
        history.add_label(Label(span, "incident", "disk full"))
        history.keep_alert(Alert(0, "high_load", span.start, judged="wrong"))
        history.set_state("sampling.largest_rate", 5e9)

    assert invoke(*out, "--state-directory", here).exit_code == 0
    settings = (*RULE, "--set", "high_load.horizons=0s,1m")
    end = invoke(*into, "--state-directory", there, *settings)

    assert end.exit_code == 0, end.output
    np.testing.assert_array_equal(rows_of(there).values, rows_of(here).values)
    with contextlib.closing(History.read(there / "history.db")) as history:
        assert [label.why for label in history.labels()] == ["disk full"]
        (alert,) = history.alerts()
        assert (alert.judged, alert.end) == ("wrong", past.timestamps[-1])
        assert history.state("sampling.largest_rate") is None
    store = ModelStore(there / "models")
    card = store.card(str(store.current()))
    assert (card.origin, card.host) == ("trained", host_identity())


def test_the_database_of_another_program_is_not_taken_for_a_history(invoke: Invoke, tmp_path: Path) -> None:
    """One line says so, and nothing is stored."""
    file = tmp_path / "other.db"
    with contextlib.closing(History.open(file, clock=SystemClock())):
        pass
    content = bytearray(file.read_bytes())
    content[68:72] = b"\0\0\0\0"  # the application's own number
    file.write_bytes(content)
    end = invoke("history", "import", file, "--state-directory", tmp_path / "state")
    assert "database of another program" in str(end.exception)
