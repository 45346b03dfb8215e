"""What a host does to a daemon that only wants to store a row: kills, full disks, locks, missing folders."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from manual_clock import ManualClock

import loadwatch
from loadwatch.errors import HistoryError, ServiceError
from loadwatch.history import History, HistoryBusyError, HistoryUnwritableError, StateLock
from loadwatch.history import history as history_module
from loadwatch.records import Label, Sample, Span

WRITER = """
import sys
from pathlib import Path
from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.records import Sample

history = History.open(Path(sys.argv[1]), clock=SystemClock())
first = history.row_count()
for number in range(first, first + 100_000):
    history.append(Sample(1e9 + number, 0.0, {"cpu": number}))
    if number % 100 == 99:
        history.set_state("last", number)
    print(number, flush=True)
"""
HOLDER = """
import sys
from pathlib import Path
from loadwatch.history import StateLock

lock = StateLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount")


@contextlib.contextmanager
def child(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is killed at the end."""
    environment = {**os.environ, "PYTHONPATH": str(Path(loadwatch.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def sample(clock: ManualClock) -> Sample:
    """The next second's sample."""
    clock.advance(1.0)
    return Sample(clock.wall(), clock.monotonic(), {"cpu": 0.5, "memory": 0.25})


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_no_acknowledged_row(path: Path) -> None:
    """SIGKILL in a loop while writing: every row whose append had returned is there, the file is whole."""
    moments = random.Random(3)
    for _ in range(12):
        with child(WRITER, path) as process:
            assert process.stdout is not None
            for _ in range(moments.randrange(1, 150)):
                acknowledged = int(process.stdout.readline())
            process.kill()
            rest = process.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        history = History.open(path, clock=ManualClock())
        stored = history.recording(signals=["cpu"]).values[:, 0].tolist()
        history.verify()
        history.close()

        assert stored == list(range(len(stored)))
        assert len(stored) > acknowledged
        assert history.salvage is None


@needs_root
def test_a_full_disk_costs_nothing_once_it_has_room_again(small_disk: Path, clock: ManualClock) -> None:
    """Samples wait in memory and are all written when space is back; nothing stored before is touched."""
    history = History.open(small_disk / "history.db", clock=clock)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(600_000))
    taken = 0
    while history.append(sample(clock)):
        taken += 1
    for _ in range(50):
        assert not history.append(sample(clock))
    waiting, failures = history.unsaved, history.failures
    with pytest.raises(HistoryUnwritableError, match="full"):
        history.set_state("a", "x" * 10_000)
    filler.unlink()

    assert (waiting, failures) == (51, 51)
    assert history.append(sample(clock))
    assert history.row_count() == taken + 52
    assert (history.unsaved, history.lost) == (0, 0)
    history.close()


