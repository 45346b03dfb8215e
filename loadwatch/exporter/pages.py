"""Pages put together from pieces that the library encoded, most of them at an earlier scrape.

Between two scrapes most families stay as they are: counters of rare events, what is known of the model, of
trainings and of the build. Encoding is the larger part of a scrape, so the text of a family is kept for as
long as its values are the same, and the names and labels in front of its values for as long as these are.
Every byte still comes from the library.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

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


@dataclass(frozen=True, slots=True)
class _Text:
    """What an encoder made of a family with these values.

    labels: what the values stand behind, in order; head: the lines before the first value; names: what stands
    before each value. All are empty where the values are not the lines' one by one.
    """

    values: Any
    encoded: bytes
    labels: tuple[Hashable, ...] = ()
    head: str = ""
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Any, encoded: bytes) -> "_Text":
        lines = encoded.decode().splitlines()
        names = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
        if not _one_by_one(values) or len(names) != len(values):
            return cls(values, encoded)
        head = "".join(f"{line}\n" for line in lines[: len(lines) - len(names)])
        return cls(values, encoded, tuple(values), head, tuple(names))

    def with_values(self, values: Any) -> "_Text | None":
        """The text with other values behind the same labels; None where it cannot be made of this one."""
        if not self.labels or not _one_by_one(values) or tuple(values) != self.labels:
            return None
        lines = [
            f"{name} {floatToGoString(value)}\n"  # type: ignore[no-untyped-call]
            for name, value in zip(self.names, values.values(), strict=True)
        ]
        encoded = "".join([self.head, *lines]).encode()
        return _Text(values, encoded, self.labels, self.head, self.names)


def _one_by_one(values: Any) -> bool:
    """Whether each value is one line: what is not finite has none."""
    return isinstance(values, Mapping) and all(map(math.isfinite, values.values()))


class PageCache:
    """Makes pages, for one thread; keeps one text a family and format."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Hashable], _Text] = {}

    def page(self, encode: Encoder, form: str, contents: Iterable[Content]) -> bytes:
        """The page of these families, but for those without samples; form: names the format of ``encode``."""
        pieces = [self._piece(encode, form, *content) for content in contents]
        return b"".join([*pieces, encode(_Families(()))])

    def _piece(
        self, encode: Encoder, form: str, key: Hashable, values: Any, family_of: Callable[[Any], Metric]
    ) -> bytes:
        kept = self._kept.get((form, key))
        if kept is not None and kept.values == values:
            return kept.encoded
        text = kept.with_values(values) if kept is not None else None
        if text is None:
            family = family_of(values)
            encoded = encode(_Families([family])).removesuffix(_END) if family.samples else b""
            text = _Text.of(values, encoded)
        self._kept[form, key] = text
        return text.encoded
