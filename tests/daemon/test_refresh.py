"""What the daemon does every ten seconds: it heeds what was typed, and reads nothing where nothing was."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually
from manual_clock import ManualClock

from loadwatch import config as configuration
from loadwatch.daemon.service import REFRESHES_A_LOOK, Daemon
from loadwatch.errors import HistoryError
from loadwatch.history import DeferredHistory, History, database
from loadwatch.records import Label, Maintenance, Sample, Span


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when told to."""
    return ManualClock()


@pytest.fixture
def daemon(tmp_path: Path, clock: ManualClock) -> Iterator[Daemon]:
    """A daemon that watches nothing by itself; the test is its schedule."""
    settings = configuration.load(None, environment={}, overrides=["web.listen_address=127.0.0.1:0"])
    daemon = Daemon(settings, tmp_path, reload=lambda: settings, clock=clock)
    daemon._history = DeferredHistory.open(tmp_path / "history.db", clock=clock)
    daemon._open()
    append(daemon, clock)
    daemon._refresh()
    yield daemon
    daemon._models.stop()
    daemon._history.close()


@pytest.fixture
def operator(daemon: Daemon, tmp_path: Path, clock: ManualClock) -> Iterator[History]:
    """The history as a command beside the running daemon opens it."""
    history = History.open(tmp_path / "history.db", clock=clock, repair=False)
    daemon._refresh()
    yield history
    history.close()


def append(daemon: Daemon, clock: ManualClock) -> None:
    clock.advance(5.0)
    daemon._history.append(Sample(clock.wall(), clock.monotonic(), {"cpu": 0.5}))


def test_what_was_typed_takes_effect_with_the_next_turn(
    daemon: Daemon, operator: History, clock: ManualClock
) -> None:
    """A window is in force, and a label shown, whether typed now or taken back."""
    now = clock.wall()
    window = operator.add_maintenance(Maintenance(Span(now - 10.0, now + 600.0), "new disk"))
    daemon._refresh()
    assert daemon._verdicts.calendar.active(now) is not None
    assert [each.why for each in daemon._board.facts.maintenance] == ["new disk"]

    operator.end_maintenance(window, now - 5.0)
    operator.add_label(Label(Span(now - 10.0, now), "high", "backup"))
    daemon._refresh()
    assert daemon._verdicts.calendar.active(now) is None
    assert [each.why for each in daemon._board.facts.labels] == ["backup"]


def test_what_the_daemon_marks_itself_is_told_with_the_next_turn(daemon: Daemon, clock: ManualClock) -> None:
    """Its own trainings are on the page as soon as what an operator typed."""
    daemon._history.add_training(Span(clock.wall() - 60.0, clock.wall() - 30.0))
    daemon._refresh()
    assert daemon._board.facts.trainings == (Span(clock.wall() - 60.0, clock.wall() - 30.0),)


def test_a_turn_in_which_nobody_wrote_anything_reads_nothing(
    daemon: Daemon, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it make the page lag: rows and span are those of the newest sample."""
    read: list[Path] = []
    connect = database.connect_reader

    def counted(path: Path) -> sqlite3.Connection:
        read.append(path)
        return connect(path)

    monkeypatch.setattr(database, "connect_reader", counted)
    for _ in range(REFRESHES_A_LOOK - 2):
        append(daemon, clock)
        daemon._refresh()
    assert not read
    facts = daemon._board.facts
    assert facts.history_rows == daemon._history.row_count() == REFRESHES_A_LOOK - 1
    assert facts.history_span == daemon._history.span()
    assert read

    read.clear()
    for _ in range(REFRESHES_A_LOOK):  # what time alone changes
        daemon._refresh()
    assert len(read) == 1


def test_a_damaged_history_is_found_with_the_next_turn(
    daemon: Daemon, clock: ManualClock, tmp_path: Path
) -> None:
    """Though who damages a file commits nothing to it: it is mended, and samples are stored again."""
    for _ in range(3):  # a checkpoint of our own among them is no damage
        append(daemon, clock)
        daemon._refresh()
    (tmp_path / "history.db").write_bytes(b"\x7f" * (tmp_path / "history.db").stat().st_size)
    with pytest.raises(HistoryError, match="it was damaged and is mended"):
        daemon._refresh()
    eventually(lambda: daemon._history.salvages == 1, seconds=20, what="it is mended")
    append(daemon, clock)
    assert daemon._history.stores


def test_a_look_that_failed_is_tried_again_with_the_next_turn(
    daemon: Daemon, operator: History, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was typed meanwhile is not forgotten."""
    operator.add_label(Label(Span(clock.wall() - 10.0, clock.wall()), "high", "backup"))
    with monkeypatch.context() as patch:
        patch.setattr(daemon._verdicts, "refresh", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            daemon._refresh()
    daemon._refresh()
    assert [each.why for each in daemon._board.facts.labels] == ["backup"]