def test_a_file_that_may_not_grow_is_a_full_disk_too(path: Path, clock: ManualClock) -> None:
    """A limit on the file size is met without dying of it."""
    history = History.open(path, clock=clock)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        stored = [history.append(sample(clock)) for _ in range(300)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    stored_again = history.append(sample(clock))

    assert not all(stored)
    assert stored_again
    assert history.row_count() == 301
    history.close()


def test_the_memory_for_waiting_samples_is_bounded(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are given up, and counted."""
    monkeypatch.setattr(history_module, "UNSAVED_LIMIT", 10)
    history = History.open(path, clock=clock)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(history_module.Writer, "connection", _busy)
        stored = [history.append(sample(clock)) for _ in range(14)]
        monkeypatch.undo()
    monkeypatch.setattr(history_module, "UNSAVED_LIMIT", 10)

    assert stored == [False] * 14
    assert (history.unsaved, history.lost) == (10, 4)
    assert history.append(sample(clock))
    assert (history.row_count(), history.lost) == (10, 5)
    history.close()


def _busy(writer: object) -> sqlite3.Connection:
    raise HistoryBusyError("locked")


@pytest.mark.slow
def test_a_lock_by_another_process_is_waited_out_in_memory(path: Path, clock: ManualClock) -> None:
    """The sampler waits half a second at most; the row is written when the lock is gone."""
    history = History.open(path, clock=clock)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked = history.append(sample(clock))
        with pytest.raises(HistoryBusyError, match="another process keeps it locked"):
            history.set_state("a", 1)
        other.execute("ROLLBACK")

    assert not locked
    assert history.append(sample(clock))
    assert (history.row_count(), history.failures, history.unsaved) == (2, 1, 0)
    history.close()


def test_a_command_writes_beside_the_daemon(path: Path, clock: ManualClock) -> None:
    """A label typed by an operator, in another connection, meets no lock that stays."""
    history = History.open(path, clock=clock)
    command = History.open(path, clock=clock, repair=False)
    for number in range(20):
        assert history.append(sample(clock))
        command.add_label(Label(Span(number, number + 1.0), "high"))
    command.close()

    assert (history.row_count(), len(history.labels())) == (20, 20)
    history.close()


@pytest.mark.parametrize("what", ["database", "files", "folder"])
def test_a_removed_file_is_written_anew_with_all_it_held(
    tmp_path: Path, clock: ManualClock, what: str
) -> None:
    """The open connection still holds the rows: a slip of the hand in the state directory costs none."""
    path = tmp_path / "state" / "history.db"
    path.parent.mkdir()
    history = History.open(path, clock=clock)
    for _ in range(500):
        history.append(sample(clock))
    history.set_state("a", 1)
    if what == "database":
        path.unlink()
    elif what == "files":
        for file in path.parent.iterdir():
            file.unlink()
    else:
        shutil.rmtree(path.parent)

    assert history.append(sample(clock))
    assert (history.row_count(), history.state("a"), history.failures) == (501, 1, 0)
    history.close()
    assert History.read(path).row_count() == 501


def test_a_file_put_in_place_by_hand_is_used(path: Path, clock: ManualClock) -> None:
    """An administrator restores a backup under the running daemon."""
    history = History.open(path, clock=clock)
    history.append(sample(clock))
    backup = path.with_name("backup.db")
    other = History.open(backup, clock=clock)
    other.set_state("origin", "backup")
    other.close()
    backup.replace(path)

    assert history.append(sample(clock))
    assert (history.state("origin"), history.row_count()) == ("backup", 1)
    history.close()


@needs_root
def test_a_read_only_directory_is_one_clear_line(small_disk: Path, clock: ManualClock) -> None:
    """Naming the file and what to do."""
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    with pytest.raises(HistoryUnwritableError, match=r"cannot open .*history.db: .*permissions"):
        History.open(small_disk / "history.db", clock=clock)
    with pytest.raises(ServiceError, match=r"cannot use state directory .*Read-only"):
        StateLock(small_disk).acquire()


@needs_root
def test_a_closed_history_is_read_where_nothing_may_be_written(small_disk: Path, clock: ManualClock) -> None:
    """A copy on a read-only medium can be looked at."""
    history = History.open(small_disk / "history.db", clock=clock)
    history.append(sample(clock))
    history.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    assert History.read(small_disk / "history.db").row_count() == 1


def test_a_missing_directory_is_one_clear_line(tmp_path: Path, clock: ManualClock) -> None:
    """For the history and for the lock."""
    with pytest.raises(HistoryError, match=r"cannot open .*missing"):
        History.open(tmp_path / "missing" / "history.db", clock=clock)
    with pytest.raises(ServiceError, match=r"cannot use state directory .*missing: No such file"):
        StateLock(tmp_path / "missing").acquire()


def test_a_second_daemon_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    """By its process number; a killed owner bars nobody."""
    with child(HOLDER, tmp_path) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(ServiceError, match=rf"another loadwatch .process {owner.pid}. already uses"):
            StateLock(tmp_path).acquire()
        owner.kill()
        owner.wait()
        with StateLock(tmp_path), pytest.raises(ServiceError, match=f"process {os.getpid()}"):
            StateLock(tmp_path).acquire()
        with StateLock(tmp_path):
            pass


def test_samples_that_wait_are_written_at_the_end(path: Path, clock: ManualClock) -> None:
    """Closing is the last chance; what cannot be written then is logged and counted."""
    history = History.open(path, clock=clock)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not history.append(sample(clock))
    history.close()

    assert History.read(path).row_count() == 1
