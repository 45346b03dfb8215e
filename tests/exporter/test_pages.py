"""A page put together from kept pieces is, byte for byte, the one that the library would make afresh."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder

from loadwatch.exporter import table
from loadwatch.exporter.instruments import Counter, Histogram, gauge_family
from loadwatch.exporter.pages import PageCache

words = st.text(max_size=8)
gauges = st.dictionaries(st.tuples(words, words), st.floats() | st.integers(), max_size=4)
counts = st.dictionaries(st.tuples(words), st.floats(0, 1e12), max_size=3)
SAME_LABELS = {("cpu", "ratio"): 0.25, ('a "b" \\ \n', "1"): 2.0}
refilled = st.fixed_dictionaries({labels: st.floats() for labels in SAME_LABELS})


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.one_of(gauges, refilled, refilled), counts, st.floats(0, 1)), min_size=2, max_size=6
    ),
    st.sampled_from(["", "application/openmetrics-text; version=1.0.0"]),
)
def test_a_kept_page_is_the_page_made_afresh(
    scrapes: list[tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float], float]], accept: str
) -> None:
    """Whatever the labels and values are, also those of no number, and in whatever order they come."""
    encode, form = choose_encoder(accept)
    cache = PageCache()
    counter, histogram = Counter(table.SAMPLE_FAILURES), Histogram(table.SAMPLE_DURATION)
    for values, totals, seconds in scrapes:
        histogram.observe(seconds)
        contents = [
            (table.SIGNAL, values, partial(gauge_family, table.SIGNAL)),
            (table.SAMPLE_FAILURES, totals, counter.family_of),
            (table.SAMPLE_DURATION, histogram.values(), histogram.family_of),
        ]
        assert cache.page(encode, form, contents) == PageCache().page(encode, form, contents)
