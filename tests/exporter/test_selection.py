"""The choice of exported contributions: the strongest, without flutter."""

from hypothesis import given
from hypothesis import strategies as st

from loadwatch.exporter.selection import TOP, StrongestContributions
from loadwatch.records import Contribution


def select(strongest: StrongestContributions, **values: float) -> set[str]:
    parts = tuple(Contribution(signal, value) for signal, value in values.items())
    return {signal for signal, _ in strongest.select({"high_load": parts})}


def test_the_strongest_are_chosen_whatever_their_sign() -> None:
    """What speaks loudly against a verdict explains it too."""
    assert select(StrongestContributions(), a=0.1, b=-0.9, c=0.5, d=0.3) == {"b", "c", "d"}


def test_noise_in_calm_times_changes_no_membership() -> None:
    """Tiny contributions that change places leave the series as they are."""
    strongest = StrongestContributions()
    first = select(strongest, a=0.003, b=0.002, c=0.001, d=0.0)
    assert select(strongest, a=0.0, b=0.0, c=0.0, d=0.009) == first


def test_a_clear_newcomer_enters_at_once() -> None:
    """An incident shows what drives it from its first sample."""
    strongest = StrongestContributions()
    select(strongest, a=0.1, b=0.1, c=0.1, d=0.0)
    assert "d" in select(strongest, a=0.1, b=0.1, c=0.05, d=0.4)


def test_a_little_stronger_is_not_enough_to_enter() -> None:
    """By a third it waits, by two thirds it is in: series do not come and go with every sample."""
    strongest = StrongestContributions()
    first = select(strongest, a=0.9, b=0.8, c=0.3, d=0.0)
    assert select(strongest, a=0.9, b=0.8, c=0.3, d=0.4) == first
    assert select(strongest, a=0.9, b=0.8, c=0.3, d=0.5) == {"a", "b", "d"}


def test_a_vanished_signal_leaves_its_place() -> None:
    """A host that lost a disk does not keep a place for it."""
    strongest = StrongestContributions()
    select(strongest, a=0.3, b=0.2, c=0.1, d=0.0)
    assert select(strongest, b=0.2, c=0.1, d=0.0) == {"b", "c", "d"}


@given(st.lists(st.dictionaries(st.sampled_from("abcdefg"), st.floats(-1, 1)), max_size=8))
def test_never_more_than_the_top_and_the_greatest_is_never_clearly_outside(
    rounds: list[dict[str, float]],
) -> None:
    """The promise behind the hysteresis: what is left out is not clearly stronger than what is shown."""
    strongest = StrongestContributions()
    for values in rounds:
        chosen = select(strongest, **values)
        assert len(chosen) == min(TOP, len(values))
        if chosen:
            weakest = min(abs(values[signal]) for signal in chosen)
            outside = max((abs(values[signal]) for signal in values.keys() - chosen), default=0.0)
            assert outside <= 1.5 * weakest + 0.01 + 1e-12
