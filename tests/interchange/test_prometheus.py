"""History from Prometheus: whole, in slices the server accepts, or a clear word why not."""

import base64
import json
import math
import re
import threading
import urllib.parse
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import promql_parser
import pytest

from loadwatch.errors import HistoryError, UsageError
from loadwatch.http_client import ANONYMOUS, Access
from loadwatch.interchange.node_exporter import Finisher, expressions
from loadwatch.interchange.prometheus import PrometheusHistory
from loadwatch.interchange.query_api import QueryApi
from loadwatch.records import Recording, Span
from loadwatch.signals import NAMES, OwnSignal, Signal

START = 1_700_000_000.0
INTERVAL = 15.0

Asked = dict[str, str]


@dataclass
class Server:
    """A Prometheus that knows one host since START, scraped every 15 seconds, half a second late.

    Or at the moments ``scrapes``. Rates need two scrapes in their window. ``refusal`` is how it says that a
    question is too large; ``cut`` how many of the next answers break off half way.
    """

    hosts: list[dict[str, str]] = field(default_factory=lambda: [{"job": "node", "instance": "web-1:9100"}])
    most_points: int = 11_000
    failures: list[int] = field(default_factory=list)
    gaps: Callable[[float], bool] = lambda _: False
    scrapes: tuple[float, ...] = ()
    refusal: tuple[int, str] = (422, "exceeded maximum resolution of some points per timeseries")
    more: dict[str, Any] = field(default_factory=dict)
    cut: int = 0
    body: bytes = b""
    asked: list[Asked] = field(default_factory=list)
    most_answered: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        if self.failures:
            return self.failures.pop(0), {"status": "error", "error": "not now"}
        if "start" not in asked:
            rows = [{"metric": host, "value": [0, "1"]} for host in self.hosts]
            return 200, _data("vector", rows if "node_load1" in asked["query"] else [])
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        count = int((end - start) / step + 1e-9) + 1
        if count > self.most_points:
            status, words = self.refusal
            return status, {"status": "error", "error": words}
        self.most_answered = max(self.most_answered, count)
        grid = [start + index * step for index in range(count)]
        values = [
            [moment, str(value)]
            for moment in grid
            if self._sample(moment) and (value := self._value(asked["query"], moment)) is not None
        ]
        return 200, _data("matrix", [{"metric": {}, "values": values}] if values else []) | self.more

    def _sample(self, moment: float) -> float | None:
        """The time of the newest sample at ``moment``, none before the first or after five minutes."""
        if self.scrapes:
            place = bisect_right(self.scrapes, moment) - 1
            return self.scrapes[place] if place >= 0 and moment - self.scrapes[place] < 300 else None
        scrape = math.floor((moment - 0.5 - START) / INTERVAL)
        while scrape >= 0 and self.gaps(START + scrape * INTERVAL):
            scrape -= 1
        sample = START + scrape * INTERVAL + 0.5
        return sample if scrape >= 0 and moment - sample < 300 else None

    def _value(self, query: str, moment: float) -> float | None:
        sample = self._sample(moment)
        assert sample is not None
        window = re.search(r"\[([0-9]+)s\]", query)
        if self.scrapes and window:
            first, last = (bisect_right(self.scrapes, at) for at in (moment - float(window[1]), moment))
            if last - first < 2:
                return None
        if "timestamp(" in query:
            return sample
        return (sample - START) / 1e6 if "MemAvailable" in query else 0.25


def _data(kind: str, rows: list[Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": rows}}


@pytest.fixture
def server() -> Iterator[Server]:
    fake = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fake.headers.append(dict(self.headers))
            content = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = fake.answer(dict(urllib.parse.parse_qsl(content)))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            body = fake.body or json.dumps(answer).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fake.cut:
                fake.cut -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    listener = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    fake.url = f"http://127.0.0.1:{listener.server_port}"
    yield fake
    listener.shutdown()
    listener.server_close()


def api(server: Server, access: Access = ANONYMOUS) -> QueryApi:
    return QueryApi(server.url, access, pause=lambda _: None)


def test_rows_carry_the_times_and_values_of_the_scrapes(server: Server) -> None:
    """A row for each scrape, at the moment it was taken, with every signal the host has."""
    (recording,) = PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 3600)])
    assert recording.timestamps[:3].tolist() == [START + 0.5, START + 15.5, START + 30.5]
    assert len(recording) == 240
    assert set(recording.signals) == set(NAMES)
    np.testing.assert_allclose(recording.column("memory"), (recording.timestamps - START) / 1e6)


