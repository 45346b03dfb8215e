"""A bar for work that takes a while; on standard error, and only where somebody looks at it."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Bar:
    """One bar with what goes on, the share done, and a note such as the loss."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        note = TextColumn("{task.fields[note]}")
        self._progress = Progress(
            *columns, note, console=console, transient=True, disable=quiet or not console.is_terminal
        )
        self._task = self._progress.add_task("", total=1.0, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, stage: str, share: float, note: str = "") -> None:
        """Say what goes on and how much is done, 0 to 1."""
        self._progress.update(self._task, description=stage, completed=share, note=note)
