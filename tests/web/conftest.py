"""Servers on free ports."""

from collections.abc import Iterator
from typing import Any

import pytest
from web.clients import Answers, Starter

from loadwatch.web import WebServer


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def start(answers: Answers) -> Iterator[Starter]:
    """Start servers with any options; all are closed afterwards."""
    started: list[WebServer] = []

    def begin(*addresses: str, **options: Any) -> WebServer:
        server = WebServer(addresses or ("127.0.0.1:0",), answers.providers(), **options)
        server.start()
        started.append(server)
        return server

    yield begin
    for server in started:
        server.close()


@pytest.fixture
def server(start: Starter) -> WebServer:
    return start()