@pytest.mark.slow
def test_long_times_come_in_slices_the_server_accepts(server: Server) -> None:
    """A month is asked for in parts of less than 11 000 points, and no scrape is lost or doubled."""
    told: list[tuple[float, float]] = []
    history = PrometheusHistory(api(server), "web-1:9100")
    end = START + 108_000
    parts = list(history.recordings([Span(START, end)], lambda done, whole: told.append((done, whole))))
    assert len(parts) == 2
    timestamps = np.concatenate([part.timestamps for part in parts])
    np.testing.assert_allclose(timestamps, START + 0.5 + INTERVAL * np.arange(len(timestamps)))
    assert len(timestamps) == 108_000 / INTERVAL
    assert told[-1] == (end - START, end - START)
    assert told == sorted(told)


def test_an_import_goes_on_where_it_was_broken_off(server: Server) -> None:
    """Only the spans that are missing are asked for, and nothing else comes."""
    history = PrometheusHistory(api(server), "web-1")
    (whole,) = history.recordings([Span(START, START + 3600)])
    missing = [Span(whole.timestamps[50], whole.timestamps[60]), Span(whole.timestamps[100], START + 3600)]
    parts = list(history.recordings(missing))
    expected = np.concatenate([whole.timestamps[50:61], whole.timestamps[100:]])
    np.testing.assert_array_equal(np.concatenate([part.timestamps for part in parts]), expected)


def test_a_server_with_lower_limits_is_asked_for_less(server: Server) -> None:
    """A refusal of the size halves the slices; the rows are the same."""
    server.most_points = 500
    parts = list(PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 7_200)]))
    assert sum(len(part) for part in parts) == 7_200 / INTERVAL
    assert server.most_answered <= 500


ASK_FOR_LESS = {
    "Prometheus, points": (400, "exceeded maximum resolution of 11,000 points per timeseries"),
    "Prometheus, samples": (422, "query processing would load too many samples into memory"),
    "Prometheus, time": (503, "query timed out in expression evaluation"),
    "VictoriaMetrics, points": (422, "too many points for the given step=7500; cannot exceed -search.max"),
    "VictoriaMetrics, samples": (422, "cannot select more than -search.maxSamplesPerQuery samples"),
    "VictoriaMetrics, whatever": (422, "no"),
    "VictoriaMetrics, memory": (503, "not enough memory for processing 10 series"),
    "Mimir, length": (422, "the total query time range exceeds the limit (query length: 769h, limit: 721h)"),
    "Mimir, chunks": (
        422,
        "the query exceeded the maximum number of chunks (err-mimir-max-chunks-per-query)",
    ),
    "Cortex, length": (400, "the query time range exceeds the limit (query length: 800h, limit: 720h)"),
    "Cortex, bytes": (422, "the query hit the aggregated data size limit (limit: 1000 bytes)"),
    "Thanos, series": (500, "expanding series: proxy Series(): exceeded series limit: limit 10 violated"),
    "a message": (500, "rpc error: grpc: received message larger than max (5 vs. 4)"),
    "a deadline": (500, "expanding series: context deadline exceeded"),
    "a proxy, time": (504, "<html>Gateway Time-out</html>"),
    "a proxy, size": (413, ""),
}


@pytest.mark.parametrize("server_says", ASK_FOR_LESS)
def test_each_servers_words_for_less_are_understood(server: Server, server_says: str) -> None:
    """The same rows, in smaller parts, without a pause."""
    server.most_points, server.refusal = 100, ASK_FOR_LESS[server_says]
    patient = QueryApi(server.url, pause=lambda _: pytest.fail("paused"))
    parts = list(PrometheusHistory(patient, "web-1").recordings([Span(START, START + 1_200)]))
    assert sum(len(part) for part in parts) == 1_200 / INTERVAL
    assert server.most_answered <= 100


