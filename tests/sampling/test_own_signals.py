"""An operator's own signals: made of exporters' pages, which may be slow, gone, broken or hostile."""

import contextlib
import gzip
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from conftest import eventually
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from loadwatch.errors import SamplingError
from loadwatch.sampling import Sampler
from loadwatch.sampling.exposition import LARGEST_PAGE, MOST_SERIES, MetricsPage, fetch_page
from loadwatch.sampling.own_signals import OwnSignalSource, own_sources
from loadwatch.sampling.source import PartlyFailedError
from loadwatch.signals import OwnSignal, Signal

from .exporters import Exporter, dripping, endless, exporting, hang, page

REQUESTS = """\
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{code="200",path="/a"} %d
requests_total{code="200",path="/b"} %d
requests_total{code="500",path="/a"} %d
# TYPE queue gauge
queue 7
"""


def own(name: str = "requests", metric: str = "requests_total", url: str = "", **more: object) -> OwnSignal:
    return OwnSignal(Signal(name, "1", ""), url, metric, **{"kind": "counter", **more})  # type: ignore[arg-type]


class Pages:
    """Answers with page after page, without a network."""

    def __init__(self, *pages: str | Exception) -> None:
        self.pages = list(pages)

    def __call__(self, deadline: float) -> MetricsPage:
        answer = self.pages.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return MetricsPage(answer.encode())


def settled(source: OwnSignalSource) -> bool:
    """Whether the page that was asked for has come or failed, within five seconds."""
    with source._state:
        return source._state.wait_for(lambda: source._asked is None, 5.0)


def readings(
    *pages: str | Exception, signals: list[OwnSignal] | None = None
) -> Iterator[Mapping[str, float]]:
    """What a source makes of each page in turn; a fault is raised where it comes."""
    source = OwnSignalSource("http://x", signals or [own()], 0.02, fetch=Pages(*pages))
    try:
        assert all(math.isnan(value) for value in source.read(0.0).values())
        for _ in pages:
            assert settled(source)
            yield source.read(0.0)
    finally:
        source.close()


def test_a_gauge_is_there_at_once_and_a_counter_from_the_second_page_on() -> None:
    """A rate needs two readings; until then it is unknown, and neither 0 nor the count since the start."""
    signals = [own(), own("queue", "queue", kind="gauge")]
    first, second = readings(REQUESTS % (10, 10, 1), REQUESTS % (12, 15, 1), signals=signals)

    assert first == {"requests": pytest.approx(math.nan, nan_ok=True), "queue": 7.0}
    assert second["requests"] > 0.0


@pytest.mark.parametrize(
    ("more", "grown"),
    [
        ({}, 10.0),
        ({"aggregate": "max"}, 6.0),
        ({"match": (("code", "200"),)}, 9.0),
        ({"match": (("code", "500"), ("path", "/a"))}, 1.0),
    ],
)
def test_the_series_that_match_become_one_value(more: dict[str, object], grown: float) -> None:
    """Their sum, or the largest; compared with one series alone, so that no time has to be known."""
    signals = [own(**more), own("one", match=(("code", "500"), ("path", "/a")))]
    _, reading = readings(REQUESTS % (0, 0, 0), REQUESTS % (3, 6, 1), signals=signals)

    assert reading["requests"] / reading["one"] == pytest.approx(grown)


def test_a_counter_that_was_reset_is_unknown_for_that_step() -> None:
    """By how much it grew nobody knows; at the next page it goes on."""
    pages = [REQUESTS % (100, 100, 9), REQUESTS % (110, 110, 9), REQUESTS % (1, 2, 0), REQUESTS % (2, 3, 0)]
    values = [reading["requests"] for reading in readings(*pages)]

    assert [math.isnan(value) for value in values] == [True, False, True, False]
    assert all(value >= 0.0 for value in values if not math.isnan(value))


def test_a_new_series_of_a_counter_counts_from_its_second_page_on() -> None:
    """Its first value may be years of counting; the others go on."""
    new = 'requests_total{code="404"} 1000000000\n'
    _, second, third = readings(REQUESTS % (1, 1, 1), REQUESTS % (1, 1, 1) + new, REQUESTS % (1, 1, 1) + new)

    assert (second["requests"], third["requests"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no series of requests_total"),
        ("<html><body>requests_total 5</body></html>", "no series of requests_total"),
        ('requests_total{code="200"} 5\n', "matched nothing"),
        ('requests_total{code="500"} NaN\n', "is nan"),
        ('requests_total{code="500"} +Inf\n', "is inf"),
        ('requests_total{code="500"} many\n', "cannot be read"),
        ('requests_total{code="500\n', "cannot be read"),
        ('requests_total{code="500"} 1\n' * 2, "twice"),
        ("".join(f'requests_total{{code="{n}"}} 1\n' for n in range(MOST_SERIES + 1)), "over 5,000"),
        (f'requests_total{{code="{"x" * 20_000}"}} 1\n', "longer"),
    ],
)
def test_what_is_no_number_to_trust_is_unknown_with_the_reason(text: str, words: str) -> None:
    """A page of nonsense, labels that nobody matches, no number: never 0, and said."""
    with pytest.raises(PartlyFailedError, match=words) as failed:
        list(readings(text, signals=[own(match=(("code", "500"),), kind="gauge")]))
    assert all(math.isnan(value) for value in failed.value.values.values())


