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

from loadwatch.cli.formatting import (
    Palette,
    highest_of,
    palette_for,
    show_age,
    show_horizon,
    show_share,
    show_value,
)
from loadwatch.cli.status_text import Document, facts, show_clock
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
"""Of title, name, value and reason with the space between them; the bars have the rest."""
TITLE_WIDTH: Final = 11
HIGHEST_WIDTH: Final = 12
"""Of the highest value beside a line of history, with the space before it."""
NARROW: Final = 76
WIDE: Final = 110
LONGEST_NAME: Final = max(map(len, NAMES))
LEAST_CONTRIBUTION: Final = 0.005
LEAST_LINE: Final = 8
LEAST_SLOTS: Final = 30
SPANS: Final = {
    "hour": "last hour",
    "six_hours": "last six hours",
    "day": "last day",
    "week": "last week",
}


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
    """The parts of the screen for one document.

    Where it has curves, there are lines of history: then a line of headings takes the place of the titles at
    the left, and bars are shown where there is room for both. ``back`` is how many characters before the end
    of the lines the values shown are from; 0 shows those of the last sample.
    """

    def __init__(self, document: Document, ink: Palette, width: int, back: int = 0) -> None:
        self.document = document
        self.ink = ink
        self.series: Document = since_the_first(document.get("series") or {})
        self.name_width = LONGEST_NAME if width >= WIDE else 17
        fixed = FIXED_WIDTH + self.name_width - 17
        # Where there is little room, the whole reason tells more than a bar beside its own figure.
        self.reason_width, least = (17, 4) if width >= NARROW and not self.series else (13, 1)
        self.bar_width = max(least, min(32, width - fixed))
        self.line_width, self.tells_highest = 0, False
        if self.series:
            self.bar_width = 10 if width >= WIDE else 0
            fixed += self.bar_width - TITLE_WIDTH - (0 if self.bar_width else 2)
            fixed += self.reason_width - 17
            self.tells_highest = width - fixed - HIGHEST_WIDTH >= LEAST_LINE
            self.line_width = max(0, width - fixed - (HIGHEST_WIDTH if self.tells_highest else 0))
        self.back = min(back, max(0, self.line_width - 1))

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
        table = self._table("high load")
        verdict = self.document["verdict"]
        curves = self.series.get("probabilities", {})
        for place, each in enumerate(verdict["high_load"]):
            horizon = each["horizon_seconds"]
            title = "high load" if place == 0 else ""
            curve = curves.get(str(horizon), ())
            cells = self._share(each["probability"], each["flag"], curve)
            self._add(table, title, show_horizon(horizon), *cells, *self._line(curve, "ratio", "red"))
        if not verdict["high_load"]:
            self._add(table, "high load", "now", *self._share(None, None, ()))
        anomaly, curve = verdict["anomaly"], self.series.get("anomaly", ())
        cells = self._share(anomaly["score"], anomaly["flag"], curve)
        name = "anomaly score" if self.series else "score"
        self._add(table, "anomaly", name, *cells, *self._line(curve, "ratio", "magenta"))
        return table

    def signals(self, count: int = SIGNALS_SHOWN) -> RenderableType:
        """The signals that matter now: first what moved a verdict, then the busiest of the others."""
        table = self._table("signals")
        moved = _moved(self.document)
        curves = self.series.get("signals", {})
        for place, signal in enumerate(_ranked(self.document["signals"], moved)[:count]):
            name, unit = signal["name"], signal["unit"]
            value = self._at(signal["value"], curves.get(name, ()))
            bar = self._bar(value, "red" if (value or 0.0) >= 0.9 else "cyan") if unit == "ratio" else Text()
            history = self._line(curves.get(name, ()), unit, "cyan")
            title = "signals" if place == 0 else ""
            self._add(table, title, name, bar, show_value(value, unit), moved.get(name, Text()), *history)
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

    def _table(self, title: str) -> Table:
        """Title, name, bar, value, reason, history: the same columns for verdicts and signals."""
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        if not self.series:
            table.add_column(style="dim", no_wrap=True, width=9)
        table.add_column(no_wrap=True, width=self.name_width)
        if self.bar_width:
            table.add_column(no_wrap=True, width=self.bar_width)
        table.add_column(justify="right", no_wrap=True, width=11)
        table.add_column(no_wrap=True, width=self.reason_width)
        if self.line_width >= LEAST_LINE:
            table.add_column(no_wrap=True, width=self.line_width)
        if self.tells_highest:
            table.add_column(justify="right", no_wrap=True, width=HIGHEST_WIDTH - 2)
        if self.series:
            when = Text(self._moment() if self.back else "now", "bold" if self.back else "dim")
            span = Text(SPANS.get(self.series["span"], ""), "dim")
            why = Text("why, log odds" if title == "signals" else "", "dim")
            self._add(table, "", Text(title, "dim"), Text(), when, why, span, Text("highest", "dim"))
        return table

    def _add(self, table: Table, title: str, name: RenderableType, bar: Text, *cells: RenderableType) -> None:
        """A row, without what there are no columns for."""
        begin = [name] if self.series else [title, name]
        row = [*begin, *([bar] if self.bar_width else []), *cells]
        table.add_row(*row[: len(table.columns)])

    def _share(self, share: float | None, flag: bool | None, curve: Any) -> tuple[Text, Text, Text]:
        share = self._at(share, curve)
        flag = flag and not self.back
        if share is None:
            return Text(), Text("unknown", "dim"), Text()
        style = "red" if flag else "green"
        shown = Text(show_share(share), "bold red" if flag else "default")
        return self._bar(share, style), shown, Text("flagged" if flag else "", "bold red")

    def _at(self, now: float | None, curve: Any) -> float | None:
        """The value of the moment that is looked back to, the highest of those its character stands for."""
        return highest_of(curve, self.line_width)[-1 - self.back] if self.back else now

    def _moment(self) -> str:
        """When that was."""
        slots = len(next(iter(self.series["signals"].values()), ()))
        end = self.series["start_timestamp"] + slots * self.series["resolution_seconds"]
        ago = self.back * max(1.0, slots / self.line_width) * self.series["resolution_seconds"]
        return show_clock(end - ago)

    def _bar(self, share: float | None, style: str) -> Text:
        filled, rest = self.ink.bar(share, self.bar_width)
        return Text.assemble((filled, style), (rest, "dim"))

    def _line(self, values: Any, unit: str, style: str) -> Iterator[Text]:
        """The line of history and the highest value in it; a full character is 100 %, or else that value."""
        if self.line_width < LEAST_LINE:
            return
        line = Text(self.ink.line(values, self.line_width, 1.0 if unit == "ratio" else None), style)
        if self.back:
            line.stylize("reverse", self.line_width - 1 - self.back, self.line_width - self.back)
        yield line
        if self.tells_highest:
            known = [value for value in values if value is not None]
            yield Text(show_value(max(known), unit) if known else "", "dim")


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
    if not skipped:
        return series
    start = series["start_timestamp"] + skipped * series["resolution_seconds"]
    return {**series, **cut, "start_timestamp": start, "anomaly": series.get("anomaly", ())[skipped:]}