def test_an_answer_that_breaks_off_is_asked_for_again(server: Server) -> None:
    """A connection that is cut costs a pause, not the import."""
    server.cut = 2
    (recording,) = PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 3600)])
    assert len(recording) == 240


@pytest.mark.parametrize("mark", [{"warnings": ["store \x1b[2J is away"]}, {"isPartial": True}])
def test_an_answer_that_is_not_all_there_is_is_refused(server: Server, mark: dict[str, Any]) -> None:
    """Thanos, Mimir and Cortex warn, VictoriaMetrics marks it; it is taken on demand, and told."""
    server.more = mark
    with pytest.raises(HistoryError, match=r"not all there is: .*--allow-gaps") as raised:
        list(PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 3600)]))
    assert str(raised.value).isprintable()
    content = QueryApi(server.url, allow_partial=True)
    (recording,) = PrometheusHistory(content, "web-1").recordings([Span(START, START + 3600)])
    assert (len(recording), len(content.warnings)) == (240, 1)


def test_remarks_on_an_expression_are_no_missing_data(server: Server) -> None:
    """Prometheus notes what may be a slip in a query; that says nothing of the answer."""
    server.more = {"warnings": ["PromQL info: metric might not be a counter"], "infos": ["x"]}
    assert len(list(PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 900)]))) == 1


def all_of(history: PrometheusHistory, *spans: Span) -> Recording:
    parts = list(history.recordings(spans))
    names = parts[0].signals
    return Recording(
        np.concatenate([part.timestamps for part in parts]),
        names,
        np.vstack([part.with_signals(names).values for part in parts]),
    )


@pytest.mark.slow
@pytest.mark.parametrize("jitter", [0.0, 0.4])
def test_every_interval_is_found_and_has_its_rates(server: Server, jitter: float) -> None:
    """Scraped each minute, each 15 seconds, each 5, each second and each 5 minutes: nothing is lost."""
    rng = np.random.default_rng(3)
    steps = np.repeat([60.0, 15.0, 5.0, 1.0, 299.0], [200, 500, 500, 900, 60])
    times = START + np.cumsum(steps) + jitter * rng.uniform(-0.5, 0.5, len(steps)) * steps
    server.scrapes = tuple(np.round(times, 3).tolist())
    recording = all_of(PrometheusHistory(api(server), "web-1"), Span(START, times[-1] + 10))
    lost = len(times) - len(recording)
    assert lost <= (0 if jitter == 0.0 else 0.02 * len(times))
    assert np.isin(recording.timestamps, server.scrapes).all()
    assert (np.diff(recording.timestamps) > 0).all()
    assert np.isnan(recording.column("cpu")).mean() < 0.005


def test_samples_of_the_future_are_refused_and_a_lone_one_hides_none(server: Server) -> None:
    """A clock that leapt once costs that sample, not those after it; a wrong clock costs the import."""
    honest = server._value
    leaps = {START + 1800.5}

    def leaping(query: str, moment: float) -> float | None:
        value = honest(query, moment)
        return value + 86_400 if "timestamp(" in query and value in leaps else value

    server._value = leaping  # type: ignore[method-assign]
    recording = all_of(PrometheusHistory(api(server), "web-1"), Span(START, START + 3600))
    assert len(recording) == 239
    leaps |= {START + 0.5 + INTERVAL * n for n in range(240)}
    with pytest.raises(HistoryError, match="samples of the future"):
        list(PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 3600)]))


def test_scrapes_too_far_apart_are_left_out_and_counted(server: Server) -> None:
    """A rate over ten minutes says nothing of load; where there are no others, that is an error."""
    seldom = [START + 600.0 * n for n in range(20)]
    often = [seldom[-1] + 15.0 * n for n in range(1, 100)]
    server.scrapes = (*seldom, *often)
    history = PrometheusHistory(api(server), "web-1")
    recording = all_of(history, Span(START, often[-1]))
    assert (len(recording), history.too_seldom) == (100, 19)
    server.scrapes = tuple(seldom)
    with pytest.raises(HistoryError, match="less than once in 330 s"):
        list(history.recordings([Span(START, seldom[-1])]))


