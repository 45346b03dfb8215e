import math

from hypothesis import given
from hypothesis import strategies as st

from loadwatch.sampling.counters import Counters

counts = st.integers(0, 2**64)
readings = st.one_of(counts, st.floats(-1e200, 1e200), st.sampled_from([math.nan, math.inf, -math.inf]))
seconds = st.floats(1e-3, 1e6)


@given(first=counts, increment=counts, elapsed=seconds)
def test_a_growing_counter_gives_its_increment_over_the_time(
    first: int, increment: int, elapsed: float
) -> None:
    """The rate is what was counted, divided by the seconds it took."""
    counters: Counters[str] = Counters()
    counters.rates(0.0, {"sent": first})

    assert counters.rates(elapsed, {"sent": first + increment}) == {"sent": increment / elapsed}


@given(values=st.lists(readings, min_size=2), elapsed=seconds)
def test_a_rate_is_a_number_from_the_data_or_unknown(values: list[float], elapsed: float) -> None:
    """Never negative, never infinite, and never larger than the largest step between two readings."""
    counters: Counters[str] = Counters()
    rates = [counters.rates(place * elapsed, {"sent": value})["sent"] for place, value in enumerate(values)]
    finite = [value for value in values if math.isfinite(value)]
    largest = max(finite, default=0.0) - min(finite, default=0.0)

    assert math.isnan(rates[0])
    assert all(math.isnan(rate) or 0 <= rate <= largest / elapsed * (1 + 1e-6) for rate in rates)


@given(first=counts, drop=st.integers(1, 2**64), growth=counts)
def test_a_reset_costs_one_rate_of_one_counter(first: int, drop: int, growth: int) -> None:
    """The others go on, and the one that stepped back is known again at the next reading."""
    counters: Counters[str] = Counters()
    counters.rates(1.0, {"reset": first + drop, "steady": 0})
    at_reset = counters.rates(2.0, {"reset": first, "steady": 5})
    after = counters.rates(3.0, {"reset": first + growth, "steady": 10})

    assert math.isnan(at_reset["reset"])
    assert at_reset["steady"] == 5
    assert after == {"reset": growth / 1.0, "steady": 5}


def test_a_counter_that_appears_later_has_no_rate_yet() -> None:
    """A new device does not deliver its whole past in one step."""
    counters: Counters[str] = Counters()
    counters.rates(1.0, {"old": 1})

    assert math.isnan(counters.rates(2.0, {"old": 1, "new": 1_000_000})["new"])


def test_a_clock_that_stands_still_gives_no_rate() -> None:
    """Nothing is divided by zero."""
    counters: Counters[str] = Counters()
    counters.rates(1.0, {"sent": 1})

    assert math.isnan(counters.rates(1.0, {"sent": 2})["sent"])
