"""The journal of systemd as three rates, through a journalctl that behaves or does not."""

import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import eventually
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.errors import SamplingError
from loadwatch.sampling.journal import JournalSource
from loadwatch.signals import JOURNAL

NAMES = tuple(signal.name for signal in JOURNAL)
LATER = 4_000_000_000_000_000
"""Microseconds: an entry that is certainly written after the start of a test."""


def entry(
    message: object = "x", priority: object = "6", facility: str | None = None, when: int = LATER
) -> bytes:
    fields = {"__REALTIME_TIMESTAMP": str(when), "PRIORITY": priority, "MESSAGE": message}
    fields |= {} if facility is None else {"SYSLOG_FACILITY": facility}
    return json.dumps(fields).encode() + b"\n"


class Journal:
    """A source whose journalctl shows what a test writes, and a clock to read it by."""

    def __init__(self, pipe: Path) -> None:
        os.mkfifo(pipe)
        self._writing = os.open(pipe, os.O_RDWR)
        self.source = JournalSource(("cat", str(pipe)))
        self.now = 0.0

    def write(self, *lines: bytes) -> None:
        for line in lines:
            os.write(self._writing, line)

    def read(self) -> dict[str, float]:
        self.now += 2.0
        return self.source.read(self.now)

    def settled(self, *lines: bytes) -> dict[str, float]:
        """What is read when all of these lines have been counted: the last of them, an error, tells."""
        total = dict.fromkeys(NAMES, 0.0)
        self.write(*lines, entry(priority="3"))

        def counted() -> bool:
            for name, value in self.read().items():
                total[name] += 2.0 * value
            return total["log_errors"] >= 1 + sum(
                re.search(rb'"PRIORITY": "[0-3]"', line) is not None for line in lines
            )

        eventually(counted, seconds=10, what="all lines are counted")
        return {**total, "log_errors": total["log_errors"] - 1}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """One that has shown its newest entry and is followed."""
    journal = Journal(tmp_path / "pipe")
    assert all(math.isnan(value) for value in journal.read().values())
    journal.write(entry(priority="0", when=1))
    eventually(lambda: not math.isnan(journal.read()["log_errors"]), seconds=10, what="it is followed")
    yield journal
    journal.source.close()


def test_entries_are_counted_by_priority(journal: Journal) -> None:
    """Errors are err and worse; notices and what has no priority count for nothing."""
    lines = [entry(priority=each) for each in ("3", "2", "4", "4", "4", "5", "7", None)]
    assert journal.settled(*lines) == {"log_errors": 2.0, "log_warnings": 3.0, "failed_logins": 0.0}


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("Failed password for root from 192.0.2.1 port 22 ssh2", True),
        ("Failed publickey for git from 192.0.2.1", True),
        ("pam_unix(sshd:auth): authentication failure; logname= uid=0", True),
        ("Invalid user admin from 192.0.2.1 port 1", True),
        ("FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure", True),
        ("alice : 3 incorrect password attempts ; TTY=pts/0", True),
        ("Accepted password for root from 192.0.2.1", False),
        ("session opened for user root", False),
        ([70, 97], False),
        (None, False),
    ],
)
def test_a_failed_login_is_told_from_one_that_worked(journal: Journal, message: object, counts: bool) -> None:
    """As OpenSSH, PAM, login, su and sudo say it, under the facilities for that."""
    found = journal.settled(entry(message, facility="10"), entry(message, facility="4"))
    assert found["failed_logins"] == 2.0 * counts


def test_what_others_say_of_logins_counts_for_nothing(journal: Journal) -> None:
    """Neither a web application's words, nor a message that imitates the fields of an entry."""
    fake = '","PRIORITY":"0","SYSLOG_FACILITY":"10","MESSAGE":"Failed password'
    found = journal.settled(
        entry("Failed password for x", facility="3"), entry(fake), entry("Failed password")
    )
    assert found == dict.fromkeys(NAMES, 0.0)


def test_a_quiet_journal_is_0_and_not_unknown(journal: Journal) -> None:
    """It was seen that it can be read."""
    assert journal.settled() == dict.fromkeys(NAMES, 0.0)
    assert journal.read() == dict.fromkeys(NAMES, 0.0)


def test_an_endless_line_and_bytes_of_any_kind_harm_nothing(journal: Journal) -> None:
    """They are passed over, and what comes after is counted."""
    rubbish = [b"\x00\xff\x1b[2J\n", b"{" + b"x" * 200_000 + b'"PRIORITY": "3"' * 3 + b"\n", b"{}\n", b"\n"]
    journal.write(*rubbish)
    assert journal.settled(entry(priority="4"))["log_warnings"] == 1.0


@contextmanager
def running(program: str) -> Iterator[JournalSource]:
    source = JournalSource((sys.executable, "-c", program))
    try:
        yield source
    finally:
        source.close()


def fault(source: JournalSource) -> str:
    """What a reading raises in the end."""

    def failed() -> str:
        try:
            source.read(time.monotonic())
        except SamplingError as error:
            return str(error)
        return ""

    return str(eventually(failed, seconds=10, what="it fails"))


def test_a_journal_that_may_not_be_read_is_unknown_with_the_reason() -> None:
    """Nobody takes want of rights for quiet."""
    said = "No journal files were opened due to insufficient permissions."
    with running(f"import time; print({said!r}, flush=True); time.sleep(60)") as source:
        assert said in fault(source)
    with running(f"print({said!r})") as source:
        assert eventually(lambda: "ended with status 0" in fault(source), seconds=10, what="its end is told")
    absent = JournalSource(("/nonexistent/journalctl",))
    assert "cannot run /nonexistent/journalctl" in fault(absent)
    absent.close()


@pytest.mark.slow
def test_it_is_started_again_when_it_ends(tmp_path: Path) -> None:
    """What was missed meanwhile is unknown: the first reading after it gives no rate."""
    line = entry(when=1).decode()
    program = (
        "import os, sys, time\n"
        f"path = {str(tmp_path / 'again')!r}\n"
        f"print({line!r}, end='', flush=True)\n"
        "if os.path.exists(path): time.sleep(60)\n"
        "open(path, 'w').close()\n"
    )
    with running(program) as source:
        assert "ended with status 0" in fault(source)

        def again() -> bool:
            try:
                return math.isnan(source.read(time.monotonic())["log_errors"])
            except SamplingError:
                return False

        eventually(again, seconds=10, what="it follows again")
        assert source.read(time.monotonic() + 1.0) == dict.fromkeys(NAMES, 0.0)


@given(st.binary(max_size=200))
def test_no_line_at_all_stops_the_counting(line: bytes) -> None:
    """Whatever stands in it."""
    source = JournalSource(("true",))
    source._count(b"{" + line, 0.0)
    source._count(b'{"SYSLOG_FACILITY": "10"' + line, 0.0)
