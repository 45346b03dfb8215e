"""Which series of a server are this host's, and only this host's.

The same job and instance may stand for hosts of several clusters, whose mean would be nobody's; and one host
may be there twice, scraped by two replicas of one Prometheus. So series are told apart by all their labels.
Two sets of labels are the same host if their counters, read at the same moments, are never further apart than
one of them moves in four minutes.
"""

import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np

from loadwatch.errors import HistoryError, UsageError
from loadwatch.http_client import quoted
from loadwatch.interchange.query_api import NO_POINTS, Labels, Points, QueryApi, TooMuchAtOnceError
from loadwatch.records import Span

NODE_CLOCK: Final = "node_load1"
"""The moments of the samples themselves: a series that every node_exporter has, without labels of its own."""
OWN_SIGNALS: Final = "loadwatch_signal"

_SHORTEST_SECONDS: Final = 3600.0
_PROOF_SECONDS: Final = 2400.0
_PROOF_STEP: Final = 30.0
_STALE_SECONDS: Final = 300.0  # for which a server goes on showing the last sample of a series
_APART_STEPS: Final = 8
_SHOWN: Final = 6

_COUNTED: Final = {
    True: f"count_over_time({NODE_CLOCK}{{$host}}[$window])",
    False: f"max without (signal, unit) (count_over_time({OWN_SIGNALS}{{$host}}[$window]))",
}
_COUNTERS: Final = {
    True: (
        'sum(node_cpu_seconds_total{$host,mode="user"})',
        'sum(node_cpu_seconds_total{$host,mode="idle"})',
        "sum(node_network_receive_bytes_total{$host})",
    ),
    False: ("sum(loadwatch_samples_total{$host})", "sum(process_cpu_seconds_total{$host})"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A host as a server knows it.

    replicas: matchers of each series of labels it is known under, the one with the most samples first;
    is_node_exporter: otherwise it is known by loadwatch's own series; beside: for each replica matchers of
    what else was scraped from the host, on any port and by any job.
    """

    replicas: tuple[str, ...]
    beside: tuple[str, ...]
    is_node_exporter: bool


def find(api: QueryApi, instance: str, labels: Mapping[str, str], span: Span) -> Target:
    """The host ``instance``, with or without its port, that also has these ``labels``.

    Raises:
        UsageError: several hosts go by this name.
        HistoryError: no such host, or the server does not answer as it should.

    """
    selector = ",".join([_on_any_port(instance), *_matchers(labels)])
    for is_node_exporter in (True, False):
        found = sample_counts(api, _COUNTED[is_node_exporter].replace("$host", selector), span)
        if found:
            sets = sorted(found, key=lambda each: (-found[each], each))
            hosts = [_selector(each, sets) for each in sets]
            if not all(_is_same(api, hosts[0], host, span, is_node_exporter) for host in hosts[1:]):
                raise UsageError(f"{instance!r} may be {ambiguity(sets)}")
            return Target(tuple(hosts), tuple(map(_beside, sets)), is_node_exporter)
    raise HistoryError(_unknown(api, instance, labels, span.end))


def ambiguity(sets: Sequence[Labels]) -> str:
    """The words for label sets that may be different hosts: how they differ, and what to do.

    >>> ambiguity([(("cluster", "east"), ("job", "node")), (("cluster", "west"), ("job", "node"))])
    'any of 2: cluster="east"; cluster="west"; name one: --label cluster=east'
    """
    known = [dict(each) for each in sets]
    differing = sorted(
        name
        for name in {name for each in known for name in each}
        if len({each.get(name) for each in known}) > 1
    )
    shown = [
        ",".join(f"{name}={json.dumps(each.get(name, ''))}" for name in differing) for each in known[:_SHOWN]
    ]
    more = "; ..." if len(known) > _SHOWN else ""
    name = differing[0]
    best = f"{name}={known[0].get(name, '')}"
    return quoted(f"any of {len(known)}: {'; '.join(shown)}{more}; name one: --label {best}")


def matches(labels: Labels, wanted: Mapping[str, str]) -> bool:
    """Whether these labels have the wanted values; an empty value is that of a label that is not there."""
    known = dict(labels)
    return all(known.get(name, "") == value for name, value in wanted.items())


def only_value(found: Mapping[Labels, Points]) -> Points:
    """The points of the one series that an aggregation gives; none without data."""
    return next(iter(found.values()), NO_POINTS)


def _matchers(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}={json.dumps(value)}" for name, value in labels.items()]


def _on_any_port(host: str) -> str:
    return f"instance=~{json.dumps(f'{re.escape(host)}(:[0-9]+)?')}"


def _beside(labels: Labels) -> str:
    known = dict(labels)
    host = re.sub(":[0-9]+$", "", known.pop("instance", ""))
    known.pop("job", None)
    return ",".join([_on_any_port(host), *_matchers(known)])


def _selector(labels: Labels, sets: Iterable[Labels]) -> str:
    """Matches these labels and no other of the sets: a label that only others have must be absent."""
    absent = {name: "" for other in sets for name, _ in other}
    return ",".join(_matchers(absent | dict(labels)))


def sample_counts(api: QueryApi, expression: str, span: Span) -> dict[Labels, float]:
    """The sum of ``expression`` over a span, by labels.

    In parts where the server cannot answer for all at once; ``$window`` in it is the length of a part.
    """
    found: dict[Labels, float] = {}
    parts = [span]
    while parts:
        part = parts.pop()
        window = f"{math.ceil(part.end - part.start)}s"
        try:
            for labels, count in api.query(expression.replace("$window", window), part.end).items():
                found[labels] = found.get(labels, 0.0) + count
        except TooMuchAtOnceError:
            if part.end - part.start < _SHORTEST_SECONDS:
                raise
            middle = (part.start + part.end) / 2
            parts += [Span(part.start, middle), Span(middle, part.end)]
    return found


def _is_same(api: QueryApi, first: str, second: str, span: Span, is_node_exporter: bool) -> bool:
    """Whether two sets of labels have the same counters; without a proof they have not."""
    moment = _last_moment_of_both(api, first, second, span, is_node_exporter)
    if moment is None:
        return False
    begin = moment - _PROOF_SECONDS
    proofs = []
    for counter in _COUNTERS[is_node_exporter]:
        one, other = (
            only_value(api.query_range(counter.replace("$host", host), begin, moment, _PROOF_STEP))
            for host in (first, second)
        )
        proofs.append(_keep_together(one, other))
    return True in proofs and False not in proofs


def _last_moment_of_both(
    api: QueryApi, first: str, second: str, span: Span, is_node_exporter: bool
) -> float | None:
    counter = _COUNTERS[is_node_exporter][0]
    begin, end = span.start, span.end
    while end > begin:
        # The newest hours most likely; else further and further back.
        start = max(begin, end - 6 * _SHORTEST_SECONDS)
        one, other = (
            only_value(api.query_range(counter.replace("$host", host), start, end, 240.0))
            for host in (first, second)
        )
        common = np.intersect1d(one.moments, other.moments)
        if len(common):
            return float(common[-1]) - _STALE_SECONDS
        end = start
    return None


def _keep_together(one: Points, other: Points) -> bool | None:
    """Whether each counter stays between what the other was and will be four minutes before and after.

    None where there is too little of them to say, or they stand still.
    """
    moments, first, second = np.intersect1d(one.moments, other.moments, return_indices=True)
    if len(moments) <= 2 * _APART_STEPS:
        return None
    a, b = one.values[first], other.values[second]
    if a[0] == a[-1] and b[0] == b[-1]:
        return None
    inside = slice(_APART_STEPS, -_APART_STEPS)
    earlier, later = slice(None, -2 * _APART_STEPS), slice(2 * _APART_STEPS, None)
    return all(
        bool(((left[earlier] <= right[inside]) & (right[inside] <= left[later])).all())
        for left, right in ((a, b), (b, a))
    )


def _unknown(api: QueryApi, instance: str, labels: Mapping[str, str], end: float) -> str:
    names = {
        dict(found).get("instance", "")
        for clock in (NODE_CLOCK, OWN_SIGNALS)
        for found in api.query(f"count by (instance) ({clock})", min(end, time.time()))
    } - {""}
    near = get_close_matches(instance, names, n=3, cutoff=0.3) or sorted(names)[:3]
    hint = (
        f"it knows {len(names)} hosts, among them {quoted(', '.join(near))}" if names else "it knows no host"
    )
    which = f"{instance!r}{''.join(f' with {name}={value}' for name, value in labels.items())}"
    return f"{api.url} has no series of node_exporter or loadwatch for {which}; {hint}"
