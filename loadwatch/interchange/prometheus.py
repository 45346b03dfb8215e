"""History from a Prometheus that has scraped this host for longer than we have watched it.

Read are node_exporter's series of one host, or our own where there are none, by ``query_range``: first when
the host was scraped, then, stretch by stretch of one interval, what was measured. Each part is handed on
before the next is asked for. Rows carry the times of the scrapes, not those of the query's grid.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from loadwatch.errors import HistoryError
from loadwatch.interchange import node_exporter, targets
from loadwatch.interchange.query_api import Points, QueryApi, TooMuchAtOnceError
from loadwatch.interchange.scrapes import FEWEST_POINTS, FINEST_STEP, MOST_POINTS, Scrapes, Stretch
from loadwatch.interchange.targets import NODE_CLOCK, OWN_SIGNALS, only_value
from loadwatch.records import Floats, Recording, Span
from loadwatch.sampling import devices
from loadwatch.signals import NAMES, OwnSignal

Progress = Callable[[float, float], None]

WORKERS: Final = 4
"""Questions asked at a time: a server answers each on one core, and waits for its disk now and then."""

_LONGEST_INTERVAL_SECONDS: Final = 330.0
_USUAL_INTERVAL_SECONDS: Final = 60.0
_WINDOW_SCRAPES: Final = 4
"""Two scrapes must lie in a window, also when some between them failed or were late."""
_SHARE_MISSED: Final = 0.01
_SHORTEST_HOLE_SECONDS: Final = 120.0
_HOLE_MARGIN_SECONDS: Final = 30.0


class _Exporter(Protocol):
    """One kind of page that Prometheus scraped from the host."""

    clock: str
    """PromQL for the time of the sample behind each value."""

    def rows(self, grid: Floats, step: float, waiting: Floats) -> tuple[Floats, Floats]:
        """The points of a grid at which one of the ``waiting`` samples is first the newest, and its time."""
        ...

    def fetch(self, window: str, start: float, end: float, step: float) -> dict[str, Points]:
        """The points of each column between ``start`` and ``end``; rates are over ``window``."""
        ...

    def finish(self, timestamps: Floats, columns: Mapping[str, Floats]) -> dict[str, Floats]:
        """The signals made of the columns."""
        ...


class PrometheusHistory:
    """What one server knows of one host.

    ``instance`` is the label of that name, with or without its port; ``labels`` are further ones that the
    host must have. ``interfaces`` and ``disks`` choose the host's physical devices among names, where that is
    known, as on the host itself; otherwise they are told by their usual names.

    ``own`` are an operator's own signals: what the server has of their series, from an exporter on any port
    of the host, comes too.

    ``too_seldom`` counts scrapes that were too far apart to learn from, ``missed`` those whose values could
    not be told from their neighbours'.
    """

    def __init__(
        self,
        api: QueryApi,
        instance: str,
        *,
        labels: Mapping[str, str] | None = None,
        local: "LocalDevices | None" = None,
        own: Sequence[OwnSignal] = (),
    ) -> None:
        self._api = api
        self._instance = instance
        self._labels = dict(labels or {})
        self._local = local
        self._own = own
        self._points = MOST_POINTS
        self.too_seldom = 0
        self.missed = 0

    def recordings(self, spans: Sequence[Span], progress: Progress | None = None) -> Iterator[Recording]:
        """Yield what was measured in ``spans``, which must be in time order, part by part.

        ``progress`` is told after each part how many seconds are done, and of how many. What one replica of
        the server missed comes from the others, at the end.

        Raises:
            UsageError: several hosts go by this name.
            HistoryError: no such host, or the server does not answer as it should.

        """
        # Up to now: a host that is known, but has nothing in these spans, is no error.
        whole = Span(spans[0].start, max(spans[-1].end, time.time()))
        target = targets.find(self._api, self._instance, self._labels, whole)
        done, to_do, rows = 0.0, _seconds(spans), 0
        with ThreadPoolExecutor(WORKERS) as pool:
            for host, beside in zip(target.replicas, target.beside, strict=True):
                exporter = self._exporter(host, beside, pool, whole, is_node_exporter=target.is_node_exporter)
                found: list[Floats] = []
                for span in spans:
                    for until, recording in self._parts(exporter, span):
                        if len(recording):
                            found.append(recording.timestamps)
                            yield recording
                        if progress:
                            progress(done + until - span.start, to_do)
                    done += span.end - span.start
                rows += sum(map(len, found))
                spans = _holes(spans, np.concatenate(found) if found else np.empty(0))
                to_do += _seconds(spans)
        if self.too_seldom and not rows:
            raise HistoryError(
                f"{self._api.url} scraped {self._instance!r} less than once in "
                f"{_LONGEST_INTERVAL_SECONDS:.0f} s: that is too seldom to learn from"
            )

    def _exporter(
        self, host: str, beside: str, pool: Executor, whole: Span, *, is_node_exporter: bool
    ) -> _Exporter:
        if not is_node_exporter:
            return _Loadwatch(self._api, host, whole)
        own = {signal.name: own_expression(signal, beside) for signal in self._own}
        return _NodeExporter(self._api, pool, host, own, *_devices(self._api, host, whole, self._local))

    def _parts(self, exporter: _Exporter, span: Span) -> Iterator[tuple[float, Recording]]:
        """What was measured in one span, each part with the moment up to which it goes."""
        for until, stretches in Scrapes(self._api, exporter.clock, span).slices():
            for stretch in stretches:
                if (stretch.interval or 0.0) > _LONGEST_INTERVAL_SECONDS:
                    self.too_seldom += len(stretch.moments)
                    continue
                for recording in self._recordings(exporter, stretch):
                    yield float(recording.timestamps[-1]), recording
            yield until, Recording(np.empty(0), (), np.empty((0, 0)))

    def _recordings(self, exporter: _Exporter, stretch: Stretch) -> Iterator[Recording]:
        """The rows of a stretch, in parts that the server accepts."""
        window = f"{math.ceil(_WINDOW_SCRAPES * (stretch.interval or _USUAL_INTERVAL_SECONDS))}s"
        step = max(round(stretch.shortest or _USUAL_INTERVAL_SECONDS, 3), FINEST_STEP)
        begin = stretch.seen
        end = begin + float(stretch.moments[-1] - stretch.moments[0]) + step
        waiting = stretch.moments
        while begin <= end and len(waiting):
            until = min(begin + (self._points - 1) * step, end)
            try:
                count = int((until - begin) / step + 1e-6) + 1
                points_of_time = begin + step * np.arange(count, dtype=np.float64)
                grid, moments = exporter.rows(points_of_time, step, waiting)
                passed = int(np.searchsorted(waiting, moments[-1], "right")) if len(moments) else 0
                missed = passed - len(moments)
                if missed > _SHARE_MISSED * passed and step > FINEST_STEP:
                    step = max(step / 2, FINEST_STEP)
                    continue
                fetched = exporter.fetch(window, begin, until, step) if len(moments) else {}
            except TooMuchAtOnceError:
                self._points //= 2  # and for the stretches to come
                if self._points < FEWEST_POINTS:
                    raise
                continue
            self.missed += missed
            if len(moments):
                yield _recording(exporter, grid, moments, fetched)
            waiting = waiting[passed:]
            begin = until + step
        self.missed += len(waiting)


def _recording(
    exporter: _Exporter, grid: Floats, moments: Floats, fetched: Mapping[str, Points]
) -> Recording:
    columns = exporter.finish(moments, {name: _at(points, grid) for name, points in fetched.items()})
    known = [name for name in (*NAMES, *sorted(columns.keys() - set(NAMES))) if name in columns]
    values = np.column_stack([columns[name] for name in known]) if known else np.empty((len(moments), 0))
    return Recording(moments, tuple(known), values)


def _at(points: Points, grid: Floats) -> Floats:
    """The values at points of the grid, in whole milliseconds; NaN where there is none."""
    column = np.full(len(grid), math.nan)
    wanted, there = np.rint(grid * 1000), np.rint(points.moments * 1000)
    _, at, of = np.intersect1d(wanted, there, assume_unique=True, return_indices=True)
    column[at] = points.values[of]
    return column


def _seconds(spans: Sequence[Span]) -> float:
    return sum(span.end - span.start for span in spans)


def _holes(spans: Sequence[Span], found: Floats) -> list[Span]:
    """The parts of ``spans`` in which nothing was found for minutes, a little away from what was."""
    holes = []
    for span in spans:
        inside = found[(found >= span.start) & (found <= span.end)]
        edges = np.concatenate(([span.start], inside, [span.end]))
        for before, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if after - before > _SHORTEST_HOLE_SECONDS:
                holes.append(Span(before + _HOLE_MARGIN_SECONDS, after - _HOLE_MARGIN_SECONDS))
    return holes


class LocalDevices:
    """The interfaces and disks of this machine: what is physical is known here, and not to Prometheus.

    A device that is not here any more is told by its name.
    """

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        network = [path.name for path in (sysfs / "class" / "net").glob("*")]
        block = [path.name.replace("!", "/") for path in (sysfs / "block").glob("*")]
        self._known = {"network": set(network), "disk": set(block)}
        self._chosen = {
            "network": set(devices.interfaces(sysfs).choose(network)),
            "disk": set(devices.disks(sysfs).choose(block)),
        }

    def choose(self, kind: str, names: Sequence[str], usual: str) -> list[str]:
        """Those of the names that count; ``usual`` matches the name of a device that counts."""
        return [
            name
            for name in names
            if (name in self._chosen[kind] if name in self._known[kind] else re.fullmatch(usual, name))
        ]


def _devices(
    api: QueryApi, host: str, span: Span, local: LocalDevices | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The interfaces and disks to count, empty where their usual names tell them."""
    if local is None:
        return (), ()
    chosen = []
    for kind, metric, usual in (
        ("network", "node_network_receive_bytes_total", node_exporter.INTERFACES),
        ("disk", "node_disk_read_bytes_total", node_exporter.DISKS),
    ):
        counted = f"count by (device) (count_over_time({metric}{{{host}}}[$window]))"
        found = targets.sample_counts(api, counted, span)
        names = sorted({dict(labels).get("device", "") for labels in found} - {""})
        chosen.append(tuple(local.choose(kind, names, usual)))
    return chosen[0], chosen[1]


