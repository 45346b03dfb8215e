"""Bars and lines are as wide as asked for and never say more than is known."""

import doctest
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from loadwatch.cli import formatting
from loadwatch.cli.alerts import alert_line
from loadwatch.cli.formatting import ASCII, BLOCKS, Palette, palette_for, show_share
from loadwatch.records import Alert, Contribution

INKS = st.sampled_from([BLOCKS, ASCII])


@given(ink=INKS, share=st.none() | st.floats(-1.0, 2.0), width=st.integers(1, 60))
def test_a_bar_has_its_width(ink: Palette, share: float | None, width: int) -> None:
    """Columns after a bar stay in line, whatever the value."""
    filled, rest = ink.bar(share, width)
    assert len(filled) + len(rest) == width


@given(
    ink=INKS,
    values=st.lists(st.none() | st.floats(0.0, 1e12), max_size=400),
    width=st.integers(1, 200),
)
def test_a_line_has_its_width(ink: Palette, values: list[float | None], width: int) -> None:
    """However much history there is."""
    assert len(ink.line(values, width)) == width


def test_a_short_peak_survives_a_narrow_terminal() -> None:
    """One high value among four hundred is what somebody looks for."""
    values = [0.1] * 200 + [1.0] + [0.1] * 199
    assert "█" in BLOCKS.line(values, 20, 1.0)


def test_what_is_unknown_is_blank() -> None:
    """A gap is neither zero nor a copy of its neighbour."""
    assert BLOCKS.line([1.0, None, None, 1.0], 4, 1.0) == "█  █"


def test_a_probability_is_never_rounded_to_certainty() -> None:
    """0 % and 100 % are said of nothing else than 0 and 1."""
    assert [show_share(share) for share in (1e-9, 1.0 - 1e-9)] == ["<0.1 %", ">99.9 %"]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Serial consoles exist."""
    assert [palette_for(name) for name in ("utf-8", "UTF8", "ascii", "iso-8859-1", None)] == [
        BLOCKS, BLOCKS, ASCII, ASCII, ASCII
    ]  # fmt: skip
    assert (ASCII.bar(0.5, 4)[0] + ASCII.line([0.5], 1)).isascii()


def test_an_alert_without_reasons_is_still_a_line() -> None:
    """What came true is said after the reasons, or alone."""
    alert = Alert(1, "high_load", 0.0, 600.0, horizon=900, lead_seconds=60.0, confirmed_by="rule")
    assert alert_line(alert).endswith("confirmed    came true after 1 min")
    alert = replace(alert, signals=(Contribution("cpu", 0.5),))
    assert alert_line(alert).endswith("confirmed    cpu +0.50, came true after 1 min")


def test_the_examples_in_the_docstrings_hold() -> None:
    """They are the documentation of the units."""
    assert doctest.testmod(formatting).failed == 0
