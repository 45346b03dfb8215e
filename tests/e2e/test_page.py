"""The status page in a real Chromium: it loads, lives, tells the truth, and is open to everyone."""

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from cli import hosts
from cli.conftest import program
from processes import Daemon, Program
from web.certificates import make_authority
from web.fake_daemon import SCENARIOS, Starter, fake_daemons

from e2e.browser import Browser
from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.records import Alert, Contribution

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = "axe-core@4.10.3"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium of Debian's package of that name"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(CHROMIUM or "") as browser:
        yield browser


@pytest.fixture
def start() -> Iterator[Starter]:
    with fake_daemons() as begin:
        yield begin


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The accessibility checker, as its makers publish it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm to fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "pack", AXE], check=False, cwd=folder, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        pytest.skip(f"axe-core could not be fetched: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        script = package.extractfile("package/axe.min.js")
        assert isinstance(script, io.BufferedReader)
        return script.read().decode()


def loaded(browser: Browser) -> bool:
    return browser.until(lambda: browser.evaluate("document.querySelectorAll('.spark').length >= 27"))


def state(browser: Browser) -> str:
    return str(browser.evaluate("document.body.dataset.state"))


def test_the_page_loads_whole_and_in_silence(browser: Browser, start: Starter) -> None:
    """Verdict, curves, drivers, signals, alerts and model are there; the console has nothing to say."""
    daemon = start("calm")
    browser.screen(1280, 900)
    browser.open(daemon.server.urls[0])
    assert loaded(browser)
    assert browser.text("#headline") == "All is well"
    assert browser.text("#host") == "web-03.example.net"
    assert browser.evaluate("document.querySelectorAll('#tiles li').length") == 5
    assert browser.evaluate("document.querySelectorAll('#probability-chart .curve[d]').length") >= 5
    assert "CPU pressure" in browser.text("#contributions")
    assert "kernel update" in browser.evaluate("document.querySelector('#alerts').textContent")
    assert "trained on this host" in browser.text("#model")
    assert "(commit 0123456789ab)" in browser.text("#colophon")
    assert browser.errors == []


def test_a_source_that_fails_is_said_beside_what_to_trust(browser: Browser, start: Starter) -> None:
    """Which one, and why: the verdict is made without its signals."""
    browser.open(start("anomaly").server.urls[0])
    assert loaded(browser)
    assert "journal: journalctl ended with status 1" in browser.text("#model")


def test_nothing_is_asked_of_anyone_else(browser: Browser, start: Starter) -> None:
    """A server without a way out shows the same page; nobody else learns that it was opened."""
    daemon = start("calm")
    browser.open(daemon.server.urls[0])
    assert loaded(browser)
    assert {url for url in browser.requests if not url.startswith(daemon.server.urls[0])} == set()


@pytest.mark.parametrize(
    "scenario", [scenario for scenario in SCENARIOS if scenario not in ("stale", "starting", "young")]
)
def test_the_page_follows_the_verdict_without_reloading(
    browser: Browser, start: Starter, scenario: str
) -> None:
    """What changes in the daemon is on the page within seconds, in words, title and colour."""
    daemon = start("calm" if scenario != "calm" else "busy")
    browser.open(daemon.server.urls[0])
    assert loaded(browser)
    daemon.scenario = scenario
    expected = {"calm": "fine", "busy": "high_load"}.get(scenario, scenario)
    assert browser.until(lambda: state(browser) == expected)
    assert browser.text("#headline") in browser.evaluate("document.title")
    assert browser.text("#headline") in browser.evaluate(
        "document.querySelector('#announcement').textContent"
    )


def test_a_stale_daemon_is_shown_as_stale(browser: Browser, start: Starter) -> None:
    """It still answers, but its sampler is dead: no figure of the old verdict remains."""
    daemon = start("busy")
    browser.open(daemon.server.urls[0])
    assert loaded(browser)
    daemon.scenario = "stale"
    assert browser.until(lambda: state(browser) == "stale")
    assert browser.text("#headline") == "No fresh verdict"
    figures = browser.evaluate("[...document.querySelectorAll('#tiles .figure')].map(e => e.textContent)")
    assert figures == ["\u2013"] * 5
    before = browser.text("#age")
    assert browser.until(lambda: browser.text("#age") != before)


def test_a_page_opened_on_a_stale_daemon_has_every_tile(browser: Browser, start: Starter) -> None:
    """Each horizon is there and said to be unknown: nobody takes an empty place for "not likely"."""
    daemon = start("busy")
    daemon.scenario = "stale"
    assert browser.until(lambda: daemon.board.status()["state"] == "stale")
    browser.open(daemon.server.urls[0])
    assert loaded(browser)
    figures = browser.evaluate("[...document.querySelectorAll('#tiles .figure')].map(e => e.textContent)")
    assert figures == ["\u2013"] * 5
    assert "Within 15 minutes" in browser.text("#tiles")


def test_the_sentence_is_in_plain_words(browser: Browser, start: Starter) -> None:
    """Names of signals as people write them in the middle of a sentence."""
    browser.open(start("busy").server.urls[0])
    assert loaded(browser)
    assert browser.text("#detail").endswith("driven by CPU pressure +0.41, CPU +0.33, memory +0.22.")


def test_a_silent_daemon_is_shown_as_silent_and_found_again(browser: Browser, start: Starter) -> None:
    """The page says since when it has no answer, keeps asking, and recovers by itself."""
    daemon = start("calm")
    url = daemon.server.urls[0]
    browser.open(url)
    assert loaded(browser)
    daemon.close()
    assert browser.until(lambda: state(browser) == "unreachable")
    assert re.search(
        r"has not answered since \d\d:\d\d \(no (connection|answer within 4 seconds)\)",
        browser.text("#notice"),
    )
    start("calm", address=url.removeprefix("http://").rstrip("/"))
    assert browser.until(lambda: state(browser) == "fine")
    assert browser.evaluate("document.querySelector('#notice').hidden")


def test_a_daemon_without_a_verdict_is_said_to_be_starting(browser: Browser, start: Starter) -> None:
    """Nothing is invented before the first sample."""
    browser.open(start("starting").server.urls[0])
    assert browser.until(lambda: browser.text("#headline") == "No verdict yet")
    assert browser.errors == []


def test_the_first_minutes_are_shown_in_full_width(browser: Browser, start: Starter) -> None:
    """A daemon of a minute ago has curves and not an empty hour; what is not learned yet is said to be so."""
    browser.open(start("young").server.urls[0])
    assert loaded(browser)
    span = "document.querySelector('#probability-chart > svg').getAttribute('aria-label')"
    assert browser.until(lambda: "from" in (browser.evaluate(span) or ""))
    begin, end = re.findall(r"\d\d:\d\d", browser.evaluate(span))[:2]
    assert (int(end[3:]) - int(begin[3:])) % 60 <= 11
    assert "not learned yet" in browser.text("#tiles li:last-child")
    assert "synthetic samples" in browser.text("#model")
    assert browser.errors == []


def test_a_phone_shows_alerts_as_a_list(browser: Browser, start: Starter) -> None:
    """No sideways scrolling to the reason and the outcome of an alert."""
    browser.screen(390, 844)
    browser.open(start("busy").server.urls[0])
    assert loaded(browser)
    box = "document.querySelector('#alerts')"
    assert browser.evaluate(f"{box}.scrollWidth <= {box}.clientWidth")
    assert "kernel update" in browser.evaluate("document.querySelector('#alerts').textContent")
    browser.screen(1280, 900)


def test_no_figure_breaks_on_a_phone(browser: Browser, start: Starter) -> None:
    """The longest there is, ">99.9 %", stands on one line in the narrowest tile."""
    browser.screen(320, 800)
    browser.open(start("busy").server.urls[0])
    assert loaded(browser)
    tile = "document.querySelector('#tiles .figure')"
    browser.evaluate(f"{tile}.textContent = '>99.9 %'")
    assert browser.evaluate(f"{tile}.scrollWidth <= {tile}.clientWidth")
    assert browser.evaluate(f"{tile}.clientHeight < 2 * parseFloat(getComputedStyle({tile}).lineHeight)")
    browser.screen(1280, 900)


def test_the_curves_can_be_walked_by_keyboard(browser: Browser, start: Starter) -> None:
    """Arrow keys move through time and the figures of the moment are spoken; the day is one key away."""
    browser.open(start("calm").server.urls[0])
    assert loaded(browser)
    before = browser.text(".readout")
    browser.evaluate("document.querySelector('#probability-chart input').focus()")
    for _ in range(30):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowLeft", windowsVirtualKeyCode=37)
    assert browser.text(".readout") != before
    spoken = "document.querySelector('#probability-chart input').getAttribute('aria-valuetext')"
    assert browser.evaluate(spoken) == browser.text(".readout")
    browser.evaluate("document.querySelector('input[value=day]').click()")
    cards = "document.querySelector('[data-signal=cpu] input').getAttribute('aria-label')"
    assert browser.until(lambda: browser.evaluate(cards) == "CPU, last day")


def press(browser: Browser, key: str, code: int) -> None:
    text = {"text": "\r"} if key == "Enter" else {}
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
    browser.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)


