from collections.abc import Iterator
from pathlib import Path

import pytest
from manual_clock import ManualClock

from loadwatch.history import History


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when told to."""
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the history file of a test lies."""
    return tmp_path / "history.db"


@pytest.fixture
def history(path: Path, clock: ManualClock) -> Iterator[History]:
    """An empty history of two signals, open for writing."""
    history = History.open(path, clock=clock, signals=("cpu", "memory"))
    yield history
    history.close()
