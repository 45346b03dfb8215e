"""Documents that are almost a loadwatch's are shown, or refused in one line; a terminal is never at risk."""

import copy
import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from web.fake_daemon import FakeDaemon

from loadwatch.cli.remote import Remote
from loadwatch.cli.screen import show_status
from loadwatch.cli.top import line
from loadwatch.errors import ServiceError
from loadwatch.http_client import ANONYMOUS, Address, HttpClient

DOCUMENTS = 300
WICKED = "\x1b]0;title\x07\x1b[2J\nall is well\u202e"

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([WICKED, "x" * 10_000, [], {}, [[]], {"value": WICKED}, 10**400, 1e300, -1]),
    st.text(),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


@pytest.mark.slow
def test_no_document_is_a_traceback_or_moves_a_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything in the place of anything: each screen is printable, or one line says why."""
    fake = FakeDaemon(scenario="busy")
    fake._publish()
    whole = json.loads(json.dumps(fake.board.status()))
    everywhere = [place for place in places(whole) if place]
    answer: dict[str, Any] = {}
    monkeypatch.setattr(HttpClient, "get_json", lambda _self, _path: answer["document"])
    remote = Remote(Address.parse("http://127.0.0.1:9"), ANONYMOUS)
    seen: Counter[str] = Counter()

    @settings(max_examples=DOCUMENTS, deadline=None)
    @given(st.sampled_from(everywhere), anything)
    def show(place: tuple[Any, ...], value: Any) -> None:
        answer["document"] = copy.deepcopy(whole)
        target = answer["document"]
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = value
        console = Console(file=io.StringIO(), width=80, force_terminal=False)
        said = ""
        try:
            document = remote.status()
            with remote.understood():
                show_status(document, console)
                if document["verdict"]:
                    console.file.write(line(document))
        except ServiceError as error:
            said = str(error)
        seen["refused" if said else "shown"] += 1
        assert said.isprintable()
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert all(each.isprintable() for each in shown.split("\n"))

    show()
    print(f"{seen.total()} documents: {dict(seen)}")
    assert seen["shown"] > 30
    assert seen["refused"] > 30