def middle(browser: Browser, selector: str) -> tuple[float, float]:
    """Where to point at an element."""
    browser.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
    box = browser.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def mouse(browser: Browser, selector: str, *kinds: str) -> None:
    x, y = middle(browser, selector)
    for kind in kinds:
        button = "none" if kind == "mouseMoved" else "left"
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)


def test_alerts_and_reasons_stand_under_the_verdict(browser: Browser, start: Starter) -> None:
    """Who comes because of a message needs no scrolling past what is fine."""
    browser.screen(1280, 900)
    browser.open(start("busy").server.urls[0])
    assert loaded(browser)
    headings = browser.evaluate("[...document.querySelectorAll('main > section')].map(e => e.innerText)")
    assert headings[1].startswith("Alerts and maintenance\n")
    assert headings[2].startswith("What drives the verdict?\n")
    bottom = "document.querySelector('#contributions').getBoundingClientRect().bottom + scrollY"
    assert browser.evaluate(bottom) <= 900
    assert "log odds" in browser.text("#contributions")


def test_an_alert_opens_to_its_reasons_and_the_commands_that_answer_it(
    browser: Browser, start: Starter
) -> None:
    """By a click on its mark in the chart, by keyboard, or by a link; the command is one click to copy."""
    url = start("busy").server.urls[0]
    browser.screen(1280, 900)
    browser.open(url)
    assert loaded(browser)
    opened = "document.querySelector('#alert-42').open"
    assert not browser.evaluate(opened)
    mouse(browser, '#probability-chart a[href="#alert-42"]', "mouseMoved", "mousePressed", "mouseReleased")
    assert browser.until(lambda: browser.evaluate(opened))
    body = browser.text("#alert-42")
    assert "CPU pressure +0.41, Memory +0.22 in log odds" in body
    assert "mysqld (mysql.service) 3.1 of 4 CPUs" in body
    assert browser.evaluate("[...document.querySelectorAll('#alert-42 code')].map(e => e.textContent)") == [
        f"loadwatch label --alert 42 {kind}" for kind in ("normal", "high", "incident")
    ]
    mouse(browser, "#alert-42 button", "mousePressed", "mouseReleased")
    assert browser.evaluate("getSelection().toString()") == "loadwatch label --alert 42 normal"
    assert browser.until(lambda: browser.text("#alert-42 button") in {"Copied", "Selected"})
    browser.evaluate("document.querySelector('#alert-42 summary').focus()")
    press(browser, "Enter", 13)
    assert browser.until(lambda: not browser.evaluate(opened)), "by keyboard"
    browser.open(f"{url}?from=message#alert-39")
    assert browser.until(lambda: browser.evaluate("document.querySelector('#alert-39')?.open")), "by a link"
    assert browser.errors == []


