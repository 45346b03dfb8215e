"""History from Prometheus: whole, in slices the server accepts, or a clear word why not."""

import base64
import json
import math
import re
import threading
import urllib.parse
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
from loadwatch.records import Span
from loadwatch.signals import NAMES

START = 1_700_000_000.0
INTERVAL = 15.0

Asked = dict[str, str]


@dataclass
class Server:
    """A Prometheus that knows one host since START, scraped every 15 seconds, half a second late."""

    hosts: list[dict[str, str]] = field(default_factory=lambda: [{"job": "node", "instance": "web-1:9100"}])
    most_points: int = 11_000
    failures: list[int] = field(default_factory=list)
    gaps: Callable[[float], bool] = lambda _: False
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
            return 422, {
                "status": "error",
                "error": "exceeded maximum resolution of some points per timeseries",
            }
        self.most_answered = max(self.most_answered, count)
        grid = [start + index * step for index in range(count)]
        values = [
            [moment, str(self._value(asked["query"], moment))] for moment in grid if self._sample(moment)
        ]
        return 200, _data("matrix", [{"metric": {}, "values": values}] if values else [])

    def _sample(self, moment: float) -> float | None:
        """The time of the newest sample at ``moment``, none before the first or after five minutes."""
        scrape = math.floor((moment - 0.5 - START) / INTERVAL)
        while scrape >= 0 and self.gaps(START + scrape * INTERVAL):
            scrape -= 1
        sample = START + scrape * INTERVAL + 0.5
        return sample if scrape >= 0 and moment - sample < 300 else None

    def _value(self, query: str, moment: float) -> float:
        sample = self._sample(moment)
        assert sample is not None
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
            self.end_headers()
            self.wfile.write(fake.body or json.dumps(answer).encode())

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


def test_long_times_come_in_slices_the_server_accepts(server: Server) -> None:
    """A month is asked for in parts of less than 11 000 points, and no scrape is lost or doubled."""
    told: list[tuple[float, float]] = []
    history = PrometheusHistory(api(server), "web-1:9100")
    end = START + 2 * 86_400
    parts = list(history.recordings([Span(START, end)], lambda done, whole: told.append((done, whole))))
    assert len(parts) > 2
    timestamps = np.concatenate([part.timestamps for part in parts])
    np.testing.assert_allclose(timestamps, START + 0.5 + INTERVAL * np.arange(len(timestamps)))
    assert len(timestamps) == 2 * 86_400 / INTERVAL
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
    server.most_points = 3_000
    parts = list(PrometheusHistory(api(server), "web-1").recordings([Span(START, START + 86_400)]))
    assert sum(len(part) for part in parts) == 86_400 / INTERVAL
    assert server.most_answered == 2_500


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
