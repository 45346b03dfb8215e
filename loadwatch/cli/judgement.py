"""How a model did on rows it had not seen, as a table: it and what it had to beat, by horizon.

And what came of the labels of high load, one a line.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from loadwatch.cli.formatting import show_horizon, show_share

NAME_WIDTH = 18


def judgement(figures: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the table, none where the model was not judged, and those of the labels."""
    yield from figures.get("taught", ())
    scores = figures.get("brier")
    if not isinstance(scores, dict) or not scores:
        return
    horizons = sorted(next(iter(scores.values())), key=int)
    titles = [show_horizon(int(horizon)) for horizon in horizons]
    yield f"judged on {figures['rows']:,} rows it had not seen; Brier score, 0 is perfect:"
    theirs = figures.get("incumbent_rows", figures["rows"])
    if "incumbent" in scores and theirs < figures["rows"]:
        yield f"  (the incumbent on the {theirs:,} of them that it had not seen either)"
    differences = figures.get("difference", {})
    yield _row("", titles) + ("   candidate less it, all horizons" if differences else "")
    for name, by_horizon in scores.items():
        row = _row(name, [_score(by_horizon[horizon]) for horizon in horizons])
        difference, error = differences.get(name, (None, None))
        yield row if difference is None else f"{row}   {difference:+.4f}, standard error {error:.4f}"
    shares = figures.get("high_share", {})
    yield _row("high load", ["-" if shares.get(h) is None else show_share(shares[h]) for h in horizons])


def _row(name: str, cells: list[str]) -> str:
    return f"  {name.replace('_', ' '):<{NAME_WIDTH}}{''.join(f'{cell:>14}' for cell in cells)}"


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"
