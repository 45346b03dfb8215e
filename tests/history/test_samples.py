import contextlib
import math
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manual_clock import ManualClock

from loadwatch.errors import HistoryError
from loadwatch.history import History, database
from loadwatch.records import Recording, Sample, Span

DAY = 86_400.0


def fill(history: History, clock: ManualClock, count: int, *, interval: float = 1.0) -> list[float]:
    """Append samples whose cpu is their number; returns their timestamps."""
    timestamps = []
    for number in range(count):
        clock.advance(interval)
        timestamps.append(clock.wall())
        assert history.append(Sample(clock.wall(), clock.monotonic(), {"cpu": number, "memory": 0.5}))
    return timestamps


def test_the_row_count_for_a_page_is_kept_up_to_date(history: History, clock: ManualClock) -> None:
    """Rows that come are counted at once, rows that were removed after the retention has run."""
    assert history.current_row_count() == 0
    fill(history, clock, 3)
    assert history.current_row_count() == 3
    fill(history, clock, 2)
    assert history.current_row_count() == 5
    history.prune(1.5)
    fill(history, clock, 1)
    assert history.current_row_count() == history.row_count() == 3


def test_asking_often_does_not_read_the_whole_history(history: History, clock: ManualClock) -> None:
    """Span and row count of a month are a few steps in the index: they are asked every ten seconds."""
    times = clock.wall() - 1e5 + np.arange(100_000.0)
    history.merge(Recording(times, ("cpu",), np.zeros((len(times), 1))))
    history.current_row_count()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with pytest.MonkeyPatch.context() as patch:
        connect = database.connect_reader

        def counted(path: Path) -> sqlite3.Connection:
            connection = connect(path)
            connection.set_progress_handler(count, 100)
            return connection

        patch.setattr(database, "connect_reader", counted)
        assert history.span() == Span(times[0], times[-1])
        assert history.current_row_count() == len(times)
    assert steps < 10


def test_what_is_appended_is_read_back(history: History, clock: ManualClock) -> None:
    """Every value to the last digit; absent, unknown and impossible ones come back as NaN."""
    for values in ({"cpu": 1 / 3, "memory": math.nan}, {"memory": math.inf}, {"cpu": 0.0, "memory": 1e-300}):
        clock.advance(1.0)
        history.append(Sample(clock.wall(), clock.monotonic(), values))
    recording = history.recording()

    assert recording.signals == ("cpu", "memory")
    np.testing.assert_array_equal(recording.values, [[1 / 3, math.nan], [math.nan] * 2, [0.0, 1e-300]])
    np.testing.assert_array_equal(recording.timestamps, clock.wall() + np.array([-2.0, -1.0, 0.0]))


def test_a_part_is_read_by_time_and_by_signal(history: History, clock: ManualClock) -> None:
    """From the start, up to but not including the end; a signal never stored is all NaN."""
    times = fill(history, clock, 10)
    part = history.recording(times[2], times[5], signals=("other", "cpu"))

    np.testing.assert_array_equal(part.timestamps, times[2:5])
    np.testing.assert_array_equal(part.column("cpu"), [2.0, 3.0, 4.0])
    assert np.isnan(part.column("other")).all()


def test_a_step_is_the_mean_of_what_was_measured_stamped_when_it_is_known(
    history: History, clock: ManualClock
) -> None:
    """Each row is stamped with the end of its step; steps without rows are left out."""
    clock.set_wall(1_700_000_039.0)
    times = fill(history, clock, 30)
    clock.advance(300.0)
    fill(history, clock, 1)
    steps = history.recording(step=10.0)

    assert times[0] == 1_700_000_040.0
    np.testing.assert_array_equal(
        steps.timestamps, [1_700_000_050.0, 1_700_000_060.0, 1_700_000_070.0, 1_700_000_380.0]
    )
    np.testing.assert_array_equal(steps.column("cpu"), [4.5, 14.5, 24.5, 0.0])
    np.testing.assert_array_equal(steps.column("memory"), [0.5] * 4)


def test_an_empty_history_is_an_empty_recording(history: History) -> None:
    """Nothing stored yet is an answer, not an error."""
    assert (len(history.recording()), len(history.recording(step=60.0))) == (0, 0)
    assert (history.span(), history.row_count(), history.gaps(1.0)) == (None, 0, [])


def test_a_new_signal_gets_a_column(history: History, clock: ManualClock) -> None:
    """Rows from before have it unknown; names may hold any printable character."""
    fill(history, clock, 2)
    clock.advance(1.0)
    history.append(Sample(clock.wall(), clock.monotonic(), {"cpu": 1.0, 'odd "name"; --': 5.0}))

    np.testing.assert_array_equal(
        history.recording(signals=['odd "name"; --']).values, [[math.nan], [math.nan], [5.0]]
    )


