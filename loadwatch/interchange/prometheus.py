"""History from a Prometheus that has scraped this host for longer than we have watched it.

Read are node_exporter's series of one host, or our own where there are none, by ``query_range``, slice by
slice; each slice is handed on before the next is asked for, so that an import can be broken off and taken
up again with the spans that are still missing. Rows carry the times of the scrapes, not those of the query's
grid.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from loadwatch.errors import HistoryError, UsageError
from loadwatch.http_client import quoted
from loadwatch.interchange import node_exporter
from loadwatch.interchange.query_api import Labels, Points, QueryApi, TooMuchAtOnceError
from loadwatch.records import Floats, Recording, Span
from loadwatch.sampling import devices
from loadwatch.signals import NAMES

Progress = Callable[[float, float], None]

# Prometheus answers at most 11 000 points a series; a little less leaves room for its rounding.
_MOST_POINTS: Final = 10_000
_FEWEST_POINTS: Final = 50
_PROBE_POINTS: Final = 1_000
_INTERVAL_PROBE_SECONDS: Final = 900
_LONGEST_INTERVAL_SECONDS: Final = 300.0


class _Exporter(Protocol):
    """One kind of page that Prometheus scraped from the host."""

    clock: str
    """PromQL for the time of the sample behind each value."""

    def fetch(self, api: QueryApi, start: float, end: float, step: float) -> dict[str, Points]:
        """The points of each column between ``start`` and ``end``."""
        ...

    def finish(self, timestamps: Floats, columns: Mapping[str, Floats]) -> dict[str, Floats]:
        """The signals made of the columns."""
        ...


class PrometheusHistory:
    """What one server knows of one host.

    ``instance`` is the label of that name, with or without its port. ``interfaces`` and ``disks`` are the
    names of the host's physical devices where they are known, as on the host itself; otherwise they are told
    by their usual names.
    """

    def __init__(
        self, api: QueryApi, instance: str, *, interfaces: Sequence[str] = (), disks: Sequence[str] = ()
    ) -> None:
        self._api = api
        self._instance = instance
        self._interfaces = tuple(interfaces)
        self._disks = tuple(disks)

    def recordings(self, spans: Sequence[Span], progress: Progress | None = None) -> Iterator[Recording]:
        """Yield what was measured in ``spans``, which must be in time order, slice by slice.

        ``progress`` is told after each slice how many seconds are done, and of how many.

        Raises:
            UsageError: several hosts go by this name.
            HistoryError: no such host, or the server does not answer as it should.

        """
        start, end = spans[0].start, spans[-1].end
        # Up to now: a host that is known, but has nothing in these spans, is no error.
        host, has_node_exporter = self._find(start, max(end, time.time()))
        clock = f"max(timestamp({node_exporter.CLOCK}{{{host}}}))"
        own = f"max(loadwatch_last_sample_timestamp_seconds{{{host}}})"
        step = self._interval(clock if has_node_exporter else own, start, end)
        if step is None:
            return
        exporter: _Exporter = (
            _NodeExporter(clock, host, step, self._interfaces, self._disks)
            if has_node_exporter
            else _Loadwatch(own, host)
        )
        done, whole = 0.0, sum(span.end - span.start for span in spans)
        for span in spans:
            for seconds, recording in self._slices(exporter, span, step):
                done += seconds
                if len(recording):
                    yield recording
                if progress:
                    progress(done, whole)

    def _find(self, start: float, end: float) -> tuple[str, bool]:
        """The matchers of the host, and whether node_exporter's series are there."""
        pattern = json.dumps(f"{re.escape(self._instance)}(:[0-9]+)?")
        window = f"{math.ceil(end - start)}s"
        for metric, is_node_exporter in ((node_exporter.CLOCK, True), ("loadwatch_ready", False)):
            seen = f"count_over_time({metric}{{instance=~{pattern}}}[{window}])"
            found = self._api.query(f"count by (job, instance) ({seen})", end)
            hosts = sorted(
                tuple(dict(labels).get(name, "") for name in ("job", "instance")) for labels in found
            )
            if len(hosts) > 1:
                names = quoted(", ".join(f"{instance} of job {job}" for job, instance in hosts))
                raise UsageError(f"{self._instance!r} may be {names}: name one with its port")
            if hosts:
                job, instance = hosts[0]
                return f"job={json.dumps(job)},instance={json.dumps(instance)}", is_node_exporter
        raise HistoryError(self._unknown(end))

    def _unknown(self, end: float) -> str:
        every = self._api.query(f"count by (instance) ({node_exporter.CLOCK})", end)
        names = [dict(labels).get("instance", "") for labels in every]
        near = get_close_matches(self._instance, names, n=3, cutoff=0.3) or sorted(names)[:3]
        hint = (
            f"it knows {len(names)} hosts, among them {quoted(', '.join(near))}"
            if names
            else "it knows no host"
        )
        return f"{self._api.url} has no series of node_exporter or loadwatch for {self._instance!r}; {hint}"

    def _interval(self, clock: str, start: float, end: float) -> float | None:
        """The seconds between two scrapes, from the newest stretch that has any; None without samples."""
        coarse = _single(self._api.query_range(clock, start, end, max((end - start) / _PROBE_POINTS, 1.0)))
        if not coarse:
            return None
        last = coarse[-1][0]
        fine = _single(self._api.query_range(clock, last - _INTERVAL_PROBE_SECONDS, last, 1.0))
        moments = np.unique([moment for _, moment in fine])
        if len(moments) < 2:
            raise HistoryError(
                f"{self._api.url} scraped {self._instance!r} less than once in {_INTERVAL_PROBE_SECONDS} s: "
                "that is too seldom to learn from"
            )
        interval = float(np.median(np.diff(moments)))
        if interval > _LONGEST_INTERVAL_SECONDS:
            raise HistoryError(f"{interval:.0f} s between two scrapes are too long to learn from")
        return max(1.0, round(interval))

    def _slices(self, exporter: _Exporter, span: Span, step: float) -> Iterator[tuple[float, Recording]]:
        """The slices of one span, each with the seconds it covers."""
        points, begin, newest = _MOST_POINTS, span.start, math.nextafter(span.start, -math.inf)
        while begin < span.end:
            until = min(begin + (points - 1) * step, span.end)
            try:
                recording = self._slice(exporter, begin, until, step, newest)
            except TooMuchAtOnceError:
                points //= 2
                if points < _FEWEST_POINTS:
                    raise
                continue
            if len(recording):
                newest = float(recording.timestamps[-1])
            yield min(until + step, span.end) - begin, recording
            begin = until + step

    def _slice(
        self, exporter: _Exporter, begin: float, until: float, step: float, newest: float
    ) -> Recording:
        """The rows of one slice whose samples are newer than ``newest``."""
        rows: dict[int, int] = {}
        timestamps: list[float] = []
        for grid, moment in _single(self._api.query_range(exporter.clock, begin, until, step)):
            # A scrape that failed repeats the sample before it: that is not another measurement.
            if moment > newest:
                rows[round(grid * 1000)] = len(timestamps)
                timestamps.append(moment)
                newest = moment
        if not rows:
            return Recording(np.empty(0), (), np.empty((0, 0)))
        moments = np.array(timestamps)
        fetched = exporter.fetch(self._api, begin, until, step)
        columns = exporter.finish(moments, {name: _column(points, rows) for name, points in fetched.items()})
        known = [name for name in (*NAMES, *sorted(columns.keys() - set(NAMES))) if name in columns]
        return Recording(moments, tuple(known), np.column_stack([columns[name] for name in known]))


