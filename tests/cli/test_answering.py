"""An alert is answered by its number, and the answer says what it does."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from cli import hosts
from cli.conftest import Invoke
from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.judge.statistics import loaded_span
from loadwatch.judge.trigger import MERGE_SECONDS
from loadwatch.records import Alert, Culprit, Culprits, Label, Span
from loadwatch.times import format_moment

HOUR = 3_600.0


@contextlib.contextmanager
def opened(state: Path) -> Iterator[History]:
    with contextlib.closing(History.open(state / "history.db", clock=SystemClock())) as history:
        yield history


@pytest.fixture
def now() -> float:
    """This second."""
    return float(int(time.time()))


@pytest.fixture
def state(tmp_path: Path, now: float) -> Path:
    """Six hours of samples, and of alerts one that is over, a foretold one, and one from before them."""
    hosts.fill(tmp_path, hosts.recording(6, end=now))
    with opened(tmp_path) as history:
        history.keep_alert(Alert(7, "high_load", now - 30 * HOUR, now - 29 * HOUR))
        history.keep_alert(Alert(8, "anomaly", now - 5 * HOUR, now - 4 * HOUR))
        history.keep_alert(Alert(9, "high_load", now - 3 * HOUR, now - HOUR, 300, lead_seconds=240.0))
    return tmp_path


def labels(state: Path) -> list[Label]:
    with opened(state) as history:
        return history.labels()


@pytest.mark.parametrize(
    "command", ["label --from 2026-01-05T13:00 --to 2026-01-05T14:00 high", "maintenance start --for 1h"]
)
def test_words_without_end_are_refused(invoke: Invoke, state: Path, command: str) -> None:
    """What is shown beside a band of the page is a sentence; a pasted log is not kept, and that is said."""
    where = ("--state-directory", state)
    assert invoke(*command.split(), "--why", "w" * 500, *where).exit_code == 0
    refused = invoke(*command.split(), "--why", "w" * 501, *where)
    assert refused.exit_code == 2
    assert "501 characters are more than 500; say it shorter" in refused.output


def test_the_list_has_numbers_that_label_takes(invoke: Invoke, state: Path, now: float) -> None:
    """Who reads the list can answer: number, begin, end; then it is a false alarm there."""
    where = ("--state-directory", state)
    assert invoke("label", "--alert", 2, "normal", *where).exit_code == 0
    line = invoke("alerts", *where).output.splitlines()[1]
    begin, end = (format_moment(now - ago * HOUR, UTC) for ago in (5, 4))
    assert line.startswith(f"    2  {begin} to {end}  60 min "), line
    assert "false alarm" in line
    assert [each.span for each in labels(state)] == [Span(now - 5 * HOUR, now - 4 * HOUR)]


def test_high_covers_the_load_and_not_the_calm_around_it(invoke: Invoke, state: Path, now: float) -> None:
    """Neither the minutes of the forecast nor the calm that closed the alert are learned as load."""
    assert invoke("label", "--alert", 3, "high", "--state-directory", state).exit_code == 0
    assert [each.span for each in labels(state)] == [Span(now - 3 * HOUR + 240.0, now - HOUR - MERGE_SECONDS)]


@pytest.mark.parametrize(
    ("alert", "span"),
    [
        (Alert(1, "high_load", 1_000.0), Span(1_000.0, 9_000.0)),  # open: until now
        (Alert(1, "high_load", 1_000.0, 2_000.0), Span(1_000.0, 2_000.0)),  # closed early, by maintenance
        (Alert(1, "high_load", 1_000.0, 4_000.0), Span(1_000.0, 2_200.0)),
    ],
)
def test_the_load_of_an_alert(alert: Alert, span: Span) -> None:
    """Whatever ended it, what is left is a span."""
    assert loaded_span(alert, 9_000.0) == span


def test_the_list_names_who_drove_an_alert(invoke: Invoke, state: Path, now: float) -> None:
    """On a line below it; an alert of which that is not known has no such line."""
    named = (Culprit("process", "mysqld", 0.775, processes=1, unit="mysql.service"),)
    with opened(state) as history:
        history.keep_alert(
            Alert(10, "anomaly", now - 600.0, culprits=Culprits("cpu", now - 500.0, 60.0, 4.0, named))
        )
    lines = invoke("alerts", "--state-directory", state).output.splitlines()
    assert [line.strip() for line in lines if "CPUs" in line] == ["mysqld (mysql.service) 3.1 of 4 CPUs"]
    assert lines[-2].strip().startswith("mysqld")


def test_the_answer_says_what_it_does(invoke: Invoke, state: Path) -> None:
    """Which alerts it covers and how they count from now on, and when verdicts follow."""
    said = invoke("label", "--from", "210m ago", "incident", "--state-directory", state).output
    assert "alert 3 (high load, " in said
    assert said.count("counts as right") == 1
    assert "from the next training on; now, with: loadwatch train" in said
    again = invoke("label", "--alert", 3, "normal", "--state-directory", state).output
    assert "counts as a false alarm" in again
    assert "note: it overlaps label 1 (incident" in again


def test_a_span_without_samples_teaches_nothing(invoke: Invoke, state: Path) -> None:
    """That is said, and no promise of a training made; the alert is answered all the same."""
    said = invoke("label", "--alert", 1, "normal", "--state-directory", state).output
    assert "no samples are stored in that span" in said
    assert "alert 1 (high load, " in said
    assert "training" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["normal"], "either --from and --to, or --alert"),
        (["--from", "1h ago", "--alert", "1", "normal"], "either --from and --to, or --alert"),
        (["--to", "1h ago", "--alert", "1", "normal"], "either --from and --to, or --alert"),
        (["--alert", "4", "normal"], "there is no alert 4; see: loadwatch alerts"),
    ],
)
def test_what_makes_no_sense_is_refused(
    invoke: Invoke, state: Path, arguments: list[str], words: str
) -> None:
    """In words, and nothing is written."""
    end = invoke("label", *arguments, "--state-directory", state)
    assert (end.exit_code != 0, words in str(end.exception)) == (True, True)
    assert labels(state) == []
