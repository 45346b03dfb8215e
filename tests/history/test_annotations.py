import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch.errors import HistoryError
from loadwatch.history import History
from loadwatch.records import Alert, Contribution, Label, Maintenance, Recording, Sample, Span


def test_labels_are_kept_listed_and_removed(history: History) -> None:
    """By the identity that adding returned, which no other label ever gets."""
    first = history.add_label(Label(Span(100.0, 200.0), "high", "backup ran wild"))
    second = history.add_label(Label(Span(50.0, 60.0), "normal"))
    history.remove_label(second)
    third = history.add_label(Label(Span(300.0, 400.0), "incident"))

    assert history.labels() == [
        Label(Span(100.0, 200.0), "high", "backup ran wild", first),
        Label(Span(300.0, 400.0), "incident", "", third),
    ]
    assert len({first, second, third}) == 3


def test_labels_are_found_by_the_span_they_touch(history: History) -> None:
    """An end is exclusive, as everywhere."""
    history.add_label(Label(Span(100.0, 200.0), "high"))

    assert [len(history.labels(Span(*span))) for span in [(0, 100), (0, 101), (199, 300), (200, 300)]] == [
        0,
        1,
        1,
        0,
    ]


@pytest.mark.parametrize(
    ("change", "rewrites"),
    [
        (lambda history: history.add_label(Label(Span(1.0, 2.0), "high")), True),
        (lambda history: history.remove_label(1), True),
        (lambda history: history.merge(Recording(np.array([5.0]), ("cpu",), np.array([[0.5]]))), True),
        (lambda history: history.merge(Recording(np.array([9.0]), ("cpu",), np.array([[0.5]]))), False),
        (lambda history: history.merge(Recording(np.array([11.0]), ("cpu",), np.array([[0.5]]))), False),
        (lambda history: history.forget(Span(0.0, 10.0)), True),
        (lambda history: history.forget(Span(0.0, 9.0)), False),
        (lambda history: history.add_maintenance(Maintenance(Span(9.0, 99.0))), True),
        (lambda history: history.add_maintenance(Maintenance(Span(10.0, 99.0))), False),
        (lambda history: history.append(Sample(20.0, 1.0, {"cpu": 0.5})), False),
    ],
)
def test_what_changes_the_past_is_remembered(
    history: History, clock: ManualClock, change: Callable[[History], object], rewrites: bool
) -> None:
    """What a model learned may be wrong then, so its training must begin anew; more of the present is not."""
    history.append(Sample(9.0, 1.0, {"cpu": 0.5}))
    history.add_label(Label(Span(3.0, 4.0), "normal"))
    before = history.rewritten()
    clock.advance(60.0)
    change(history)

    assert history.rewritten() == (clock.wall() if rewrites else before)


def test_maintenance_ends_when_told(history: History) -> None:
    """A window stopped before it began is empty, not negative."""
    running = history.add_maintenance(Maintenance(Span(100.0, 900.0), "new disk"))
    future = history.add_maintenance(Maintenance(Span(1_000.0, 2_000.0)))
    history.end_maintenance(running, 300.0)
    history.end_maintenance(future, 300.0)

    assert history.maintenance() == [
        Maintenance(Span(100.0, 300.0), "new disk", running),
        Maintenance(Span(1_000.0, 1_000.0), "", future),
    ]


def test_training_marks_cover_a_kill(history: History) -> None:
    """A mark has its latest possible end from the start, and its true end when training is over."""
    killed = history.add_training(Span(0.0, 600.0))
    finished = history.add_training(Span(1_000.0, 1_600.0))
    history.end_training(finished, 1_020.0)

    assert killed != finished
    assert history.training_spans() == [Span(0.0, 600.0), Span(1_000.0, 1_020.0)]
    assert history.training_spans(Span(700.0, 2_000.0)) == [Span(1_000.0, 1_020.0)]


def test_an_alert_is_followed_to_its_end(history: History) -> None:
    """Recorded when raised, replaced as it goes on; every field comes back."""
    raised = Alert(7, "high_load", 100.0, horizon=300)
    history.keep_alert(raised)
    ended = Alert(
        7,
        "high_load",
        100.0,
        end=160.0,
        horizon=300,
        flagged_by="limit",
        peak=0.9,
        excess_seconds=30.0,
        lead_seconds=40.0,
        confirmed_by="rule",
        joined=True,
        signals=(Contribution("cpu", 0.4), Contribution("memory", -0.1)),
        model="20260101",
        judged="right",
    )
    history.keep_alert(ended)

    assert history.alerts() == [replace(ended, identity=1)]


def test_an_alert_stored_under_an_older_name_is_read() -> None:
    """What flagged it was stored as who raised it, and plain limits as the guard."""
    plain = Alert(1, "high_load", 100.0, flagged_by="limit").to_plain()
    del plain["flagged_by"]
    assert Alert.from_plain({**plain, "raised_by": "guard"}).flagged_by == "limit"
    assert Alert.from_plain({**plain, "raised_by": "rule"}).flagged_by == "rule"


