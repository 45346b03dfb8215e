"""The status document as one screen: verdicts, what drives them, and how far to trust that.

Needs rich, so it is imported when something is to be shown, and never by the daemon.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadwatch.cli.formatting import Palette, palette_for, show_age, show_horizon, show_share, show_value
from loadwatch.cli.status_text import Document, facts
from loadwatch.signals import NAMES

STYLES: Final = {
    "fine": "green",
    "expected": "yellow",
    "high_load": "red",
    "anomaly": "magenta",
    "filling": "yellow",
    "maintenance": "blue",
    "stale": "yellow",
    "unknown": "default",
}
MARKS: Final = {"fine": "●", "maintenance": "●", "unknown": "○", "stale": "○"}
ALWAYS_SHOWN: Final = ("cpu", "memory", "disk", "network")
SIGNALS_SHOWN: Final = 8
FIXED_WIDTH: Final = 64
"""Of title, name, value and reason with the space between them; bars and lines of history share the rest."""
NARROW: Final = 76
WIDE: Final = 110
LONGEST_NAME: Final = max(map(len, NAMES))
LEAST_CONTRIBUTION: Final = 0.005
LEAST_LINE: Final = 8
LEAST_SLOTS: Final = 30


def new_console(*, plain: bool = False) -> Console:
    """Standard output as rich sees it: colours on a terminal only, and none where NO_COLOR is set."""
    return Console(highlight=False, soft_wrap=False, no_color=True if plain else None)


def show_status(document: Document, console: Console) -> None:
    """Print one screen; into a pipe without the spaces that fill up lines."""
    screen = StatusScreen(document, palette_for(console.encoding), console.width).whole()
    if console.is_terminal:
        console.print(screen)
        return
    with console.capture() as captured:
        console.print(screen)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


class StatusScreen:
    """The parts of the screen for one document; ``top`` puts lines of history into them."""

    def __init__(self, document: Document, ink: Palette, width: int) -> None:
        self.document = document
        self.ink = ink
        self.series: Document = since_the_first(document.get("series") or {})
        self.name_width = LONGEST_NAME if width >= WIDE else 17
        fixed = FIXED_WIDTH + self.name_width - 17
        # Where there is little room, the whole reason tells more than a bar beside its own figure.
        self.reason_width, least = (17, 4) if width >= NARROW else (13, 1)
        self.bar_width = max(least, min(10 if self.series else 32, width - fixed))
        self.line_width = max(0, width - fixed - self.bar_width - 2) if self.series else 0

    def whole(self) -> RenderableType:
        """Everything, from the verdict to its trustworthiness."""
        if self.document["verdict"] is None:
            return Group(self.headline(), Text(), self.trust())
        return Group(self.headline(), Text(), self.verdicts(), Text(), self.signals(), Text(), self.trust())

    def headline(self) -> RenderableType:
        """The host, the verdict in words, and how old it is."""
        document = self.document
        state = str(document["state"])
        style = STYLES.get(state, "default")
        mark = MARKS.get(state, "▲") if self.ink.rest == "─" else "*"
        line = Table.grid(expand=True)
        line.add_column(ratio=1)
        line.add_column(justify="right", no_wrap=True)
        words = Text.assemble(
            (f"{mark} ", style), (document["host"], "bold"), "  " if document["host"] else ""
        )
        words.append(document["headline"], f"bold {style}")
        verdict = document["verdict"]
        line.add_row(
            words, Text("" if verdict is None else f"sampled {show_age(verdict['age_seconds'])} ago", "dim")
        )
        detail = Padding(Text(document["detail"]), (0, 0, 0, 2))
        return Group(line, detail) if document["detail"] else line

    def verdicts(self) -> RenderableType:
        """A line for each horizon, and one for the anomaly."""
        table = self._table()
        verdict = self.document["verdict"]
        curves = self.series.get("probabilities", {})
        for place, each in enumerate(verdict["high_load"]):
            horizon = each["horizon_seconds"]
            when = show_horizon(horizon)
            title = "high load" if place == 0 else ""
            history = self._line(curves.get(str(horizon), ()), 1.0, "red")
            table.add_row(title, when, *self._share(each["probability"], each["flag"]), *history)
        if not verdict["high_load"]:
            table.add_row("high load", "now", *self._share(None, None))
        anomaly = verdict["anomaly"]
        history = self._line(self.series.get("anomaly", ()), 1.0, "magenta")
        table.add_row("anomaly", "score", *self._share(anomaly["score"], anomaly["flag"]), *history)
        return table

    def signals(self, count: int = SIGNALS_SHOWN) -> RenderableType:
        """The signals that matter now: first what moved a verdict, then the busiest of the others."""
        table = self._table()
        moved = _moved(self.document)
        curves = self.series.get("signals", {})
        for place, signal in enumerate(_ranked(self.document["signals"], moved)[:count]):
            name, value, unit = signal["name"], signal["value"], signal["unit"]
            bar = self._bar(value, "red" if (value or 0.0) >= 0.9 else "cyan") if unit == "ratio" else Text()
            history = self._line(curves.get(name, ()), 1.0 if unit == "ratio" else None, "cyan")
            title = "signals" if place == 0 else ""
            table.add_row(title, name, bar, show_value(value, unit), moved.get(name, Text()), *history)
        return table

    def trust(self, most: int | None = None) -> RenderableType:
        """Model, training, alerts and history: what the verdict rests on; at most so many lines, if said."""
        live = most is not None
        # Only a table that fills the line marks where it cuts; in a pipe it would fill it with spaces.
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=live)
        table.add_column(style="dim", no_wrap=True, min_width=9)
        table.add_column(overflow="ellipsis" if live else "fold", no_wrap=live, ratio=1 if live else None)
        for fact in islice(facts(self.document), most):
            table.add_row(fact.title, Text(fact.text, "red" if fact.urgent else "default"))
        return table

    def _table(self) -> Table:
        """Title, name, bar, value, reason, history: the same columns for verdicts and signals."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True, width=9)
        table.add_column(no_wrap=True, width=self.name_width)
        table.add_column(no_wrap=True, width=self.bar_width)
        table.add_column(justify="right", no_wrap=True, width=11)
        table.add_column(no_wrap=True, width=self.reason_width)
        if self.line_width >= LEAST_LINE:
            table.add_column(no_wrap=True, width=self.line_width)
        return table

    def _share(self, share: float | None, flag: bool | None) -> tuple[Text, Text, Text]:
        if share is None:
            return Text(), Text("unknown", "dim"), Text()
        style = "red" if flag else "green"
        shown = Text(show_share(share), "bold red" if flag else "default")
        return self._bar(share, style), shown, Text("flagged" if flag else "", "bold red")

    def _bar(self, share: float | None, style: str) -> Text:
        filled, rest = self.ink.bar(share, self.bar_width)
        return Text.assemble((filled, style), (rest, "dim"))

    def _line(self, values: Any, top: float | None, style: str) -> Iterator[Text]:
        if self.line_width >= LEAST_LINE:
            yield Text(self.ink.line(values, self.line_width, top), style)


