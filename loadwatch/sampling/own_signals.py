"""Signals of an operator's own, from pages of metrics that exporters on this host offer.

Each exporter is asked by a thread of its own, once a sample, shortly before it is due. A sample takes what
has come and waits for nothing: an exporter that is slow, hangs or is gone makes its own signals unknown.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.counters import Counters
from loadwatch.sampling.exposition import Labels, MetricsPage, fetch_page
from loadwatch.sampling.source import Faults
from loadwatch.signals import OwnSignal

MOST_LEAD_SECONDS: Final = 2.0
"""An exporter is asked this long before the sample is due, or half an interval where that is less."""
_DEADLINE_SHARE: Final = 0.9

Fetch = Callable[[float], MetricsPage]


def own_sources(signals: Sequence[OwnSignal], interval: float) -> "list[OwnSignalSource]":
    """One source for each exporter that is to be asked, whatever many signals are made of its page."""
    urls = dict.fromkeys(own.url for own in signals)
    return [OwnSignalSource(url, [own for own in signals if own.url == url], interval) for url in urls]


@dataclass(frozen=True, slots=True)
class _Answer:
    values: Mapping[str, float]
    fault: Exception | None = None


class OwnSignalSource:
    """The signals made of one exporter's page; ``interval`` is the time between two samples in seconds."""

    kind = "exporters"
    note = ""

    def __init__(
        self, url: str, signals: Sequence[OwnSignal], interval: float, *, fetch: Fetch | None = None
    ) -> None:
        lead = min(MOST_LEAD_SECONDS, interval / 2)
        self.name = url
        self.signals = tuple(own.name for own in signals)
        self._fetch = fetch or partial(_fetch, url)
        self._deadline = _DEADLINE_SHARE * lead
        self._pause = interval - lead
        self._made = [_Made(own) for own in signals]
        self._state = threading.Condition()
        self._answer: _Answer | None = None
        self._fault: Exception | None = None  # of the newest answer
        self._asked: float | None = None  # when the thread should ask, of the system's monotonic clock
        self._afresh = True
        self._expected = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def read(self, now: float) -> Mapping[str, float]:  # noqa: ARG002 - a page has a time of its own
        """What has come since the last reading; the next page is asked for in time for the next one.

        Raises:
            PartlyFailedError: some signals could not be made of the page; the others are there.
            SamplingError: the page did not come.

        """
        with self._state:
            answer, self._answer = self._answer, None
            expected, self._expected = self._expected, True
            # A sample that comes early, as one after a late one does, is no fault of the exporter.
            early = self._asked is not None and time.monotonic() < self._asked + self._deadline
            if self._asked is None:
                self._asked = time.monotonic() + (self._pause if expected else 0.0)
                self._state.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"own {self.name}", daemon=True)
                self._thread.start()
        if answer is None and expected and not early:
            self._fault = SamplingError(f"{self.name} has not answered since the last sample")
        elif answer is not None:
            self._fault = answer.fault
        if self._fault is not None:  # an early sample knows of no end of it
            raise self._fault
        return dict.fromkeys(self.signals, math.nan) if answer is None else answer.values

    def forget(self) -> None:
        """Take the next page for the first one, and ask for it at once."""
        with self._state:
            self._answer, self._fault, self._afresh, self._expected = None, None, True, False

    def close(self) -> None:
        """Ask no more; a request that is under way ends by itself."""
        with self._state:
            self._closed = True
            self._state.notify_all()

    def _work(self) -> None:
        while self._is_due():
            answer = self._ask()
            with self._state:
                # What was under way when everything was to be forgotten belongs to before.
                self._answer = None if self._afresh else answer
                self._asked = None
                self._state.notify_all()

    def _is_due(self) -> bool:
        """Wait for the next time to ask; False at the end."""
        with self._state:
            while not self._closed:
                left = math.inf if self._asked is None else self._asked - time.monotonic()
                if left <= 0.0:
                    if self._afresh:
                        self._afresh = False
                        for made in self._made:
                            made.forget()
                    return True
                self._state.wait(None if math.isinf(left) else left)
        return False

    def _ask(self) -> _Answer:
        asked, faults = time.monotonic(), Faults()
        try:
            page = self._fetch(self._deadline)
            values: dict[str, float] = {}
            for made in self._made:
                values.update(faults.attempt(partial(made.value, asked, page), {made.name: math.nan}))
            return _Answer(faults.told_with(values))
        except Exception as error:  # noqa: BLE001 - the sampler counts and tells it, whatever it is
            return _Answer({}, error)


def _fetch(url: str, deadline: float) -> MetricsPage:
    return fetch_page(url, deadline=deadline)


class _Made:
    """Makes one signal of page after page."""

    def __init__(self, own: OwnSignal) -> None:
        self.name = own.name
        self._own = own
        self._counters: Counters[Labels] = Counters()
        self._before: frozenset[Labels] | None = None

    def value(self, now: float, page: MetricsPage) -> dict[str, float]:
        """The signal by its name, of a page asked for at ``now`` (monotonic seconds); NaN where unknown.

        Raises:
            SamplingError: no series matches, or what they say is no number.

        """
        own = self._own
        try:
            series = page.series(own.metric)
        except SamplingError:
            self.forget()
            raise
        wanted = set(own.match)
        matching = {labels: value for labels, value in series.items() if wanted <= set(labels)}
        if not matching:
            self.forget()
            words = ", ".join(f"{name}={value!r}" for name, value in own.match)
            raise SamplingError(f"{own.name}: matched nothing: no series of {own.metric} has {words}")
        odd = next((value for value in matching.values() if not math.isfinite(value)), None)
        if odd is not None:
            self.forget()
            raise SamplingError(f"{own.name}: a series of {own.metric} is {odd}")
        values = matching if own.kind == "gauge" else self._rates(now, matching)
        if not values:
            return {own.name: math.nan}
        return {own.name: sum(values.values()) if own.aggregate == "sum" else max(values.values())}

    def _rates(self, now: float, counts: Mapping[Labels, float]) -> dict[Labels, float]:
        """The rate of each counter that was there before; none at all while it is unknown.

        That is so at the first page, and where a counter was reset: then all of the process's were, and by
        how much each grew nobody knows.

        Raises:
            SamplingError: none of them was there before: their labels change from page to page.

        """
        before, self._before = self._before, frozenset(counts)
        rates = self._counters.rates(now, counts)
        if before is None:
            return {}
        lasting = {labels: rate for labels, rate in rates.items() if labels in before}
        if not lasting:
            raise SamplingError(
                f"{self.name}: matched nothing that was there before: the labels of {self._own.metric} change"
            )
        return {} if any(math.isnan(rate) for rate in lasting.values()) else lasting

    def forget(self) -> None:
        """Take the next page for the first."""
        self._counters.forget()
        self._before = None