def test_a_failed_scrape_is_a_gap_and_not_the_sample_before_once_more(server: Server) -> None:
    """What was not measured does not become a row."""
    server.gaps = lambda moment: START + 600 <= moment < START + 1200
    (recording,) = PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 1800)])
    assert len(recording) == 80
    assert np.diff(recording.timestamps).max() == 615


def test_passing_troubles_are_tried_again(server: Server) -> None:
    """Two refusals of the moment cost two pauses; a third is told."""
    pauses: list[float] = []
    patient = QueryApi(server.url, pause=pauses.append)
    server.failures = [503, 502]
    assert patient.query("node_load1", START) == {(("instance", "web-1:9100"), ("job", "node")): 1.0}
    assert pauses == [1.0, 4.0]
    server.failures = [503, 503, 503]
    with pytest.raises(HistoryError, match=r"HTTP 503 Service Unavailable: not now"):
        patient.query("node_load1", START)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"401 Unauthorized: check user name, password or token"),
        (404, r"404 Not Found: is there a Prometheus under this address"),
        (400, r"400 Bad Request: not now"),
        (302, r"302 Found"),
    ],
)
def test_lasting_refusals_are_told_at_once(server: Server, status: int, message: str) -> None:
    """No second try, and no following of a redirect with the password in hand."""
    server.failures = [status]
    with pytest.raises(HistoryError, match=message):
        api(server, Access("operator", "secret")).query("up", START)
    assert len(server.asked) == 1


def test_password_and_token_are_sent(server: Server) -> None:
    """Basic authentication or a bearer token, as configured."""
    api(server, Access("operator", "s:é")).query("up", START)
    api(server, Access(bearer_token="t0ken")).query("up", START)
    basic = "Basic " + base64.b64encode("operator:s:é".encode()).decode()
    assert [headers.get("Authorization") for headers in server.headers] == [basic, "Bearer t0ken"]


def test_the_tenant_of_a_shared_server_is_named(server: Server) -> None:
    """Mimir and Cortex answer nobody who does not say in a header whose data is meant."""
    access = Access(bearer_token="t0ken", others=("X-Scope-OrgID: team-a",))
    api(server, access).query("up", START)
    assert server.headers[0]["X-Scope-OrgID"] == "team-a"
    assert server.headers[0]["Authorization"] == "Bearer t0ken"


def test_wrong_addresses_and_certificates_are_the_users_to_mend(tmp_path: Path) -> None:
    """Before anything is sent: the address must be one, the files must be there."""
    with pytest.raises(UsageError, match="is no address of a server: expected http"):
        QueryApi("prometheus:9090")
    with pytest.raises(UsageError, match=r"cannot use the certificates in .*missing\.pem"):
        QueryApi("https://prometheus.example.com", Access(ca_file=tmp_path / "missing.pem"))


def test_answers_of_something_else_are_not_taken_for_data(server: Server) -> None:
    """A login page says so in one line."""
    server.body = b"<html>please log in</html>"
    with pytest.raises(HistoryError, match="its answer is no JSON"):
        api(server).query("up", START)


@pytest.mark.parametrize(
    "row",
    [
        {"value": [1, "1"]},
        {"metric": {}},
        {"metric": {"instance": 5}, "value": [1, "1"]},
        {"metric": {}, "value": [1, "abc"]},
        {"metric": {}, "value": []},
        {"metric": [], "value": [1, "1"]},
        None,
    ],
)
def test_rows_that_are_none_are_one_clear_line(server: Server, row: Any) -> None:
    """JSON of the right outline and the wrong content is no data and no traceback."""
    server.body = json.dumps(_data("vector", [row])).encode()
    with pytest.raises(HistoryError, match="does not answer as Prometheus would"):
        api(server).query("up", START)


def test_a_moment_that_is_no_number_is_refused(server: Server) -> None:
    """A time of NaN or beyond all numbers would be stored as a row nobody can find."""
    server.body = (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[NaN,"1"]]}]}}'
    )
    with pytest.raises(HistoryError, match="times that are no numbers"):
        api(server).query_range("up", START, START + 60, 15)


def test_a_server_that_is_not_there_is_named() -> None:
    """Nobody listens: the address and the reason."""
    nobody = QueryApi("http://127.0.0.1:9", pause=lambda _: None)
    with pytest.raises(HistoryError, match=r"http://127\.0\.0\.1:9: Connection refused"):
        nobody.query("up", START)