def since_the_first(series: Document) -> Document:
    """Without the empty time before the first sample, so that a young daemon's lines can be seen."""
    groups = ("probabilities", "signals")
    curves = [values for group in groups for values in series.get(group, {}).values()]
    begins = [
        next((place for place, value in enumerate(values) if value is not None), None) for values in curves
    ]
    begin = min((place for place in begins if place is not None), default=0)
    skipped = max(0, min(begin, max(map(len, curves), default=0) - LEAST_SLOTS))
    cut = {
        group: {name: values[skipped:] for name, values in series.get(group, {}).items()} for group in groups
    }
    return {**series, **cut, "anomaly": series.get("anomaly", ())[skipped:]} if skipped else series


def _moved(document: Document) -> dict[str, Text]:
    """Which verdict each signal moved most, and how much, strongest first."""
    parts = [
        (part["signal"], part["value"], "load" if verdict == "high_load" else verdict)
        for verdict, parts in document["verdict"]["contributions"].items()
        for part in parts
        if abs(part["value"]) >= LEAST_CONTRIBUTION
    ]
    moved: dict[str, Text] = {}
    for signal, value, verdict in sorted(parts, key=lambda part: -abs(part[1])):
        moved.setdefault(signal, Text(f"{verdict} {value:+.2f}", "red" if value > 0 else "green"))
    return moved


def _ranked(signals: list[dict[str, Any]], moved: Mapping[str, Text]) -> list[dict[str, Any]]:
    """First what moved a verdict, then shares of something limited, the fullest first, then the rest."""
    place = {name: position for position, name in enumerate(moved)}

    def key(signal: dict[str, Any]) -> tuple[int, bool, float]:
        share = signal["value"] if signal["unit"] == "ratio" else None
        telling = signal["name"] in ALWAYS_SHOWN or (share or 0.0) >= 0.0005
        return place.get(signal["name"], len(place)), not telling, -(share or 0.0)

    return sorted(signals, key=key)