def test_labels_that_change_at_every_page_are_said() -> None:
    """Nothing is there twice, so no rate is known: not quietly for ever."""
    with pytest.raises(PartlyFailedError, match="labels of requests_total change"):
        list(readings('requests_total{pod="a"} 5\n', 'requests_total{pod="b"} 9\n'))


def test_one_signal_that_fails_costs_the_others_nothing() -> None:
    """Of the same page: what can be made of it is."""
    with pytest.raises(PartlyFailedError) as failed:
        list(readings("queue 3\n", signals=[own(), own("queue", "queue", kind="gauge")]))
    assert failed.value.values["queue"] == 3.0


def test_after_a_suspension_the_next_page_is_the_first() -> None:
    """No rate spans the sleep, and what was asked before it is not taken."""
    fetch = Pages(*[REQUESTS % (n, n, n) for n in (1, 2, 3, 4)])
    source = OwnSignalSource("http://x", [own()], 0.02, fetch=fetch)
    found = []
    for number in range(4):
        found.append(source.read(0.0)["requests"])
        assert settled(source)
        if number == 1:
            source.forget()
    source.close()

    assert all(math.isnan(value) for value in found)


def test_openmetrics_is_read_as_well() -> None:
    """With exemplars, units and creation times, which some exporters offer only there."""
    text = (
        "# TYPE requests counter\n"
        'requests_total{code="500"} 5 # {trace_id="a"} 1 1700000000.0\n'
        'requests_created{code="500"} 1700000000.0\n'
        "# EOF\n"
    )
    assert MetricsPage(text.encode(), openmetrics=True).series("requests_total") == {(("code", "500"),): 5.0}


@given(st.binary(max_size=300), st.booleans())
def test_no_page_at_all_raises_anything_else(content: bytes, openmetrics: bool) -> None:
    """Whatever an exporter sends, it is series or one error."""
    with contextlib.suppress(SamplingError):
        MetricsPage(b"requests_total" + content, openmetrics).series("requests_total")


def fetched(talk: bytes | Callable[[socket.socket], None], deadline: float = 0.3) -> MetricsPage:
    with exporting(talk) as exporter:
        return fetch_page(exporter.url, deadline=deadline)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (hang, "no whole answer within"),
        (dripping, "no whole answer within"),
        (b"", "hung up"),
        (b"\x00\xff" * 3000, "breaks the rules of HTTP"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "not followed"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "401"),
        (page(gzip.compress(b"x 1\n" * 1000), more="Content-Encoding: gzip\r\n"), "compressed"),
        (page("x 1\n")[:-2], "hung up"),
        (page("x 1\n", "application/openmetrics-text; version=1.0.0"), "breaks off"),
    ],
)
def test_an_exporter_that_hangs_or_lies_is_refused_in_words(
    talk: bytes | Callable[[socket.socket], None], words: str
) -> None:
    """Within the deadline, and without following it anywhere."""
    with pytest.raises(SamplingError, match=words) as refused:
        fetched(talk)
    assert str(refused.value).isprintable()


def test_a_page_that_never_ends_is_left_at_its_limit() -> None:
    """A gigabyte is not read, nor kept."""
    begun = time.monotonic()
    with pytest.raises(SamplingError, match=f"larger than {LARGEST_PAGE >> 20} MiB"):
        fetched(endless, deadline=20.0)
    assert time.monotonic() - begun < 10.0


