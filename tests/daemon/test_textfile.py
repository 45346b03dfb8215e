"""The page for node_exporter is there while the daemon runs, and not a moment longer."""

import threading
from pathlib import Path

import pytest

from loadwatch.daemon import textfile
from loadwatch.daemon.textfile import Textfile


def test_the_page_is_that_of_now(tmp_path: Path) -> None:
    """Each write replaces the one before, and leaves nothing else in the folder."""
    pages = iter([b"first 1\n", b"second 2\n"])
    page = Textfile(tmp_path, lambda: next(pages))
    page.write()
    page.write()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"loadwatch.prom": b"second 2\n"}


def test_a_removed_page_does_not_come_back(tmp_path: Path) -> None:
    """Nor is it an error that there is none: the folder is as it was before."""
    page = Textfile(tmp_path, lambda: b"x 1\n")
    page.remove()
    page.write()
    page.remove()
    assert list(tmp_path.iterdir()) == []


class SlowWrite:
    """A write that has begun and goes on until it is let go."""

    def __init__(self, folder: Path) -> None:
        self._begun, self.let_go = threading.Event(), threading.Event()
        self.page = Textfile(folder, self._render)
        self._writer = threading.Thread(target=self.page.write)

    def _render(self) -> bytes:
        self._begun.set()
        self.let_go.wait(10)
        return b"x 1\n"

    def __enter__(self) -> "SlowWrite":
        self._writer.start()
        assert self._begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._writer.join()


def test_a_write_on_its_way_ends_before_the_page_is_removed(tmp_path: Path) -> None:
    """The page that it leaves is the one that goes."""
    with SlowWrite(tmp_path) as write:
        threading.Timer(0.05, write.let_go.set).start()
        write.page.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_hangs_keeps_nobody_from_his_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment it is told, and the page stays."""
    monkeypatch.setattr(textfile, "PATIENCE_SECONDS", 0.05)
    with SlowWrite(tmp_path) as write, pytest.raises(TimeoutError, match=r"loadwatch\.prom has not ended"):
        write.page.remove()