def test_where_nothing_happens_one_line_says_so(browser: Browser, start: Starter) -> None:
    """A group at rest is one line, and so is what rests beside signals that move; each opens to its cards."""
    browser.open(start("calm").server.urls[0])
    assert loaded(browser)
    groups = {
        text.split("\n")[0]: text
        for text in browser.evaluate(
            "[...document.querySelectorAll('#signals .group')].map(e => e.innerText)"
        )
    }
    assert groups["Other"] == "Other\nNothing happens in the last hour: File handles, Threads"
    assert "Nothing happens at 5 more in the last hour: TCP resets" in groups["Connections"]
    shown = "document.querySelector('[data-signal=threads]').checkVisibility()"
    assert not browser.evaluate(shown)
    browser.evaluate("document.querySelector('.at-rest summary').click()")
    assert browser.evaluate(shown)
    assert browser.evaluate("document.querySelector('[data-signal=cpu]').checkVisibility()")


def test_a_small_chart_has_a_scale_and_tells_its_moments(browser: Browser, start: Starter) -> None:
    """As wide as its card, with the top of its scale, its range, and any moment by pointer or keyboard."""
    browser.open(start("calm").server.urls[0])
    assert loaded(browser)
    card = "document.querySelector('[data-signal=disk_read]')"
    assert browser.evaluate(f"{card}.querySelector('svg').clientWidth") >= 0.8 * browser.evaluate(
        f"{card}.clientWidth"
    )
    assert re.fullmatch(r"[125]0* MB/s", browser.text("[data-signal=disk_read] .top-of-scale"))
    readout = "[data-signal=disk_read] .range"
    resting = browser.text(readout)
    assert re.fullmatch(r"[\d.]+ [kM]?B/s to [\d.]+ MB/s", resting)
    mouse(browser, "[data-signal=disk_read] svg", "mouseMoved")
    assert browser.until(lambda: bool(re.fullmatch(r"\d\d:\d\d: [\d.]+ MB/s", browser.text(readout))))
    mouse(browser, "#headline", "mouseMoved")
    assert browser.until(lambda: " to " in browser.text(readout))
    browser.evaluate(f"{card}.querySelector('input').focus()")
    press(browser, "ArrowLeft", 37)
    said = browser.text(readout)
    assert re.match(r"\d\d:\d\d: ", said)
    assert browser.evaluate(f"{card}.querySelector('input').getAttribute('aria-valuetext')") == said


