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


def test_a_write_on_its_way_ends_before_the_page_is_removed(tmp_path: Path) -> None:
    """The page that it leaves is the one that goes."""
    writing, go_on = threading.Event(), threading.Event()

    def render() -> bytes:
        writing.set()
        go_on.wait(10)
        return b"x 1\n"

    page = Textfile(tmp_path, render)
    writer = threading.Thread(target=page.write)
    writer.start()
    assert writing.wait(10)
    threading.Timer(0.05, go_on.set).start()
    page.remove()
    writer.join()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_hangs_keeps_nobody_from_his_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment it is told, and the page stays."""
    monkeypatch.setattr(textfile, "PATIENCE_SECONDS", 0.05)
    writing, go_on = threading.Event(), threading.Event()

    def render() -> bytes:
        writing.set()
        go_on.wait(10)
        return b"x 1\n"

    page = Textfile(tmp_path, render)
    writer = threading.Thread(target=page.write)
    writer.start()
    assert writing.wait(10)
    with pytest.raises(TimeoutError, match=r"loadwatch\.prom has not ended"):
        page.remove()
    go_on.set()
    writer.join()