def _moved(document: Document) -> dict[str, Text]:
    """Which verdict each signal moved most, and how much, strongest first.

    Towards high load in log odds; towards an anomaly as part of the score.
    """
    parts = [
        (part["signal"], part["value"], "load" if verdict == "high_load" else verdict)
        for verdict, parts in document["verdict"]["contributions"].items()
        for part in parts
        if abs(part["value"]) >= LEAST_CONTRIBUTION
    ]
    moved: dict[str, Text] = {}
    for signal, value, verdict in sorted(parts, key=lambda part: -abs(part[1])):
        amount = show_share(value) if verdict == "anomaly" else f"{value:+.2f}"
        moved.setdefault(signal, Text(f"{verdict} {amount}", "red" if value > 0 else "green"))
    return moved


def _ranked(signals: list[dict[str, Any]], moved: Mapping[str, Text]) -> list[dict[str, Any]]:
    """First what moved a verdict, then shares of something limited, the fullest first, then the rest."""
    place = {name: position for position, name in enumerate(moved)}

    def key(signal: dict[str, Any]) -> tuple[int, bool, float]:
        share = signal["value"] if signal["unit"] == "ratio" else None
        telling = signal["name"] in ALWAYS_SHOWN or (share or 0.0) >= 0.0005
        return place.get(signal["name"], len(place)), not telling, -(share or 0.0)

    return sorted(signals, key=key)
