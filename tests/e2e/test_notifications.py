"""A real daemon tells of its alerts by real protocols: a mail server, a webhook, and what goes wrong."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from processes import Daemon, free_port

from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.judge import Judge
from loadwatch.records import Alert, Contribution

pytest.importorskip("apprise", reason="loadwatch[notify]")
controllers = pytest.importorskip("aiosmtpd.controller", reason="a mail server for the test")
smtp = pytest.importorskip("aiosmtpd.smtp")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PASSWORD = "hunter2secret"
TOKEN = "tok3n-of-the-hook"


class Hook:
    """A webhook on a port of its own that keeps what it was sent; ``before`` runs before it answers."""

    def __init__(self, port: int = 0, status: int = 200) -> None:
        self.received: list[dict[str, Any]] = []
        self.before: Callable[[], None] = lambda: None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                hook.before()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.url = f"json://127.0.0.1:{self._server.server_port}/{TOKEN}"

    def __enter__(self) -> "Hook":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def titles(self) -> list[str]:
        return [message["title"].partition(": ")[2] for message in self.received]


class Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, str]]:
    """A mail server that wants a password, and the URL that sends through it."""

    def is_alice(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> Any:
        return smtp.AuthResult(success=(data.login, data.password) == (b"alice", PASSWORD.encode()))

    mailbox, port = Mailbox(), free_port()
    controller = controllers.Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        authenticator=is_alice,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    address = f"mailto://alice:{PASSWORD}@127.0.0.1:{port}"
    yield mailbox, f"{address}?from=loadwatch@example.com&to=ops@example.com&mode=insecure&smtp=127.0.0.1"
    controller.stop()


def alert_in(state: Path) -> Alert:
    """A state directory whose daemon had an alert open when it ended; answers the alert."""
    state.mkdir(parents=True, exist_ok=True)
    now = time.time()
    alert = Alert(
        1,
        "high_load",
        now - 60.0,
        flagged_by="rule",
        confirmed_by="rule",
        signals=(Contribution("cpu_pressure", 0.41),),
    )
    judge = Judge((0, 60, 300, 900), budget_per_week=2.0).to_state()
    judge["last"] = now
    judge["pager"]["open"] = [[alert.to_plain(), now, "present", False]]
    history = History.open(state / "history.db", clock=SystemClock())
    history.keep_alert(alert)
    history.set_state("judge", judge)
    history.close()
    return alert


def end(state: Path, alert: Alert) -> None:
    """What half an hour of calm makes of the alert; nobody waits for it here."""
    history = History.open(state / "history.db", clock=SystemClock())
    history.keep_alert(replace(alert, end=time.time()))
    history.set_state("judge", None)
    history.close()


def secrets_of(folder: Path, *urls: str) -> Path:
    path = folder / "notify"
    path.write_text("\n".join(urls), encoding="utf-8")
    path.chmod(0o600)
    return path


def daemon_of(state: Path, *urls: str) -> Daemon:
    file = secrets_of(state.parent, *urls)
    return Daemon(
        state,
        *("--set", f"alerts.notify_file={file}", "--set", "web.external_url=https://web-1.example.com"),
        environment={"TZ": "Europe/Amsterdam"},
    )


def loadwatch(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loadwatch", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_an_alert_is_told_by_mail_and_webhook_at_its_opening_and_its_end(
    tmp_path: Path, mail: tuple[Mailbox, str]
) -> None:
    """Once each, also by a daemon after the first; no secret in log, metrics, status or on the page."""
    mailbox, url = mail
    state = tmp_path / "state"
    alert = alert_in(state)
    with Hook() as hook:
        with daemon_of(state, url, hook.url) as daemon:
            eventually(
                lambda: mailbox.letters and hook.received, seconds=60, what="both are told of the opening"
            )
            daemon.until_ready()

            def is_told() -> bool:
                told = json.loads(daemon.get("/api/v1/status"))["notifications"]
                return [each["waiting"] for each in told] == [0, 0]

            eventually(is_told, seconds=30, what="the status says that nothing waits")
            shown = loadwatch("notify", "--url", daemon.url).stdout
            assert shown.startswith("1 mailto: last told ")
            seen = [daemon.get(path) for path in ("/metrics", "/api/v1/status", "/")]
            assert not daemon.value("loadwatch_notification_failures_total")
            daemon.terminate()
            seen += [daemon.output(), shown]
        end(state, alert)
        with daemon_of(state, url, hook.url) as daemon:
            eventually(
                lambda: len(mailbox.letters) == 2 and len(hook.received) == 2,
                seconds=60,
                what="both are told of the end",
            )
            daemon.terminate()
            seen.append(daemon.output())
        assert hook.titles() == ["under high load", "over after 1m: high load"]
    opening, over = mailbox.letters
    assert opening["Subject"].endswith(": under high load")
    assert opening["To"] == "ops@example.com"
    text = opening.get_body(("html", "plain")).get_content()
    assert "cpu_pressure +0.41" in text
    assert "loadwatch label --alert 1 normal" in text
    assert "https://web-1.example.com/static/manual.html#loadwatchhighload" in text
    assert over["Subject"].endswith(": over after 1m: high load")
    for page in seen:
        assert PASSWORD not in page
        assert TOKEN not in page


def is_told(daemon: Daemon) -> bool:
    """Whether the daemon knows that nothing waits any more."""
    return all(each["waiting"] == 0 for each in json.loads(daemon.get("/api/v1/status"))["notifications"])


def test_a_kill_between_sending_and_remembering_loses_nothing_and_is_said(tmp_path: Path) -> None:
    """kill -9 while the service takes the message: the next daemon tells it again, once, and says so."""
    state = tmp_path / "state"
    alert_in(state)
    with Hook() as hook:
        with daemon_of(state, hook.url) as daemon:
            hook.before = lambda: os.kill(daemon.process.pid, signal.SIGKILL)
            eventually(lambda: hook.received, seconds=60, what="the first message")
            daemon.process.wait(timeout=10)
        hook.before = lambda: None
        with daemon_of(state, hook.url) as daemon:
            eventually(lambda: len(hook.received) == 2, seconds=60, what="it is told again")
            eventually(lambda: is_told(daemon), seconds=60, what="it is known to be told")
            daemon.terminate()
        with daemon_of(state, hook.url) as daemon:
            daemon.until_ready()
            time.sleep(8)  # two looks at what is due
            daemon.terminate()
        assert ["second time" in message["message"] for message in hook.received] == [False, True]


def test_a_server_that_is_down_is_told_when_it_is_back(tmp_path: Path) -> None:
    """Each attempt counts, the reason is shown without the URL, and the message comes once."""
    state, port = tmp_path / "state", free_port()
    alert_in(state)
    with daemon_of(state, f"json://127.0.0.1:{port}/{TOKEN}") as daemon:
        eventually(
            lambda: (daemon.value("loadwatch_notification_failures_total") or 0) >= 1,
            seconds=60,
            what="a failure is counted",
        )
        (told,) = json.loads(daemon.get("/api/v1/status"))["notifications"]
        assert told["waiting"] == 1
        assert told["trouble"]
        assert TOKEN not in told["trouble"]
        with Hook(port) as hook:
            eventually(lambda: hook.received, seconds=60, what="it is told")
            time.sleep(8)  # two looks at what is due
            assert hook.titles() == ["under high load"]
        daemon.terminate()
        assert TOKEN not in daemon.output()


def test_a_refusal_of_the_service_is_a_failure(tmp_path: Path) -> None:
    """An answer that is not a yes is none."""
    file = secrets_of(tmp_path, "json://127.0.0.1:1/x")
    with Hook(status=500) as hook:
        secrets_of(tmp_path, hook.url)
        tried = loadwatch("notify", "--test", "--set", f"alerts.notify_file={file}")
    assert tried.returncode == 1
    assert "1 json: not delivered: " in tried.stdout
    assert "1 of 1 messages were not delivered" in tried.stderr
    assert TOKEN not in tried.stdout + tried.stderr


def test_the_test_sends_to_everybody(tmp_path: Path, mail: tuple[Mailbox, str]) -> None:
    """``loadwatch notify --test`` proves URL, password and way in one go."""
    mailbox, url = mail
    with Hook() as hook:
        file = secrets_of(tmp_path, url, hook.url)
        tried = loadwatch("notify", "--test", "--set", f"alerts.notify_file={file}")
        assert tried.returncode == 0, tried.stderr
        assert tried.stdout == "1 mailto: delivered\n2 json: delivered\n"
        assert hook.titles() == ["test of loadwatch"]
    assert len(mailbox.letters) == 1
    wrong = secrets_of(tmp_path, url.replace(PASSWORD, "wrong-password"))
    tried = loadwatch("notify", "--test", "--set", f"alerts.notify_file={wrong}")
    assert tried.returncode == 1
    assert len(mailbox.letters) == 1
    assert "wrong-password" not in tried.stdout + tried.stderr


def test_a_daemon_does_not_start_with_an_url_that_it_cannot_use(tmp_path: Path) -> None:
    """78, as for every wrong setting, so that systemd does not try it again; the URL is not quoted."""
    with Daemon(tmp_path / "state", "--set", f'alerts.notify="mialto://alice:{PASSWORD}@x.org"') as daemon:
        assert daemon.process.wait(timeout=60) == 78
        assert "Apprise cannot use URL 1 mialto" in daemon.output()
        assert PASSWORD not in daemon.output()


def test_no_secret_is_in_the_state_directory(tmp_path: Path) -> None:
    """What is remembered of who was told cannot be read back into an URL."""
    state = tmp_path / "state"
    alert_in(state)
    with Hook() as hook, daemon_of(state, hook.url) as daemon:
        eventually(lambda: hook.received, seconds=60, what="it is told")
        eventually(lambda: is_told(daemon), seconds=60, what="it is known to be told")
        daemon.terminate()
    stored = sqlite3.connect(state / "history.db").execute("SELECT value FROM state").fetchall()
    assert any("told" in value for (value,) in stored)
    assert not any(TOKEN in value for (value,) in stored)
