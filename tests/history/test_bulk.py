"""Many rows at once: whole or not at all, and what came can go again."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch.errors import HistoryError
from loadwatch.history import History, schema
from loadwatch.records import Alert, Label, Maintenance, Recording, Sample, Span
from loadwatch.signals import NAMES

START = 1_700_000_000.0


def rows(first: int, count: int, *signals: str) -> Recording:
    times = START + first + np.arange(float(count))
    return Recording(times, signals, np.random.default_rng(first).random((count, len(signals))))


def columns(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [name for _, name, *_ in connection.execute("PRAGMA table_info(samples)")][1:]


def test_parts_of_one_import_come_together(history: History) -> None:
    """Each part may bring other signals; a part without one has it unknown."""
    assert history.merge(iter([rows(0, 700, "cpu"), rows(700, 700, "load_1", "cpu")])) == 1_400

    stored = history.recording(signals=("cpu", "load_1"))
    np.testing.assert_array_equal(stored.values[:700, 0], rows(0, 700, "cpu").values[:, 0])
    np.testing.assert_array_equal(stored.values[700:, ::-1], rows(700, 700, "load_1", "cpu").values)
    assert np.isnan(stored.values[:700, 1]).all()


def test_an_import_that_breaks_off_leaves_nothing(history: History, path: Path) -> None:
    """No rows of the parts before, and no columns either."""

    def parts() -> Iterator[Recording]:
        yield rows(0, 2_000, "cpu", "foreign")
        raise HistoryError("the server went away")

    before = columns(path)
    with pytest.raises(HistoryError, match="the server went away"):
        history.merge(parts())
    assert (history.row_count(), columns(path)) == (0, before)
    assert history.merge(rows(0, 3, "cpu")) == 3


def test_too_many_columns_are_refused_and_none_of_them_stays(
    history: History, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wide file cannot take the room that signals of later versions need."""
    monkeypatch.setattr(schema, "MOST_FOREIGN", 50)  # of which there are 1000: SQLite takes a second for them
    wide = rows(0, 2, "cpu", *(f"column {number}" for number in range(51)))
    before = columns(path)
    with pytest.raises(HistoryError, match=r"cannot store 51 signals .* there is room for 50"):
        history.merge(wide)
    assert columns(path) == before

    assert history.merge(wide.with_signals(wide.signals[:-1])) == 2
    assert history.append(Sample(START + 10, 1.0, dict.fromkeys(NAMES, 0.5)))
    assert len(columns(path)) == 50 + len(NAMES)


def test_a_signal_has_a_name_that_fits_a_table(history: History, path: Path) -> None:
    """Megabytes, blanks and control characters are refused in a short line, and nothing of them stays."""
    before = columns(path)
    for name in ("a" * 201, " ", "a\nb", "\x1b[2J"):
        with pytest.raises(HistoryError, match="a name needs printable characters, at most 200") as caught:
            history.merge(rows(0, 2, "cpu", name))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400
    assert columns(path) == before
    assert history.merge(rows(0, 2, "cpu", "a" * 200)) == 2


