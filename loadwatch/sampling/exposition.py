"""Pages of metrics as exporters offer them: fetched with limits, and only what is wanted of them parsed.

An exporter may be broken or hostile. A page has a largest size and a deadline, a line and the series of one
metric have their limits, and whatever is wrong with one is a ``SamplingError`` in one line.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from loadwatch.errors import SamplingError, UsageError
from loadwatch.escaping import quoted
from loadwatch.files import read_bounded
from loadwatch.http_client import Address, HttpClient, HttpError, page_location

LARGEST_PAGE: Final = 4 * 2**20
MOST_SERIES: Final = 5_000
"""Of one metric: as many take a tenth of a second to parse, and what has more is counted wrongly."""
LONGEST_LINE: Final = 16_384

_OPENMETRICS: Final = "application/openmetrics-text"
# Plain text first: it is cheaper to parse, and every exporter of today has it.
_ACCEPT: Final = f"text/plain;version=0.0.4,{_OPENMETRICS};version=1.0.0;q=0.5,*/*;q=0.1"
_END: Final = b"# EOF"

Labels = tuple[tuple[str, str], ...]
"""Names and values of the labels of a series, sorted."""


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """One answer of an exporter; in OpenMetrics or in the older text format."""

    content: bytes
    openmetrics: bool = False

    def series(self, metric: str) -> dict[Labels, float]:
        """The values of each series of a metric.

        Raises:
            SamplingError: there is none, there are too many or the same twice, or a line is no sample.

        """
        lines = [found.group() for found in _lines_of(metric).finditer(self.content)]
        if not lines:
            raise SamplingError(f"there is no series of {metric}")
        if len(lines) > MOST_SERIES:
            raise SamplingError(f"there are {len(lines):,} series of {metric}, over {MOST_SERIES:,}")
        if any(len(line) > LONGEST_LINE for line in lines):
            raise SamplingError(f"a line of {metric} is longer than {LONGEST_LINE:,} bytes")
        # Without the line that tells its type: the types of exporters are often wrong, and of some only a
        # part is taken. That a counter may have exemplars has to be told.
        family = metric.removesuffix("_total")
        if self.openmetrics and family != metric:
            lines.insert(0, f"# TYPE {family} counter".encode())
        found: dict[Labels, float] = {}
        for sample in parsed(b"\n".join(lines) + b"\n", openmetrics=self.openmetrics, what=metric):
            if sample.name == metric:
                labels = tuple(sorted(sample.labels.items()))
                if labels in found:
                    raise SamplingError(f"the same series of {metric} is there twice")
                found[labels] = float(sample.value)
        return found

    @property
    def is_whole(self) -> bool:
        """Whether it ends as its format says; the older one does not say."""
        return not self.openmetrics or self.content.rstrip().endswith(_END)


@lru_cache(maxsize=64)
def _lines_of(metric: str) -> re.Pattern[bytes]:
    return re.compile(rb"^[ \t]*" + re.escape(metric).encode() + rb"(?=[ \t{])[^\n]*", re.MULTILINE)


def parsed(content: bytes, *, openmetrics: bool, what: str) -> list[Any]:
    """Every sample in a page or a part of it, as the library of Prometheus reads them.

    Raises:
        SamplingError: it is none of that format.

    """
    return [
        sample
        for family in families(content, openmetrics=openmetrics, what=what)
        for sample in family.samples
    ]


def families(content: bytes, *, openmetrics: bool, what: str) -> list[Any]:
    """Every metric family in a page, as ``prometheus_client`` has them; errors as of ``parsed``."""
    try:
        text = content.decode()
        if openmetrics:
            text = text.rstrip().removesuffix(_END.decode()).rstrip() + f"\n{_END.decode()}\n"
        return list(_parser(openmetrics=openmetrics)(text))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        # The parser was made for exporters that mean well: nonsense meets any of these in it.
        said = quoted(str(error)) if str(error) else type(error).__name__
        raise SamplingError(f"{what} cannot be read as a metric of Prometheus: {said}") from error


def _parser(*, openmetrics: bool) -> Callable[[str], Iterable[Any]]:
    # Imported where it is used: only who has signals of his own pays for it.
    if openmetrics:
        from prometheus_client.openmetrics import parser as newer  # noqa: PLC0415 - see above

        return newer.text_string_to_metric_families
    from prometheus_client import parser  # noqa: PLC0415 - see above

    return parser.text_string_to_metric_families


def fetch_page(url: str, *, deadline: float) -> MetricsPage:
    """What is at ``url`` now, within ``deadline`` seconds; see ``http_client.page_location`` for its forms.

    Raises:
        SamplingError: nobody answers, or not with a page of metrics of at most ``LARGEST_PAGE`` bytes.

    """
    try:
        location = page_location(url)
        if isinstance(location, Path):
            return MetricsPage(read_bounded(location, LARGEST_PAGE))
        page = _ask(location, deadline)
    except (HttpError, UsageError) as error:
        raise SamplingError(str(error)) from error
    except OSError as error:
        raise SamplingError(f"cannot read {quoted(url)}: {error.strerror or error}") from error
    if not page.is_whole:
        raise SamplingError(f"{location}: its page breaks off before its end")
    return page


def _ask(address: Address, deadline: float) -> MetricsPage:
    content, kind = HttpClient(address, deadline=deadline, limit=LARGEST_PAGE).get_text(_ACCEPT)
    return MetricsPage(content, kind.strip().lower().startswith(_OPENMETRICS))
