"""Pages put together from pieces that the library encoded, most of them at an earlier scrape.

Between two scrapes most families stay as they are: counters of rare events, what is known of the model, of
trainings and of the build. Encoding is the larger part of a scrape, so the text of a family is kept for as
long as its values are the same. Every byte still comes from the library's encoder.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Encoder = Callable[[Collector], bytes]
Content = tuple[Hashable, Any, Callable[[Any], Metric]]
"""What a family is known by, its values, and what makes a family of them."""

_END: Final = b"# EOF\n"  # ends an OpenMetrics page, and so each piece of one


class _Families(Collector):
    """All that an encoder wants to know."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class PageCache:
    """Makes pages, for one thread; keeps one text a family and format."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Hashable], tuple[Any, bytes]] = {}

    def page(
        self, encode: Encoder, form: str, contents: Iterable[Content], others: Iterable[Metric] = ()
    ) -> bytes:
        """The page of these families and, behind them, of ``others``, which are always made anew.

        form: names the format of ``encode``. A family without samples is left out.
        """
        pieces = [self._piece(encode, form, *content) for content in contents]
        return b"".join([*pieces, encode(_Families(others))])

    def _piece(
        self, encode: Encoder, form: str, key: Hashable, values: Any, family_of: Callable[[Any], Metric]
    ) -> bytes:
        kept = self._kept.get((form, key))
        if kept is not None and kept[0] == values:
            return kept[1]
        family = family_of(values)
        text = encode(_Families([family])).removesuffix(_END) if family.samples else b""
        self._kept[form, key] = values, text
        return text
