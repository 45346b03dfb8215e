"""The screen of ``loadwatch top``: the whole terminal, drawn anew and restored at the end."""

from types import TracebackType
from typing import Final, Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from loadwatch.cli.formatting import palette_for
from loadwatch.cli.screen import StatusScreen, new_console
from loadwatch.cli.status_text import Document

MOST_FACTS: Final = 9
LEAST_SIGNALS: Final = 5
FRAME_LINES: Final = 3


class LiveScreen:
    """The whole terminal, drawn anew whenever somebody calls ``draw``; restored on exit."""

    def __init__(self) -> None:
        self._console = new_console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._size = self._console.size

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def resized(self) -> bool:
        """Whether the terminal has another size than what is drawn."""
        return self._console.size != self._size

    def draw(self, document: Document, trouble: str, back: int = 0) -> int:
        """Fill the terminal: as many signals as fit between the verdicts and the facts.

        Returns how far back, in characters of the lines of history, what is shown lies.
        """
        self._size = self._console.size
        width, height = self._size
        screen = StatusScreen(document, palette_for(self._console.encoding), width, back)
        foot = Text("q quit  h hour  6 six hours  d day  w week  left/right look back", "dim")
        foot.truncate(width, overflow="ellipsis")
        if trouble:
            foot = Text(trouble, "bold yellow", no_wrap=True, overflow="ellipsis")
        head = Group(screen.headline(), Text(), screen.verdicts(), Text()) if document["verdict"] else Text()
        headings = 1 if screen.series else 0
        free = height - len(self._console.render_lines(head)) - FRAME_LINES - headings
        most = max(0, min(MOST_FACTS, free - LEAST_SIGNALS))
        if not most:
            free += 1  # no facts, and no empty line below them
        facts = screen.trust(most)
        if document["verdict"] is None:
            parts = [screen.headline(), Text(), facts, Text(), foot]
        else:
            taken = len(self._console.render_lines(facts)) if most else 0
            below = [facts, Text()] if most else []
            parts = [head, screen.signals(max(1, free - taken)), Text(), *below, foot]
        self._live.update(Group(*parts), refresh=True)
        return screen.back