class _NodeExporter:
    """node_exporter's page, and beside it what is ``own``, an expression by name."""

    def __init__(
        self,
        api: QueryApi,
        pool: Executor,
        host: str,
        own: Mapping[str, str],
        interfaces: Sequence[str],
        disks: Sequence[str],
    ) -> None:
        self.clock = f"max(timestamp({NODE_CLOCK}{{{host}}}))"
        self.finish = node_exporter.Finisher().finish
        self._api = api
        self._pool = pool
        self._host = host
        self._own = own
        self._devices = interfaces, disks

    def rows(self, grid: Floats, step: float, waiting: Floats) -> tuple[Floats, Floats]:  # noqa: ARG002
        """The times of the samples are the server's own: no need to ask it once more."""
        newest = np.searchsorted(np.rint(waiting * 1000), np.rint(grid * 1000), "right") - 1
        rows, first = np.unique(newest, return_index=True)
        there = rows >= 0
        return grid[first[there]], waiting[rows[there]]

    def fetch(self, window: str, start: float, end: float, step: float) -> dict[str, Points]:
        """Every column that the host has."""
        asked = node_exporter.expressions(self._host, window, *self._devices)
        asked |= {name: expression.replace("$window", window) for name, expression in self._own.items()}
        answers = self._pool.map(
            lambda expression: self._api.query_range(expression, start, end, step), asked.values()
        )
        fetched = {name: only_value(found) for name, found in zip(asked, answers, strict=True)}
        return {name: points for name, points in fetched.items() if len(points.moments)}


