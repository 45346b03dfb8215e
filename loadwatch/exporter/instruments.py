"""What the daemon counts and measures between scrapes, safe to use from any thread.

The library's own instruments always show a value, 0 before anything is known, and add a ``_created`` series
to each counter. These are absent until something is known, and every scrape gets families built afresh.
"""

import math
import threading
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from loadwatch.exporter import table

Labels = tuple[str, ...]


class _Labelled:
    """Values by their label values; a lock makes each change whole."""

    def __init__(self, metric: table.Metric, *known: Labels) -> None:
        self.metric = metric
        self._lock = threading.Lock()
        self._values: dict[Labels, float] = dict.fromkeys(known, 0.0)

    def values(self) -> dict[Labels, float]:
        """The present value of each set of label values."""
        with self._lock:
            return dict(self._values)

    def _checked(self, labels: Labels) -> Labels:
        if len(labels) != len(self.metric.labels):
            raise ValueError(f"{self.metric.name} has the labels {self.metric.labels}, got values {labels}")
        return labels


class Counter(_Labelled):
    """Counts events. Series named as ``known`` start at 0; the others appear when first counted or set."""

    def inc(self, *labels: str, by: float = 1.0) -> None:
        """Count ``by`` more events."""
        with self._lock:
            self._values[self._checked(labels)] = self._values.get(labels, 0.0) + by

    def set(self, total: float, *labels: str) -> None:
        """Take over a total that somebody else counts, 0 included."""
        with self._lock:
            self._values[self._checked(labels)] = float(total)

    def take(self, totals: Mapping[str, float]) -> None:
        """Take over all totals by the value of the only label, as a sampler keeps its failures by source."""
        with self._lock:
            self._values = {self._checked((label,)): float(total) for label, total in totals.items()}

    def family_of(self, values: Mapping[Labels, float]) -> Metric:
        """The family with these values, as `values` gave them."""
        family = CounterMetricFamily(self.metric.name, self.metric.help, labels=self.metric.labels)
        for labels, value in values.items():
            family.add_metric(labels, value)
        return family


class Gauge(_Labelled):
    """Holds a value that goes up and down, absent while it is not known."""

    def set(self, value: float | None, *labels: str) -> None:
        """Set the value; None and NaN both mean that it is not known."""
        with self._lock:
            if value is None or math.isnan(value):
                self._values.pop(self._checked(labels), None)
            else:
                self._values[self._checked(labels)] = float(value)

    def only(self, value: float, *labels: str) -> None:
        """Make this the only series, as of an information metric whose labels have changed."""
        with self._lock:
            self._values = {self._checked(labels): float(value)}

    def family_of(self, values: Mapping[Labels, float]) -> Metric:
        """The family with these values, as `values` gave them."""
        return gauge_family(self.metric, values)


class Histogram:
    """Counts durations into buckets that end at the metric's ``buckets`` and at infinity."""

    def __init__(self, metric: table.Metric) -> None:
        self.metric = metric
        self._lock = threading.Lock()
        self._counts = [0] * (len(metric.buckets) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        with self._lock:
            self._counts[bisect_left(self.metric.buckets, seconds)] += 1
            self._sum += seconds

    def values(self) -> dict[Labels, float]:
        """Line by line: how many durations were no longer than the end of each bucket, all, and their sum."""
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        ends = [*map(str, self.metric.buckets), "+Inf"]
        buckets: dict[Labels, float] = {(end,): count for end, count in zip(ends, counts, strict=True)}
        return {**buckets, ("count",): counts[-1], ("sum",): total}

    def family_of(self, values: Mapping[Labels, float]) -> Metric:
        """The family with these values, as `values` gave them."""
        *buckets, _, (_, total) = values.items()
        family = HistogramMetricFamily(self.metric.name, self.metric.help)
        family.add_metric([], [(end, count) for (end,), count in buckets], total)
        return family


def gauge_family(metric: table.Metric, values: Mapping[Labels, float]) -> Metric:
    """A gauge family of these values; what is not a finite number is left out."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        if math.isfinite(value):
            family.add_metric(labels, value)
    return family