def test_the_large_chart_zooms_and_shows_a_signal_and_what_happened(browser: Browser, start: Starter) -> None:
    """An hour to a week; a signal on a scale of its own; alerts, labels, maintenance, training as marks."""
    browser.screen(1280, 900)
    browser.open(start("calm").server.urls[0])
    assert loaded(browser)
    chart = "document.querySelector('#probability-chart > svg').getAttribute('aria-label')"
    for span in ("six_hours", "day", "week"):
        browser.evaluate(f"document.querySelector('input[value={span}]').click()")
        label = "document.querySelector('[data-signal=cpu] input').getAttribute('aria-label')"
        assert browser.until(lambda: span.replace("_", " ") in browser.evaluate(label))  # noqa: B023
        assert "from" in browser.evaluate(chart)
    legend = browser.text("#probability-chart .legend")
    for mark in ("High-load alert", "Anomaly alert", "Maintenance", "Labelled normal", "Training"):
        assert mark in legend
    browser.evaluate(
        "const s = document.querySelector('#beside'); s.value = 'disk_read';"
        "s.dispatchEvent(new Event('change'))"
    )
    assert "Disk read (right)" in browser.text("#probability-chart .legend")
    assert re.search(r"Disk read [\d.]+ MB/s", browser.text("#probability-chart .readout"))
    browser.evaluate(
        "document.querySelector('#beside').value = 'load level';"
        "document.querySelector('#beside').dispatchEvent(new Event('change'))"
    )
    assert browser.evaluate("document.querySelector('#probability-chart path.fan').getAttribute('d')")
    assert re.search(r"Load level [\d.]+ %, forecast to peak at", browser.text(".readout"))
    assert "Peak within 15 minutes" in browser.text("#peak")
    browser.evaluate("s.value = 'disk_read'; s.dispatchEvent(new Event('change'))")
    assert "MB/s" in browser.evaluate(
        "document.querySelector('.of-signal').textContent + "
        "[...document.querySelectorAll('.of-signal')].at(-1).textContent"
    )
    assert browser.errors == []


