"""Nothing that somebody typed, stored or served moves the cursor, forges a line or ends in a traceback."""

import json
import logging
import sqlite3
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cli.conftest import Invoke, program
from loadwatch.cli.logs import OneLine
from loadwatch.clock import SystemClock
from loadwatch.errors import HistoryError
from loadwatch.history import History
from loadwatch.records import Label, Maintenance, Span
from loadwatch.web import Facts
from loadwatch.web.status import build_status

EVIL = "deploy\n    2  normal  all is well\x1b[2J\x1b]0;title\x07\u202e"
SHOWN = r"deploy\n    2  normal  all is well\x1b[2J\x1b]0;title\x07\u202e"


def test_a_reason_with_controls_is_shown_escaped(invoke: Invoke, tmp_path: Path) -> None:
    """In the lists of labels and windows, one line each."""
    state = ("--state-directory", tmp_path)
    assert invoke("label", "--from", "2 hours ago", "high", "--why", EVIL, *state).exit_code == 0
    assert invoke("maintenance", "start", "--for", "1h", "--why", EVIL, *state).exit_code == 0
    for command in ("label", "maintenance"):
        listed = invoke(command, "list", *state).output
        assert SHOWN in listed
        assert len(listed.splitlines()) == 1
        assert json.loads(invoke(command, "list", "--json", *state).output)
    window = Maintenance(Span(0.0, 1e10), EVIL)
    document = build_status(None, Facts(maintenance=(window,)), age=0.0, interval=5.0, now=1.0)
    assert document["maintenance"][0]["why"] == SHOWN


@pytest.mark.parametrize("command", ["label", "maintenance"])
@pytest.mark.parametrize("identity", ["99999999999999999999", "0", "9" * 5000])
def test_a_number_beyond_all_numbers_is_refused_in_words(
    invoke: Invoke, tmp_path: Path, command: str, identity: str
) -> None:
    """As a wrong use of the command line."""
    verb = "remove" if command == "label" else "stop"
    end = program(command, verb, identity[:4000], "--state-directory", tmp_path)
    assert (end.returncode, "Traceback" in end.stderr, "unexpected" in end.stderr) == (2, False, False), end
    assert "invalid value" in end.stderr


def test_bytes_that_are_no_text_are_refused_in_words(tmp_path: Path) -> None:
    """Before anything is stored."""
    for argument in (b"--why", b"--state-directory"):
        end = subprocess.run(
            [
                sys.executable,
                "-m",
                "loadwatch",
                "label",
                "--from",
                "2 hours ago",
                "high",
                argument,
                b"\xff\xfe",
            ],
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
        assert end.returncode == 2
        assert b"is not UTF-8" in end.stderr
        assert len(end.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_window_beyond_all_calendars_is_refused_before_it_is_stored(invoke: Invoke, tmp_path: Path) -> None:
    """By the command and by the history; one that an older version stored breaks no view."""
    end = program("maintenance", "start", "--for", "500000w", "--state-directory", tmp_path)
    assert (end.returncode, "year 9999" in end.stderr) == (2, True), end
    history = History.open(tmp_path / "history.db", clock=SystemClock())
    for span in (Span(0.0, 1e12), Span(-1.0, 1.0), Span(0.0, float("inf")), Span(float("nan"), 1.0)):
        with pytest.raises(HistoryError):
            history.add_maintenance(Maintenance(span))
        with pytest.raises(HistoryError):
            history.add_label(Label(span, "high"))
    history.close()
    with sqlite3.connect(tmp_path / "history.db") as stored:
        stored.execute("INSERT INTO maintenance (start_timestamp, end_timestamp, why) VALUES (-5, 1e15, '')")
    stored.close()
    listed = invoke("maintenance", "list", "--state-directory", tmp_path)
    assert "@-5 to @1000000000000000" in listed.output


def test_what_a_server_answers_is_shown_escaped(invoke: Invoke) -> None:
    """Whoever sits at that address may answer what it likes: errors and texts stay text."""

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = build_status(None, Facts(host=EVIL), age=0.0, interval=5.0, now=1.0)
            body = json.dumps({**document, "headline": EVIL, "detail": EVIL}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Evil) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        shown = invoke("status", "--url", f"http://127.0.0.1:{server.server_port}").output
        server.shutdown()
    assert "\x1b]0;" not in shown
    assert "\x07" not in shown
    assert "deploy\\n" in shown


def test_a_log_line_stays_one_line() -> None:
    """Whatever is in a name; what we list ourselves is joined."""
    record = logging.LogRecord("x", logging.ERROR, "", 0, "job %s failed\n  first\n  second", (EVIL,), None)
    line = OneLine("%(levelname)s %(message)s").format(record)
    assert line.startswith("ERROR job deploy")
    assert line.endswith(r"all is well\x1b[2J\x1b]0;title\x07\u202e failed | first | second")
    assert line.isprintable()


@pytest.mark.slow
def test_closed_standard_streams_end_nothing(tmp_path: Path) -> None:
    """What is printed goes nowhere, and above all not into the next file that is opened."""
    command = f"{sys.executable} -m loadwatch label --from '2 hours ago' high --state-directory {tmp_path}"
    for closed in ("2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert subprocess.run(f"{command} {closed}", shell=True, check=False).returncode == 0
    with sqlite3.connect(tmp_path / "history.db") as stored:
        assert stored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert stored.execute("SELECT count(*) FROM labels").fetchone() == (3,)
    stored.close()
