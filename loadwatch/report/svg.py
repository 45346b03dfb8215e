"""Drawings of the report as SVG text: curves over time, a reliability curve, a loss curve."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from html import escape
from typing import Final

import numpy as np

from loadwatch.records import Floats, Span

WIDTH: Final = 960
POINTS: Final = 640
"""Columns of a curve: more than a screen can tell apart makes the file heavy and the line no finer."""


class Chart:
    """A drawing area with axes; values are given in units of the data."""

    def __init__(self, title: str, x: Span, y: Span, *, width: int = WIDTH, height: int = 180) -> None:
        self.title, self.x, self.y = title, x, y
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = 48, 8, 8, 24
        self._parts: list[str] = []

    def across(self, value: float) -> float:
        """Where a value of x lies."""
        share = (value - self.x.start) / max(self.x.end - self.x.start, 1e-12)
        return self.left + min(max(share, 0.0), 1.0) * (self.width - self.left - self.right)

    def down(self, value: float) -> float:
        """Where a value of y lies."""
        share = (value - self.y.start) / max(self.y.end - self.y.start, 1e-12)
        return self.height - self.bottom - min(max(share, 0.0), 1.0) * (self.height - self.top - self.bottom)

    def bands(self, spans: Iterable[Span], kind: str, what: str) -> None:
        """Shade spans of x from top to bottom; at least a hair wide, or a short one would not be seen."""
        for span in spans:
            start, end = self.across(span.start), self.across(span.end)
            self._parts.append(
                f'<rect class="{kind}" x="{start:.1f}" y="{self.top}" width="{max(end - start, 1.5):.1f}" '
                f'height="{self.height - self.top - self.bottom}"><title>{escape(what)}</title></rect>'
            )

    def curve(self, x: Floats, y: Floats, kind: str) -> None:
        """A line through the points, interrupted where y is unknown."""
        path, pen = [], "M"
        for place, value in zip(x.tolist(), y.tolist(), strict=True):
            if not np.isfinite(value):
                pen = "M"
                continue
            path.append(f"{pen}{self.across(place):.1f} {self.down(value):.1f}")
            pen = "L"
        self._parts.append(f'<path class="curve {kind}" d="{"".join(path)}"/>')

    def dots(self, points: Iterable[tuple[float, float, str]], kind: str) -> None:
        """Marks with a text that appears under the pointer."""
        self._parts += [
            f'<circle class="{kind}" cx="{self.across(x):.1f}" cy="{self.down(y):.1f}" r="4">'
            f"<title>{escape(what)}</title></circle>"
            for x, y, what in points
        ]

    def levels(self, values: Sequence[tuple[float, str]]) -> None:
        """Horizontal grid lines with their names."""
        for value, name in values:
            y, end = self.down(value), self.width - self.right
            self._parts.insert(
                0,
                f'<line class="grid" x1="{self.left}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{self.left - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>',
            )

    def marks(self, values: Sequence[tuple[float, str]]) -> None:
        """Names along the foot."""
        for place, (value, name) in enumerate(values):
            # Where the screen is narrow and the letters large, every second name has to do.
            spare = ' class="spare"' if place % 2 and len(values) > 4 else ""
            self._parts.append(
                f'<text{spare} x="{self.across(value):.1f}" y="{self.height - 6}" text-anchor="middle">'
                f"{escape(name)}</text>"
            )

    def text(self) -> str:
        """The whole drawing."""
        kind = "line" if self.width == WIDTH else "square"
        size = f'class="{kind}" viewBox="0 0 {self.width} {self.height}" style="max-width:{self.width}px"'
        return (
            f'<svg role="img" {size} aria-label="{escape(self.title)}">'
            f"<title>{escape(self.title)}</title>{''.join(self._parts)}</svg>"
        )


def thinned(timestamps: Floats, values: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """The highest known value in each of ``points`` shares of the time, so that no peak is lost.

    A share with no known value is NaN, and the curve is interrupted there. Few rows are left as they are:
    between two of them an empty share would be no gap in what was watched.
    """
    if len(timestamps) < 2 * points:
        return timestamps, values
    edges = np.linspace(timestamps[0], timestamps[-1], points + 1)
    places = np.clip(np.searchsorted(edges, timestamps, side="right") - 1, 0, points - 1)
    highest = np.full(points, -np.inf)
    np.maximum.at(highest, places, np.where(np.isfinite(values), values, -np.inf))
    return (edges[:-1] + edges[1:]) / 2.0, np.where(np.isfinite(highest), highest, np.nan)


def moments(span: Span, zone: tzinfo, count: int = 7) -> list[tuple[float, str]]:
    """Round moments along a span, named by day or by time as its length suggests."""
    steps = (60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
    step = next((step for step in steps if (span.end - span.start) / step <= count), 2_419_200)
    offset = datetime.fromtimestamp(span.start, zone).utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    first = np.ceil((span.start + shift) / step) * step - shift
    form = "%a %d %b" if step >= 86_400 else "%a %H:%M"
    margin = 0.03 * (span.end - span.start)
    return [
        (float(moment), datetime.fromtimestamp(float(moment), zone).strftime(form))
        for moment in np.arange(first, span.end, step)
        if span.start + margin < moment < span.end - margin
    ]