def local_devices(sysfs: Path = Path("/sys")) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The physical interfaces and disks of this machine, as the sampler chooses them.

    For an import of this machine's own history: what is physical is known here, and not to Prometheus.
    """
    network = [path.name for path in (sysfs / "class" / "net").glob("*")]
    block = [path.name.replace("!", "/") for path in (sysfs / "block").glob("*")]
    return devices.interfaces(sysfs).choose(network), devices.disks(sysfs).choose(block)


class _NodeExporter:
    """node_exporter's page."""

    def __init__(
        self, clock: str, host: str, step: float, interfaces: Sequence[str], disks: Sequence[str]
    ) -> None:
        # Two scrapes must lie in it, also when one of them was late.
        window = f"{math.ceil(2.5 * step)}s"
        self.clock = clock
        self.finish = node_exporter.Finisher().finish
        self._expressions = node_exporter.expressions(host, window, interfaces, disks)

    def fetch(self, api: QueryApi, start: float, end: float, step: float) -> dict[str, Points]:
        """Every column that the host has."""
        fetched = {
            name: _single(api.query_range(expression, start, end, step))
            for name, expression in self._expressions.items()
        }
        return {name: points for name, points in fetched.items() if points}


class _Loadwatch:
    """Our own page: the signals as they were measured."""

    def __init__(self, clock: str, host: str) -> None:
        self.clock = clock
        self._signals = f"loadwatch_signal{{{host}}}"

    def fetch(self, api: QueryApi, start: float, end: float, step: float) -> dict[str, Points]:
        """Every signal that was exported."""
        found = api.query_range(self._signals, start, end, step)
        return {dict(labels)["signal"]: points for labels, points in found.items()}

    def finish(self, timestamps: Floats, columns: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        """Nothing is left to do."""
        return dict(columns)


def _single(found: Mapping[Labels, Points]) -> Points:
    """The points of the one series that an aggregation gives; none without data."""
    return next(iter(found.values()), [])


def _column(points: Points, rows: Mapping[int, int]) -> Floats:
    """The values at the moments of the grid that have a row, NaN where there is none."""
    column = np.full(len(rows), math.nan)
    for moment, value in points:
        row = rows.get(round(moment * 1000))
        if row is not None:
            column[row] = value
    return column