def test_the_page_works_behind_a_prefix_under_tls_with_a_password(
    browser: Browser, start: Starter, tmp_path: Path
) -> None:
    """All links and requests are relative, so a proxy or a stricter server changes nothing."""
    certificate, key = make_authority(tmp_path / "authority").issue("server")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    config = tmp_path / "web.yml"
    config.write_text(
        f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n"
        f"basic_auth_users: {{alice: {hashed}}}\n"
    )
    daemon = start("calm", config_file=config, route_prefix="/hosts/web-03")
    browser.call("Security.setIgnoreCertificateErrors", ignore=True)
    url = daemon.server.urls[0]
    assert url.startswith("https://")
    assert url.endswith("/hosts/web-03/")
    browser.open(url.replace("https://", "https://alice:secret@"))
    assert loaded(browser)
    assert browser.text("#headline") == "All is well"
    links = browser.evaluate("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
    assert links == ["metrics", "api/v1/status", "static/manual.html"]
    browser.evaluate("document.querySelector('#documentation').click()")
    assert browser.until(lambda: "Manual" in str(browser.evaluate("document.title")))
    browser.evaluate("document.querySelector('header a').click()")
    assert browser.until(lambda: loaded(browser)), "the way back"


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("stress-ng") is None, reason="needs stress-ng of Debian's package")
def test_the_real_daemon_is_followed_while_its_host_works(browser: Browser, tmp_path: Path) -> None:
    """No fake: the page shows this very host getting busy and keeps up; then the daemon is frozen."""
    with Daemon(tmp_path / "state", "--set", "sampling.interval=1s").until_ready() as daemon:
        browser.screen(1280, 900)
        browser.open(f"{daemon.url}/")
        assert browser.until(lambda: browser.evaluate("document.querySelectorAll('.spark').length > 5"))
        assert browser.until(lambda: browser.text("#host") == socket.gethostname(), seconds=60)
        command = ["stress-ng", "--cpu", "0", "--timeout", "60s", "--quiet"]
        with Program(command, tmp_path / "stress.log"):
            cpu = "parseFloat(document.querySelector('[data-signal=cpu] .figure').textContent)"
            assert browser.until(lambda: browser.evaluate(cpu) > 90)
            assert browser.evaluate("document.body.dataset.state") not in ("stale", "unreachable")
        os.kill(daemon.process.pid, signal.SIGSTOP)
        assert browser.until(lambda: state(browser) == "unreachable")
        os.kill(daemon.process.pid, signal.SIGCONT)
        assert browser.until(lambda: state(browser) != "unreachable")


def violations(browser: Browser, axe: str) -> Any:
    browser.evaluate(f"{axe}; 0")
    return browser.evaluate(
        "axe.run(document).then(result => result.violations.map(one => "
        "[one.id, one.help, one.nodes.map(node => node.html.slice(0, 120))]))"
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a made-up host with an alert, as the page that is mailed."""
    folder = tmp_path_factory.mktemp("report")
    hosts.fill(folder / "state", hosts.recording(48, end=time.time()))
    with contextlib.closing(History.open(folder / "state/history.db", clock=SystemClock())) as history:
        parts = (Contribution("cpu", 0.7), Contribution("memory", -0.1))
        history.keep_alert(
            Alert(1, "high_load", time.time() - 7_200, time.time() - 6_000, 900, signals=parts)
        )
    rule = ("--set", f"high_load.when={hosts.RULE}", "--set", f"sampling.interval={hosts.STEP:.0f}s")
    for command in (("train",), ("report", "-o", folder / "report.html")):
        end = program(*command, "--state-directory", folder / "state", *rule)
        assert end.returncode == 0, end.stderr
    return folder / "report.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everyone_can_read_the_report(
    browser: Browser, axe: str, report: Path, width: int, dark: bool
) -> None:
    """On a phone and on a desk, by day and by night: no violation, and nothing sticks out."""
    browser.screen(width, 800, dark=dark)
    browser.open(report.as_uri())
    assert browser.until(lambda: browser.evaluate("document.readyState") == "complete")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.text("h1")
    assert violations(browser, axe) == []
    assert browser.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_everyone_can_read_the_manual(
    browser: Browser, start: Starter, axe: str, width: int, dark: bool
) -> None:
    """It comes from the daemon alone, with its drawing, and fits on a phone, by day and by night."""
    daemon = start("calm")
    browser.screen(width, 800, dark=dark)
    browser.open(f"{daemon.server.urls[0]}static/manual.html")
    assert browser.until(lambda: browser.evaluate("document.readyState") == "complete")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
    assert {url for url in browser.requests if not url.startswith(daemon.server.urls[0])} == set()
    assert violations(browser, axe) == []
    assert browser.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("scenario", ["busy", "anomaly", "maintenance", "stale"])
def test_everyone_can_read_it(browser: Browser, start: Starter, axe: str, scenario: str, dark: bool) -> None:
    """axe-core, the checker that browsers ship, finds no violation of WCAG 2.2 A and AA or good practice."""
    daemon = start("calm")
    browser.screen(1280, 900, dark=dark)
    browser.open(daemon.server.urls[0])
    assert loaded(browser)
    daemon.scenario = scenario
    expected = {"busy": "high_load"}.get(scenario, scenario)
    assert browser.until(lambda: state(browser) == expected)
    assert violations(browser, axe) == []


@pytest.mark.parametrize("width", [320, 390, 820, 1280])
def test_no_screen_is_too_small(browser: Browser, start: Starter, width: int) -> None:
    """Nothing sticks out sideways, down to 320 pixels."""
    browser.screen(width, 800)
    browser.open(start("busy").server.urls[0])
    assert loaded(browser)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
