"""What stays unknown is said, and only that."""

import math

import pytest

from loadwatch.daemon.unknown import UnknownSignals
from loadwatch.records import Sample

NEEDED = frozenset({"cpu", "memory"})


def said(*cpu: float | None, interval: float = 5.0, why: str = "refused") -> dict[str, str]:
    """What is said after samples with these values of ``cpu``; None: the host has no such signal."""
    unknown = UnknownSignals(lambda _: why)
    told: dict[str, str] = {}
    for number, value in enumerate(cpu):
        values = {"swap": math.nan} if value is None else {"cpu": value, "swap": math.nan}
        told = unknown.update(Sample(0.0, number * interval, values), NEEDED)
    return told


def test_a_needed_signal_that_stays_unknown_is_said_with_the_reason() -> None:
    """Half a minute is enough; what neither rule nor limits look at is nobody's worry."""
    assert said(*[math.nan] * 7) == {"cpu": "refused"}
    assert "steps back" in said(*[math.nan] * 7, why="")["cpu"]


@pytest.mark.parametrize(
    "cpu",
    [[math.nan] * 6, [None] * 9, [*[math.nan] * 6, 0.1, math.nan], [*[math.nan] * 9, 0.1]],
    ids=["not for long", "not on this host", "a new beginning", "known again"],
)
def test_what_is_known_or_missing_is_not_unknown(cpu: list[float | None]) -> None:
    """Neither a disk that came and went nor a host without pressure information worries anybody."""
    assert said(*cpu) == {}


def test_at_a_long_interval_it_takes_three_samples() -> None:
    """One unknown minute may be a device that came."""
    assert said(math.nan, math.nan, interval=60.0) == {}
    assert said(math.nan, math.nan, math.nan, interval=60.0) == {"cpu": "refused"}
