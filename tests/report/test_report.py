"""The report is one page by itself that says what happened and does not flatter the model."""

import re
import time
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from cli import hosts
from cli.conftest import Invoke, invoke  # noqa: F401 - a fixture

from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.records import Alert, Contribution, Culprit, Culprits, Maintenance, Span
from loadwatch.report.findings import stretches
from loadwatch.report.svg import thinned

OPTIONS = ("--set", f"high_load.when={hosts.RULE}", "--set", f"sampling.interval={hosts.STEP:.0f}s")
NOW = time.time()
VOID = {"meta", "link", "br", "hr", "img"}


class Reader(HTMLParser):
    """Notes what a page asks for from elsewhere, what it runs, and whether its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.elements: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of a host with alerts and maintenance, enough for a model of its own to win its place."""
    from cli.conftest import program  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("host") / "state"
    hosts.fill(folder, hosts.recording(72, end=NOW))
    history = History.open(folder / "history.db", clock=SystemClock())
    reasons = (Contribution("cpu", 0.66), Contribution("<memory>", -0.1))
    history.keep_alert(
        Alert(
            1,
            "high_load",
            NOW - 7_200,
            NOW - 6_000,
            900,
            lead_seconds=600,
            confirmed_by="rule",
            signals=reasons,
            culprits=Culprits("io", NOW - 7_100, 60.0, None, (Culprit("unit", "<backup>.service", 0.78),)),
        )
    )
    history.keep_alert(Alert(2, "anomaly", NOW - 900, None))
    history.add_maintenance(Maintenance(Span(NOW - 20_000, NOW - 18_000), "kernel"))
    history.close()
    end = program("train", "--state-directory", folder, *OPTIONS)
    assert end.returncode == 0, end.stderr
    return folder


def report(invoke: Invoke, state: Path, output: Path, *options: str) -> str:  # noqa: F811
    end = invoke("report", "--state-directory", state, *OPTIONS, *options, "-o", output)
    assert end.exit_code == 0, end.output
    return output.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_needs_nothing_but_itself(invoke: Invoke, state: Path, tmp_path: Path) -> None:  # noqa: F811
    """No script, no request, well-formed, small enough to mail."""
    text = report(invoke, state, tmp_path / "report.html")
    page = Reader(text)
    assert (page.addresses, page.open) == ([], [])
    assert not page.elements & {"script", "iframe", "img", "link", "object"}
    assert "url(" not in text
    assert "@import" not in text
    assert len(text) < 500_000


@pytest.mark.slow
def test_the_page_says_what_happened(invoke: Invoke, state: Path, tmp_path: Path) -> None:  # noqa: F811
    """Alerts with outcome and reasons, curves, forecasts by horizon, the model; foreign text is escaped."""
    text = report(invoke, state, tmp_path / "report.html")
    for words in (
        "<strong>2</strong>alerts",
        "<strong>1 of 1</strong>forecast alerts came true",
        "high load, foretold within 15 min",
        "confirmed, 10 min early",
        "cpu +0.66",
        "&lt;memory&gt; -0.10",
        'aria-label="Probability of high load, and what really was"',
        'class="maintenance"',
        'aria-label="Reliability of the forecasts"',
        'aria-label="Loss of the training"',
        hosts.RULE.replace(">", "&gt;"),
    ):
        assert words in text, words
    assert "<memory>" not in text
    assert "&lt;backup&gt;.service: 78 % of the I/O" in text


@pytest.mark.slow
def test_it_says_when_figures_flatter(invoke: Invoke, state: Path, tmp_path: Path) -> None:  # noqa: F811
    """Figures on what the model has learned from are marked as such."""
    assert "so this table flatters it" in report(invoke, state, tmp_path / "report.html")


@pytest.mark.slow
def test_the_span_is_the_one_asked_for(invoke: Invoke, state: Path, tmp_path: Path) -> None:  # noqa: F811
    """Of two hours there are two hours of samples, and one without any is refused."""
    until = datetime.fromtimestamp(NOW, UTC).isoformat()
    text = report(invoke, state, tmp_path / "report.html", "--since", "2h", "--until", until)
    found = re.search(r"<strong>(\d+)</strong>samples", text)
    assert found
    assert 230 <= int(found[1]) <= 240
    end = invoke("report", "--state-directory", state, "--until", "30 days ago", "-o", tmp_path / "none.html")
    assert "holds no samples of that span" in str(end.exception)
    assert not (tmp_path / "none.html").exists()


def test_thinning_keeps_every_peak() -> None:
    """The highest value of a week is on the page, however narrow it is; a gap stays a gap."""
    times = np.arange(100_000.0)
    values = np.full(100_000, 0.1)
    values[54_321] = 0.9
    values[10_000:20_000] = np.nan
    x, y = thinned(times, values, 500)
    assert (len(x), np.nanmax(y)) == (500, 0.9)
    assert np.isnan(y[(x > 10_200) & (x < 19_800)]).all()


def test_stretches_are_where_the_flag_is_up() -> None:
    """From the first row that has it to the first that has not; unknown is not up."""
    times = np.array([0.0, 10.0, 20.0, 30.0, 40.0])
    flags = np.array([1.0, np.nan, 0.0, 1.0, 1.0])
    assert stretches(times, flags) == [Span(0.0, 10.0), Span(30.0, 40.0)]