def test_a_file_that_is_full_of_columns_still_takes_ours(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that an import had filled before there was a limit opens with the signals of a later version."""
    monkeypatch.setattr(schema, "MOST_FOREIGN", 60)
    with contextlib.closing(History.open(path, clock=clock, signals=("cpu",))) as history:
        history.merge(rows(0, 2, "cpu", *(f"column {number}" for number in range(60))))
    monkeypatch.setattr(schema, "MOST_FOREIGN", 50)
    with contextlib.closing(History.open(path, clock=clock)) as history:
        assert history.append(Sample(START + 10, 1.0, dict.fromkeys(NAMES, 0.5)))
        with pytest.raises(HistoryError, match="there is room for 50"):
            history.merge(rows(20, 2, "cpu", "one more"))
        assert len(history.forget(Span(START, START + 5))[1]) == 60
        assert history.merge(rows(20, 2, "cpu", "one more")) == 2


def test_an_import_does_not_keep_the_daemon_from_writing(
    history: History, path: Path, clock: ManualClock
) -> None:
    """A slow source is waited for without holding the file."""

    def slow() -> Iterator[Recording]:
        yield rows(0, 5, "cpu")
        assert daemon.append(Sample(START + 100, 1.0, {"cpu": 0.5}))
        yield rows(5, 5, "cpu")

    daemon = History.open(path, clock=clock)
    assert history.merge(slow()) == 10
    assert history.row_count() == 11
    daemon.close()


def test_what_was_imported_can_be_forgotten(history: History, path: Path, clock: ManualClock) -> None:
    """With the signals that hold nothing any more; what was measured outside the span stays to the digit."""
    history.merge(rows(0, 10, "cpu", "kept"))
    own = history.recording()
    history.merge(rows(100, 5_000, "cpu", "foreign", "other"))

    assert history.forget(Span(START + 100, START + 5_100)) == (5_000, ("foreign", "other"))
    assert columns(path) == ["cpu", "memory", "kept"]
    np.testing.assert_array_equal(history.recording().timestamps, own.timestamps)
    np.testing.assert_array_equal(history.recording().values, own.values)
    assert history.forget(Span(START + 100, START + 5_100)) == (0, ())


def test_a_running_daemon_stores_on_after_columns_went(
    history: History, path: Path, clock: ManualClock
) -> None:
    """It opened the file when they were there."""
    history.merge(rows(0, 10, "foreign"))
    daemon = History.open(path, clock=clock)
    assert daemon.append(Sample(START + 50, 1.0, {"cpu": 0.1}))
    history.forget(Span(START, START + 10))

    assert daemon.append(Sample(START + 60, 2.0, {"cpu": 0.2}))
    daemon.close()
    assert history.recording(signals=("cpu", "foreign")).column("cpu").tolist() == [0.1, 0.2]


def test_what_was_forgotten_is_not_salvaged(history: History, path: Path, clock: ManualClock) -> None:
    """Nor taken for other signals, when the file is damaged later and read page by page."""
    history.merge(rows(0, 1_000, "foreign", "cpu"))
    history.append(Sample(START + 5_000, 1.0, {"cpu": 0.25}))
    history.forget(Span(START, START + 1_000))
    history.close()
    with path.open("r+b") as file:
        file.write(b"\0" * 50)
    with contextlib.closing(History.open(path, clock=clock, signals=("cpu", "memory"))) as salvaged:
        assert salvaged.salvages == 1
        assert salvaged.row_count() == 1


def test_what_was_said_moves_with_the_samples(history: History, tmp_path: Path, clock: ManualClock) -> None:
    """Labels, windows, training and alerts arrive once, however often they are sent; the state stays."""
    span = Span(START, START + 60)
    history.merge(rows(0, 60, "cpu"))
    history.add_label(Label(span, "incident", "disk full"))
    history.add_maintenance(Maintenance(span, "backup"))
    history.add_training(span)
    history.keep_alert(Alert(0, "high_load", START, START + 60, judged="right"))
    history.set_state("judge", 1)
    with contextlib.closing(History.open(tmp_path / "new.db", clock=clock)) as new:
        counts = [new.merge(history.recording(), annotations_of=history) for _ in range(2)]

        assert counts == [60, 0]
        assert [label.why for label in new.labels()] == ["disk full"]
        assert [window.why for window in new.maintenance()] == ["backup"]
        assert new.training_spans() == [span]
        assert [alert.judged for alert in new.alerts()] == ["right"]
        assert new.state("judge") is None


@pytest.mark.slow
def test_a_month_moves_in_while_the_daemon_hardly_waits(history: History, path: Path) -> None:
    """A month of a row a minute, all signals: the others are kept out for well under a second of CPU time."""
    month = rows(0, 43_200, *NAMES)
    held: list[float] = []

    def parts() -> Iterator[Recording]:
        yield month
        held.append(time.process_time())

    history.merge(parts())
    assert time.process_time() - held[0] < 2.0