def own_expression(own: OwnSignal, host: str) -> str:
    """A signal of an operator's own in PromQL, as the sampler makes it of the exporter's page.

    host: matchers; ``$window`` stands for the window of a rate.
    """
    matchers = ",".join([host, *(f"{name}={json.dumps(value)}" for name, value in own.match)])
    series = f"{own.metric}{{{matchers}}}"
    return f"{own.aggregate}({f'irate({series}[$window])' if own.kind == 'counter' else series})"


class _Loadwatch:
    """Our own page: the signals as they were measured."""

    def __init__(self, api: QueryApi, host: str, span: Span) -> None:
        self._api = api
        self._host = host
        counted = targets.sample_counts(api, f"count_over_time({OWN_SIGNALS}{{{host}}}[$window])", span)
        most = dict(max(counted.items(), key=itemgetter(1))[0]).get("signal", "")
        # A scrape repeats the last sample, whose time it says; an older export has only the samples.
        self.clock = (
            f"max(loadwatch_last_sample_timestamp_seconds{{{host}}})"
            f" or max(timestamp({OWN_SIGNALS}{{{host},signal={json.dumps(most)}}}))"
        )

    def rows(self, grid: Floats, step: float, waiting: Floats) -> tuple[Floats, Floats]:
        """A sample is older than the scrape that brought it: only the server can say which was the newest."""
        shown = only_value(self._api.query_range(self.clock, float(grid[0]), float(grid[-1]), step))
        moments, first = np.unique(shown.values, return_index=True)
        known = np.isin(moments, waiting)
        return shown.moments[first[known]], moments[known]

    def fetch(self, window: str, start: float, end: float, step: float) -> dict[str, Points]:  # noqa: ARG002
        """Every signal that was exported."""
        # Within one step lies the sample's own value; further back one of before, where this one is unknown.
        newest = f"last_over_time({OWN_SIGNALS}{{{self._host}}}[{round(step * 1000) - 1}ms])"
        found = self._api.query_range(f"max by (signal) ({newest})", start, end, step)
        return {
            dict(labels)["signal"]: points for labels, points in found.items() if dict(labels).get("signal")
        }

    def finish(self, timestamps: Floats, columns: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        """Nothing is left to do."""
        return dict(columns)
