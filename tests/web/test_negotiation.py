"""A client gets what it asked for, and never what it ruled out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web.clients import Answers, get

from loadwatch.web import WebServer
from loadwatch.web.negotiation import qualities, takes_gzip


@pytest.mark.parametrize(
    ("header", "compressed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("gzip; q=0.001", True),
        ("", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip ; Q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("br", False),
        ("gzipped", False),
    ],
)
def test_encodings_are_heeded(server: WebServer, answers: Answers, header: str, compressed: bool) -> None:
    """Quality 0 means not acceptable, a higher one means rather that."""
    answers.page = b"loadwatch_signal 1\n" * 1000
    assert (get(server, Accept_Encoding=header).headers["Content-Encoding"] == "gzip") == compressed
    assert takes_gzip(header) == compressed


PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("header", "openmetrics"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text; version=1.0.0; q=0.0, text/plain", False),
        ("text/plain, application/openmetrics-text;q=0.5", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_formats_are_heeded(server: WebServer, answers: Answers, header: str, openmetrics: bool) -> None:
    """Prometheus' header leads to OpenMetrics, one that rules it out to text."""
    get(server, Accept=header)
    assert answers.asked == ["metrics application/openmetrics-text" if openmetrics else "metrics"]


@given(st.text())
def test_any_header_has_qualities_between_nothing_and_one(header: str) -> None:
    """Whatever a client writes."""
    assert all(0.0 <= quality <= 1.0 for quality in qualities(header).values())