def test_a_name_of_several_hosts_is_refused(server: Server) -> None:
    """Two ports or two jobs: the message lists what can be named."""
    server.hosts = [{"job": "node", "instance": "web-1:9100"}, {"job": "old", "instance": "web-1:9101"}]
    with pytest.raises(
        UsageError, match=r'instance="web-1:9100",job="node"; instance="web-1:9101",job="old"; name one'
    ):
        list(PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 60)]))


def test_names_are_quoted_into_the_query(server: Server) -> None:
    """A name is text: it cannot become a pattern or leave its quotes."""
    name = 'web.1"} or vector(1) #'
    list(PrometheusHistory(api(server), name).recordings([Span(START, START + 60)]))
    first = server.asked[0]["query"]
    (pattern,) = re.findall(r'instance=~("(?:[^"\\]|\\.)*")', first)
    assert re.fullmatch(json.loads(pattern), name)
    assert not re.fullmatch(json.loads(pattern), name.replace(".", "x"))
    promql_parser.parse(first)


def test_every_signal_has_an_expression_that_parses() -> None:
    """The schema of signals and the import cannot drift apart."""
    filled = expressions('job="node",instance="web-1:9100"', "38s", ["eth0"], ["sda", "nvme0n1"])
    assert {name.partition("/")[0] for name in filled} == set(NAMES)
    for expression in filled.values():
        promql_parser.parse(expression)
        assert "$" not in expression
    assert 'device=~"sda|nvme0n1"' in filled["disk"]


def test_an_operator_s_own_signals_come_from_the_exporters_beside(server: Server) -> None:
    """Of the same host on any port and by any job, of the same replica, as the sampler makes them."""
    match = (("code", 'a"b'),)
    own = [
        OwnSignal(Signal("requests", "per_second", ""), "", "requests_total", match, "counter"),
        OwnSignal(Signal("queue", "1", ""), "", "queue", aggregate="max"),
    ]
    server.hosts = [{"job": "node", "instance": "web-1:9100", "cluster": "east"}]
    history = PrometheusHistory(api(server), "web-1", own=own)
    parts = list(history.recordings([Span(START, START + 1_200)]))
    asked = {each["query"] for each in server.asked}
    beside = 'instance=~"web\\\\-1(:[0-9]+)?",cluster="east"'
    requests = next(query for query in asked if "requests_total" in query)

    assert f"max(queue{{{beside}}})" in asked
    assert re.fullmatch(r"sum\(irate\(requests_total\{(.*)\}\[\d+s\]\)\)", requests)[1] == (  # type: ignore[index]
        f'{beside},code="a\\"b"'
    )
    promql_parser.parse(requests)
    assert {"requests", "queue"} <= set(parts[0].signals)


def test_network_without_link_speed_is_over_the_largest_rate_seen() -> None:
    """At least 100 Mbit/s, remembered from one slice to the next, as in the sampler."""
    finisher = Finisher()
    rates = np.array([1.25e6, 25e6, 25e6, 12.5e6])
    first = finisher.finish(
        np.arange(4.0), {"network/receive/rate": rates, "network/transmit/rate": rates / 2}
    )
    np.testing.assert_allclose(first["network"], [0.1, 1.0, 1.0, 0.5], rtol=1e-5)
    second = finisher.finish(np.array([4.0]), {"network/receive/rate": np.array([12.5e6])})
    np.testing.assert_allclose(second["network"], [0.5], rtol=1e-5)
    known = finisher.finish(np.array([5.0]), {"network/receive/share": np.array([math.nan])})
    assert np.isnan(known["network"]).all()


def test_pressure_is_the_fading_mean_that_the_kernel_keeps() -> None:
    """After ten seconds of a full stall avg10 stands at 1 - 1/e; a long gap is forgotten."""
    finisher = Finisher()
    timestamps = np.array([0.0, 10.0, 20.0, 500.0])
    shares = np.array([0.0, 1.0, math.nan, 0.5])
    faded = finisher.finish(timestamps, {"cpu_pressure": shares})["cpu_pressure"]
    np.testing.assert_allclose(faded, [0.0, 1 - math.exp(-1), math.nan, 0.5])