def test_a_page_behind_a_unix_socket_and_one_in_a_file_are_read(tmp_path: Path) -> None:
    """For exporters that listen on no port, and jobs that write their figures for node_exporter."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    exporter = Exporter(page("queue 4\n"), listener=listener)
    (tmp_path / "job.prom").write_text("queue 5\n")

    assert fetch_page(f"unix://{tmp_path}/s:/any", deadline=5.0).series("queue") == {(): 4.0}
    assert fetch_page(f"file://{tmp_path}/job.prom", deadline=5.0).series("queue") == {(): 5.0}
    exporter.close()
    with pytest.raises(SamplingError, match="No such file"):
        fetch_page(f"file://{tmp_path}/none", deadline=5.0)


def test_an_exporter_is_asked_once_a_sample_however_many_signals_it_gives() -> None:
    """Twenty signals are no twenty requests."""
    with exporting(page("queue 4\nrequests_total 1\n")) as exporter:
        signals = [own(f"s{n}", "queue", exporter.url, kind="gauge") for n in range(5)]
        (source,) = own_sources(signals, 0.02)
        source.read(0.0)
        assert settled(source)
        assert source.read(0.0) == {f"s{n}": 4.0 for n in range(5)}
        source.close()
        assert exporter.requests <= 2


def test_an_exporter_that_hangs_delays_no_sample() -> None:
    """Its signals are unknown, its failures counted with those of others, the reason kept for status."""
    clock = ManualClock()
    with exporting(hang) as exporter:
        sampler = Sampler(clock, sources=[])
        (source,) = own_sources([own(url=exporter.url)], 0.2)
        sampler.attach([source])
        took = 0.0
        for _ in range(4):
            clock.advance(1.0)
            took -= time.monotonic()
            sample = sampler.sample()
            took += time.monotonic()
            assert settled(source)
        assert took < 0.2
        assert sample is not None
        assert math.isnan(sample.values["requests"])
        assert sampler.failures == {"exporters": 3}
        assert "no whole answer" in sampler.why_unknown("requests")
        assert sampler.failing.keys() == {exporter.url}
        sampler.close()


def test_a_read_that_never_returns_is_told_and_a_sample_that_comes_early_is_not() -> None:
    """Unknown either way; only the first is a failure, and it starts no second thread."""
    stuck, released = threading.Event(), threading.Event()

    def fetch(deadline: float) -> MetricsPage:
        stuck.set()
        released.wait(30.0)
        return MetricsPage(b"queue 1\n")

    source = OwnSignalSource("stuck", [own("queue", "queue", kind="gauge")], 0.2, fetch=fetch)
    source.read(0.0)
    assert stuck.wait(5.0)
    assert math.isnan(source.read(0.0)["queue"])
    eventually(lambda: "has not answered" in str(outcome(source)), seconds=5, what="it is told")
    assert [thread.name for thread in threading.enumerate()].count("own stuck") == 1
    released.set()
    source.close()


def test_a_sample_that_comes_early_is_no_end_of_a_fault() -> None:
    """What was wrong is told until a page says otherwise."""
    answers = Pages(SamplingError("gone"), "queue 1\n")
    source = OwnSignalSource("x", [own("queue", "queue", kind="gauge")], 10.0, fetch=answers)
    source.read(0.0)
    assert settled(source)
    assert [str(outcome(source)) for _ in range(3)] == ["gone"] * 3
    source.forget()
    assert str(outcome(source)) == "{'queue': nan}"
    source.close()


def outcome(source: OwnSignalSource) -> object:
    try:
        return source.read(0.0)
    except SamplingError as error:
        return error


def test_exchanging_what_is_attached_keeps_nothing_of_before() -> None:
    """After a reload the old exporter's signals and reasons are gone; its kind counts on."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[])
    lost = SamplingError("gone")
    sources = {name: OwnSignalSource(name, [own(name)], 0.02, fetch=Pages(*[lost] * 9)) for name in "ab"}
    sampler.attach(list(sources.values()))
    for _ in range(3):
        clock.advance(1.0)
        sampler.sample()
        assert all(settled(source) for source in sources.values())
    counted = sampler.failures["exporters"]
    sampler.attach([OwnSignalSource("b", [own("b")], 60.0, fetch=Pages(*[lost] * 9))])
    clock.advance(1.0)
    sample = sampler.sample()

    assert counted > 0
    assert sample is not None
    assert list(sample.values) == ["b"]
    assert sampler.failures == {"exporters": counted}
    assert sampler.failing == {}
    sampler.close()


def test_an_exporter_that_comes_and_goes_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Its faults are counted all the same."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[])
    pages = ["requests_total 1\n", SamplingError("gone")] * 20
    source = OwnSignalSource("x", [own(kind="gauge")], 0.02, fetch=Pages(*pages))
    sampler.attach([source])
    with caplog.at_level("INFO"):
        for _ in range(20):
            clock.advance(1.0)
            sampler.sample()
            assert settled(source)
    sampler.close()

    assert sampler.failures["exporters"] >= 9
    assert len(caplog.records) == 2