def test_alerts_are_found_by_span_verdict_and_number(history: History) -> None:
    """One that lasts touches every later span; a limit gives the newest, in order of time."""
    history.keep_alert(Alert(1, "high_load", 100.0, end=200.0))
    history.keep_alert(Alert(2, "anomaly", 300.0, end=400.0))
    history.keep_alert(Alert(3, "high_load", 500.0))

    def starts(*arguments: Span, **options: object) -> list[float]:
        return [alert.start for alert in history.alerts(*arguments, **options)]  # type: ignore[arg-type]

    assert starts() == [100.0, 300.0, 500.0]
    assert starts(Span(150.0, 350.0)) == [100.0, 300.0]
    assert starts(Span(900.0, 999.0)) == [500.0]
    assert starts(verdict="high_load") == [100.0, 500.0]
    assert starts(limit=2) == [300.0, 500.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda history: history.remove_label(7),
        lambda history: history.end_maintenance(7, 1.0),
        lambda history: history.end_training(7, 1.0),
    ],
)
def test_an_unknown_identity_is_refused_clearly(history: History, change) -> None:  # type: ignore[no-untyped-def]
    """The message names it."""
    with pytest.raises(HistoryError, match=r"there is no .*7"):
        change(history)


def test_a_span_cannot_end_before_it_begins(history: History) -> None:
    """Refused before it reaches the file."""
    with pytest.raises(HistoryError, match="cannot end"):
        history.add_label(Label(Span(2.0, 1.0), "high"))


def test_state_is_whatever_json_holds(history: History) -> None:
    """Replaced by key; a key never set gives the default."""
    history.set_state("budget", {"raised": 2, "until": None})
    history.set_state("budget", [1.5, "x"])

    assert history.state("budget") == [1.5, "x"]
    assert history.state("unknown", 7) == 7
    with pytest.raises(HistoryError, match="JSON"):
        history.set_state("bad", float("nan"))


def test_retention_keeps_alerts_longer_than_samples(history: History) -> None:
    """A year of alerts is the daemon's own record; labels of forgotten samples mean nothing."""
    history.add_label(Label(Span(0.0, 1.0), "high"))
    history.add_maintenance(Maintenance(Span(0.0, 1.0)))
    history.add_training(Span(0.0, 1.0))
    old, recent = 1_700_000_000.0 - 500 * 86_400, 1_700_000_000.0 - 300 * 86_400
    history.keep_alert(Alert(1, "anomaly", old))
    history.keep_alert(Alert(2, "anomaly", recent))
    history.prune(30 * 86_400)

    assert (history.labels(), history.maintenance(), history.training_spans()) == ([], [], [])
    assert [alert.start for alert in history.alerts()] == [recent]


def test_reads_at_once_see_what_others_write_meanwhile(history: History) -> None:
    """They share a connection, not a moment: a label typed between two of them is there."""
    with history.at_once():
        assert history.labels() == []
        history.add_label(Label(Span(100.0, 200.0), "high"))
        assert len(history.labels()) == 1
        history.append(Sample(50.0, 50.0, {"cpu": 0.5}))
        assert history.span() == Span(50.0, 50.0)
    assert len(history.labels()) == 1


def test_reads_at_once_fail_as_single_ones_do(history: History, path: Path) -> None:
    """Without a file there is one clear error, and the next try is a fresh one."""
    aside = path.rename(path.with_suffix(".aside"))
    with pytest.raises(HistoryError, match="no history there"), history.at_once():
        history.labels()
    aside.rename(path)
    with history.at_once():
        assert history.labels() == []


def test_the_version_tells_whether_there_is_anything_to_read_again(
    history: History, path: Path, clock: ManualClock
) -> None:
    """Samples appended here leave it as it is; marks, another process and another file do not."""
    history.append(Sample(1.0, 1.0, {"cpu": 0.5}))
    seen = [history.version()]
    history.append(Sample(2.0, 2.0, {"cpu": 0.5}))
    assert history.version() == seen[0]

    def is_new() -> bool:
        new = history.version() not in seen
        seen.append(history.version())
        return new

    history.set_state("judge", 1)
    assert is_new(), "a mark of our own"
    with contextlib.closing(History.open(path, clock=clock, repair=False)) as other:
        other.add_label(Label(Span(0.0, 1.0), "high"))
        assert is_new(), "a label of another process"
        other.append(Sample(3.0, 3.0, {"cpu": 0.5}))
        assert is_new(), "a sample of another process"
    history.append(Sample(4.0, 4.0, {"cpu": 0.5, "visitors": 7.0}))
    assert is_new(), "a signal that was not there before"
    path.rename(path.with_name("moved.db"))
    assert is_new(), "the file is gone"
    history.append(Sample(5.0, 5.0, {"cpu": 0.5}))
    assert is_new(), "the file was written anew"