@pytest.mark.parametrize("name", ["CPU", "timestamp", "", " ", "a\nb"])
def test_a_signal_that_cannot_be_a_column_is_refused(history: History, name: str) -> None:
    """Two names that differ only in case would fall into one column."""
    recording = Recording(np.array([1.0]), (name,), np.array([[1.0]]))

    with pytest.raises(HistoryError, match="cannot store signal"):
        history.merge(recording)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(jumps=st.lists(st.sampled_from([0.0, 1.0, -1.0, -DAY, DAY, 0.25]), min_size=1, max_size=40))
def test_a_wall_clock_set_back_loses_no_row(tmp_path: Path, jumps: list[float]) -> None:
    """A row of a moment that is taken moves on by milliseconds; times stay strictly increasing."""
    clock = ManualClock()
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
    history = History.open(path, clock=clock, signals=("cpu",))
    for jump in jumps:
        clock.set_wall(clock.wall() + jump)
        assert history.append(Sample(clock.wall(), clock.monotonic(), {"cpu": 1.0}))
    recording = history.recording()
    history.close()

    assert len(recording) == len(jumps)
    assert (np.diff(recording.timestamps) > 0).all()


def test_a_clock_that_stands_still_costs_no_more_with_time(history: History, clock: ManualClock) -> None:
    """Every sample still gets its row, within milliseconds of its time."""
    for _ in range(2_000):
        history.append(Sample(clock.wall(), clock.monotonic(), {"cpu": 1.0}))
    span = history.span()

    assert span is not None
    assert history.row_count() == 2_000
    assert span.end - span.start == pytest.approx(1.999, abs=1e-3)


def test_gaps_are_where_rows_are_too_far_apart(history: History, clock: ManualClock) -> None:
    """From the last row before the gap to the first one after it."""
    first = fill(history, clock, 3)
    clock.advance(60.0)
    second = fill(history, clock, 3)

    assert history.gaps(5.0) == [Span(first[-1], second[0])]
    assert history.span() == Span(first[0], second[-1])
    assert history.row_count(first[1], second[1]) == 3


def test_merging_adds_what_is_not_there(history: History, clock: ManualClock) -> None:
    """Rows that exist win, so that an import can be repeated or resumed."""
    times = fill(history, clock, 2)
    imported = Recording(
        np.array([times[0] - 1, times[0], times[1] + 1]),
        ("cpu", "load_1"),
        np.array([[7.0, 1], [8, 2], [9, 3]]),
    )

    assert (history.merge(imported), history.merge(imported)) == (2, 0)
    np.testing.assert_array_equal(history.recording().column("cpu"), [7.0, 0.0, 1.0, 9.0])
    np.testing.assert_array_equal(history.recording().column("load_1"), [1.0, math.nan, math.nan, 3.0])


@pytest.mark.slow
def test_retention_removes_the_old_and_shrinks_the_file(
    history: History, clock: ManualClock, path: Path
) -> None:
    """What is kept is whole; the disk gets its space back."""
    fill(history, clock, 20_000)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.stat().st_size
    removed = history.prune(1_000.0)
    history.close()

    assert removed == 19_000 - 1
    assert History.read(path).row_count() == 1_001
    assert path.stat().st_size < before / 5


def test_a_clock_set_a_year_ahead_does_not_cost_the_history(history: History, clock: ManualClock) -> None:
    """It is believed when it has stood for a day; set back in time, nothing is lost."""
    fill(history, clock, 10)
    clock.set_wall(clock.wall() + 365 * DAY)
    jumped = history.prune(7 * DAY)
    clock.advance(DAY / 2)
    after_half_a_day = history.prune(7 * DAY)
    clock.advance(DAY)

    assert (jumped, after_half_a_day, history.prune(7 * DAY)) == (0, 0, 10)


def test_readers_work_while_the_daemon_writes(history: History, clock: ManualClock, path: Path) -> None:
    """Threads read whole recordings while samples are appended; neither waits for nor breaks the other."""
    fill(history, clock, 100)
    counts: list[int] = []
    done = threading.Event()

    def look() -> None:
        reader = History.read(path)
        while not done.is_set():
            counts.append(len(reader.recording()))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    fill(history, clock, 500)
    done.set()
    for thread in threads:
        thread.join()

    assert counts
    assert min(counts) >= 100
    assert history.row_count() == 600
    assert history.failures == 0


def test_reading_what_is_not_there_says_so(tmp_path: Path) -> None:
    """A command that runs before the daemon ever did gets a clear line, and makes no file."""
    with pytest.raises(HistoryError, match="no history there; has the daemon run yet"):
        History.read(tmp_path / "history.db")
    assert list(tmp_path.iterdir()) == []


def test_a_history_opened_for_reading_is_not_written(history: History, path: Path) -> None:
    """The mistake is named, not passed to the disk."""
    with pytest.raises(HistoryError, match="opened for reading"):
        History.read(path).set_state("a", 1)
