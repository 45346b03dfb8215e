"""The history of a daemon is there at once, however damaged its file and however full the disk."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually
from manual_clock import ManualClock

from loadwatch.errors import HistoryError
from loadwatch.history import DeferredHistory, History
from loadwatch.records import Label, Sample, Span

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")


def sample(clock: ManualClock) -> Sample:
    clock.advance(1.0)
    return Sample(clock.wall(), clock.monotonic(), {"cpu": 0.5})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return filler
    finally:
        os.close(descriptor)


def test_a_damaged_file_is_mended_meanwhile(path: Path, clock: ManualClock) -> None:
    """It opens at once; samples wait in memory; then the past, what was said, and the new are in one file."""
    before = History.open(path, clock=clock)
    for _ in range(2000):
        before.append(sample(clock))
    before.add_label(Label(Span(1.0, 2.0), "high"))
    before.close()
    content = path.read_bytes()
    noise = random.Random(0).randbytes(8192)
    path.write_bytes(content[:40_960] + noise + content[49_152:])

    history = DeferredHistory.open(path, clock=clock)
    assert history.trouble or history.salvages
    for _ in range(10):
        history.append(sample(clock))
    eventually(lambda: history.salvages == 1, seconds=60, what="the file is mended")
    assert history.append(sample(clock))
    assert (history.trouble, history.unsaved, history.stores) == ("", 0, True)
    assert history.row_count() > 1900
    assert len(history.labels()) == 1
    assert history.salvage is not None
    assert history.salvage.aside.exists()
    history.close()


def test_reads_find_nothing_while_it_is_mended_and_writes_are_refused(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts on it starts as on an empty one, and is told why nothing can be kept."""
    path.write_bytes(random.Random(0).randbytes(20_000))
    monkeypatch.setattr("threading.Thread.start", lambda _: None)  # it is never done
    history = DeferredHistory.open(path, clock=clock)
    assert (history.span(), history.labels(), history.state("x", "none")) == (None, [], "none")
    assert not history.append(sample(clock))
    assert history.unsaved == 1
    with pytest.raises(HistoryError, match="is being saved"):
        history.set_state("x", 1)
    history.close()


@needs_root
@pytest.mark.parametrize("stored", [False, True], ids=["first start", "with a past"])
def test_a_full_disk_does_not_keep_it_from_opening(
    small_disk: Path, clock: ManualClock, *, stored: bool
) -> None:
    """The past can be read, samples wait, and all are stored once there is room."""
    path = small_disk / "history.db"
    if stored:
        before = History.open(path, clock=clock)
        for _ in range(50):
            before.append(sample(clock))
        before.close()
    filler = fill(small_disk)

    history = DeferredHistory.open(path, clock=clock)
    assert not history.stores
    assert history.row_count() == 50 * stored
    for _ in range(10):
        assert not history.append(sample(clock))
    with pytest.raises(HistoryError, match=r"full|free space"):
        history.set_state("x", 1)
    filler.unlink()
    assert history.append(sample(clock))
    assert (history.row_count(), history.unsaved, history.stores) == (50 * stored + 11, 0, True)
    history.set_state("x", 1)
    history.close()


@needs_root
def test_damage_on_a_full_disk_waits_for_room(small_disk: Path, clock: ManualClock) -> None:
    """Nothing is lost of what can be read of it, and it is not tried at every sample."""
    path = small_disk / "history.db"
    path.write_bytes(random.Random(0).randbytes(20_000))
    fill(small_disk)
    history = DeferredHistory.open(path, clock=clock)
    for _ in range(100):
        assert not history.append(sample(clock))
    assert history.unsaved == 100
    assert path.stat().st_size == 20_000
    history.close()
