"""A history file that was cut, overwritten or swapped: what can be read is saved, and said."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manual_clock import ManualClock

from loadwatch.errors import HistoryError
from loadwatch.history import History, HistoryDamagedError, schema
from loadwatch.records import Alert, Label, Recording, Sample, Span
from loadwatch.signals import NAMES

ROWS = 2_000
PAGE = 4_096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Recording]:
    """A file of many pages with something in every table, and its samples."""
    path = tmp_path_factory.mktemp("whole") / "history.db"
    history = History.open(path, clock=ManualClock())
    numbers = np.random.default_rng(2).random((ROWS, len(NAMES)))
    numbers[::7, 3] = 0.0  # SQLite stores whole numbers and unknown values in other ways than fractions
    numbers[::5, 4] = 300.0
    numbers[::3, 5] = np.nan
    numbers[::11, 6] = 1e12
    numbers[::13, 7] = 70_000.0
    history.merge(Recording(1.7e9 + np.arange(ROWS), NAMES, numbers))
    history.add_label(Label(Span(1.7e9, 1.7e9 + 60), "high", "kept"))
    history.keep_alert(Alert(1, "high_load", 1.7e9, peak=0.9))
    history.set_state("budget", 2)
    recording = history.recording()
    history.close()
    return path.read_bytes(), recording


def reopened(path: Path, content: bytes) -> History:
    """The history of a file with this content."""
    path.write_bytes(content)
    return History.open(path, clock=ManualClock())


def saved_rows(history: History, original: Recording) -> int:
    """How many samples there are; each must be one of the original, unchanged."""
    saved = history.recording()
    places = np.searchsorted(original.timestamps, saved.timestamps)
    np.testing.assert_array_equal(saved.values, original.values[places])
    return len(saved)


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_file_keeps_what_lies_before_the_cut(
    path: Path, whole: tuple[bytes, Recording], seed: int
) -> None:
    """At any offset: the rows before it are there, the damaged file is aside unchanged, sampling goes on."""
    content, original = whole
    cut = content[: random.Random(seed).randrange(200, len(content) - PAGE)]
    history = reopened(path, cut)
    report = history.salvage

    assert report is not None
    assert report.aside.name == "history-damaged-20231114T221320Z.db"
    assert report.aside.read_bytes() == cut
    # A page of samples holds about 15 rows; a share of the pages is index.
    assert saved_rows(history, original) >= 0.9 * ROWS * len(cut) / len(content) - 150
    assert history.append(Sample(2e9, 1.0, {"cpu": 0.5}))
    assert history.row_count() == report.rows["samples"] + 1
    history.close()


@pytest.mark.parametrize("seed", range(8))
def test_noise_costs_only_the_rows_under_it(path: Path, whole: tuple[bytes, Recording], seed: int) -> None:
    """Wherever ten pages are overwritten, at most the rows of these ten are gone."""
    content, original = whole
    noise = random.Random(seed)
    start = noise.randrange(1, len(content) // PAGE - 10) * PAGE
    history = reopened(path, content[:start] + noise.randbytes(10 * PAGE) + content[start + 10 * PAGE :])

    assert history.salvage is not None
    assert saved_rows(history, original) >= ROWS - 11 * 20
    history.close()


def test_without_its_first_page_every_sample_is_found(path: Path, whole: tuple[bytes, Recording]) -> None:
    """SQLite no longer knows the file as a database; the pages are searched without it."""
    content, original = whole
    history = reopened(path, random.Random(0).randbytes(PAGE) + content[PAGE:])

    assert saved_rows(history, original) == ROWS
    history.close()


@pytest.mark.parametrize("damage", ["first page", "second half", "everything"])
def test_rows_in_the_log_outlive_the_file(path: Path, clock: ManualClock, damage: str) -> None:
    """The newest samples lie in the write-ahead log until a checkpoint; a killed daemon leaves it behind."""
    running = path.with_name("running.db")
    history = History.open(running, clock=clock)
    for _ in range(300):
        clock.advance(1.0)
        history.append(Sample(clock.wall(), clock.monotonic(), dict.fromkeys(NAMES, 0.5)))
    content = running.read_bytes()
    path.with_name("history.db-wal").write_bytes(running.with_name("running.db-wal").read_bytes())
    history.close()
    noise = random.Random(1).randbytes(len(content))
    damaged = {
        "first page": noise[:PAGE] + content[PAGE:],
        "second half": content[: len(content) // 2],
        "everything": noise,
    }
    mended = reopened(path, damaged[damage])

    assert mended.row_count() == 300
    mended.close()


def test_damage_met_by_an_annotation_is_mended_for_the_next_try(
    path: Path, whole: tuple[bytes, Recording]
) -> None:
    """The owner is told once; samples, which may not touch that page, are not what must find it."""
    content, _ = whole
    history = reopened(path, content)
    (root,) = (
        sqlite3.connect(path).execute("SELECT rootpage FROM sqlite_schema WHERE name = 'labels'").fetchone()
    )
    damaged = bytearray(path.read_bytes())
    damaged[(root - 1) * PAGE : root * PAGE] = bytes(PAGE)
    path.write_bytes(damaged)

    with pytest.raises(HistoryError, match="was damaged and is mended"):
        history.add_label(Label(Span(1.0, 2.0), "high"))
    assert history.add_label(Label(Span(1.0, 2.0), "high")) > 0
    assert history.row_count() == ROWS
    history.close()


def test_damage_to_the_samples_leaves_the_rest_alone(path: Path, whole: tuple[bytes, Recording]) -> None:
    """Labels, alerts and state come along."""
    content, _ = whole
    middle = len(content) // 2
    history = reopened(path, content[:middle] + bytes(PAGE) + content[middle + PAGE :])

    assert history.salvage is not None
    assert [label.why for label in history.labels()] == ["kept"]
    assert len(history.alerts()) == 1
    assert history.state("budget") == 2
    history.close()


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=64)), max_size=6))
def test_any_damage_ends_in_a_working_history_or_a_clear_error(
    tmp_path: Path, whole: tuple[bytes, Recording], flips: list[tuple[float, bytes]]
) -> None:
    """Never a traceback of SQLite, never a hang, never a value that is no number."""
    content = bytearray(whole[0])
    for place, noise in flips:
        start = int(place * len(content))
        content[start : start + len(noise)] = noise[: len(content) - start]
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
    try:
        history = reopened(path, bytes(content))
    except HistoryError:
        return
    try:
        assert not np.isinf(history.recording().values).any()
        assert history.append(Sample(2e9, 1.0, {"cpu": 0.5}))
    except HistoryDamagedError:
        history.verify()  # what a sample did not touch may be found later: the owner mends it then too
        assert history.append(Sample(2e9, 1.0, {"cpu": 0.5}))
    history.close()


@pytest.mark.parametrize("content", [b"", b"x", b"no database\n" * 1_000, bytes(5 * PAGE)])
def test_a_file_of_something_else_is_set_aside(path: Path, content: bytes) -> None:
    """An empty file, or a few bytes, is simply a new history."""
    history = reopened(path, content)

    assert (history.salvage is None) == (len(content) < 512)
    assert history.append(Sample(2e9, 1.0, {"cpu": 0.5}))
    history.close()


def test_damage_at_run_time_is_mended_on_the_spot(path: Path, whole: tuple[bytes, Recording]) -> None:
    """The daily check finds what no sample touches; two damages of one day get two names."""
    content, original = whole
    history = reopened(path, content)
    for _ in range(2):
        damaged = bytearray(path.read_bytes())
        damaged[30 * PAGE : 31 * PAGE] = bytes(PAGE)
        path.write_bytes(damaged)
        history.verify()

    assert len(list(path.parent.glob("history-damaged-*.db"))) == history.salvages == 2
    assert saved_rows(history, original) >= ROWS - 2 * 20
    history.close()


def test_damage_is_an_error_for_everyone_but_the_owner(path: Path, whole: tuple[bytes, Recording]) -> None:
    """A command must not move the file of a running daemon."""
    path.write_bytes(whole[0][: 20 * PAGE])

    for attempt in (
        lambda: History.open(path, clock=ManualClock(), repair=False),
        lambda: History.read(path),
        lambda: History.read(path).recording(),
    ):
        with pytest.raises(HistoryDamagedError, match="the file is damaged"):
            attempt()
    assert path.read_bytes() == whole[0][: 20 * PAGE]


def _newer(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")


def _foreign(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE samples (timestamp REAL)")


@pytest.mark.parametrize(
    ("write", "message"), [(_newer, "a newer loadwatch wrote it"), (_foreign, "database of another program")]
)
def test_what_is_not_ours_is_refused_untouched(
    path: Path, write: Callable[[sqlite3.Connection], None], message: str
) -> None:
    """A newer history and another program's database are not damage."""
    connection = sqlite3.connect(path)
    write(connection)
    connection.commit()
    connection.close()
    before = path.read_bytes()

    for attempt in (lambda: History.open(path, clock=ManualClock()), lambda: History.read(path)):
        with pytest.raises(HistoryError, match=message):
            attempt()
    assert path.read_bytes() == before


def test_an_old_file_is_migrated_with_all_it_holds(
    path: Path, whole: tuple[bytes, Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each missing migration runs once, in order."""
    content, original = whole

    def add_table(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE new (value)")

    def use_table(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO new VALUES (1)")

    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, add_table, use_table])
    reopened(path, content).close()
    history = History.open(path, clock=ManualClock())

    assert saved_rows(history, original) == ROWS
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    assert connection.execute("SELECT * FROM new").fetchall() == [(1,)]
    connection.close()
    history.close()


def test_a_migration_that_fails_changes_nothing(
    path: Path, whole: tuple[bytes, Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older loadwatch can still open the file."""

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE labels")
        connection.execute("SELECT nonsense")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, fail])
        with pytest.raises(HistoryError, match="nonsense"):
            reopened(path, whole[0])
    history = History.open(path, clock=ManualClock())

    assert [label.why for label in history.labels()] == ["kept"]
    history.close()
