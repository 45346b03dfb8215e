"""``loadwatch top`` lives in a real terminal, follows its size, and is plain in a pipe."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from web.fake_daemon import FakeDaemon, Starter

from cli.conftest import Invoke, program


class Terminal:
    """A terminal with ``loadwatch top`` in it."""

    def __init__(self, url: str, *, rows: int, columns: int, **environment: str) -> None:
        self.leader, follower = pty.openpty()
        self.before = termios.tcgetattr(follower)
        self._follower = follower
        self.resize(rows, columns)
        inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loadwatch", "top", "--url", url, "--interval", "200ms"],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**inherited, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, key: str) -> None:
        os.write(self.leader, key.encode())

    def until(self, words: str, *, seconds: float = 30.0) -> str:
        """Everything shown up to and with these words."""
        shown, deadline = b"", time.monotonic() + seconds
        while words not in shown.decode(errors="ignore"):
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds} s: {words!r} in {shown[-9000:]!r}"
            if select.select([self.leader], [], [], left)[0]:
                shown += os.read(self.leader, 65536)
        return shown.decode(errors="ignore")

    def settings(self) -> list[object]:
        return termios.tcgetattr(self._follower)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
        os.close(self._follower)


@contextmanager
def terminal(
    fake: FakeDaemon, *, rows: int = 40, columns: int = 110, **environment: str
) -> Iterator[Terminal]:
    it = Terminal(fake.server.urls[0], rows=rows, columns=columns, **environment)
    try:
        yield it
    finally:
        it.close()


@pytest.mark.slow
def test_top_lives_and_leaves_the_terminal_as_it_was(daemon: Starter) -> None:
    """Verdict, lines of history and keys; after q the terminal is itself again."""
    with terminal(daemon("busy")) as it:
        shown = it.until("look back")
        assert "last hour" in shown
        assert "\x1b[?1049h" in shown
        assert any(level in shown for level in "▂▃▄▅▆▇")
        it.press("d")
        it.until("last day")
        it.press("6")
        it.until("last six hours")
        it.press("w")
        it.until("last week")
        it.press("q")
        it.until("\x1b[?1049l")
        assert it.process.wait(timeout=10) == 0
        assert it.settings() == it.before


def test_eighty_columns_show_history_with_its_scale(invoke: Invoke, daemon: Starter) -> None:
    """The narrowest usual terminal: each line with the highest value in it, none longer than the terminal."""
    end = invoke("top", "--once", "--url", daemon("busy").server.urls[0], env={"COLUMNS": "80"})
    lines = end.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(re.match(r"signals +now +why, log odds +last hour +highest$", line) for line in lines)
    assert any(
        re.match(r"network_receive +[\d.]+ MiB/s .*[▁▂▃▄▅▆▇█]{20,} +[\d.]+ MiB/s$", line) for line in lines
    )


@pytest.mark.slow
def test_the_arrows_look_back(daemon: Starter) -> None:
    """The values of a moment, and when that was; to the right until now again. An arrow does not end it."""
    with terminal(daemon("busy"), columns=80) as it:
        it.until("look back")
        for _ in range(5):
            it.press("\x1b[D")
        shown = it.until("\x1b[7")
        assert re.search(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d:\d\d", shown)
        for _ in range(6):
            it.press("\x1b[C")
        it.until(" now\x1b[0m")
        assert it.process.poll() is None


@pytest.mark.slow
def test_top_follows_the_size_of_the_terminal(daemon: Starter) -> None:
    """Drawn anew within moments, wider or narrower, without being told."""
    with terminal(daemon("busy"), columns=110) as it:
        it.until("q quit")
        it.resize(60, 160)
        it.until("udp_out_datagrams")  # there is room for every signal now


def test_a_low_window_keeps_verdict_signals_and_keys(daemon: Starter) -> None:
    """Where there is no room for what the verdict rests on, no line is wasted on it."""
    with terminal(daemon("busy"), rows=15, columns=80) as it:
        shown = it.until("q quit")
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines()
    screen = [line.rstrip() for line in lines[-15:]]
    assert len([line for line in screen if not line]) == 3
    assert "model" not in shown


def test_top_shows_where_it_cuts(daemon: Starter) -> None:
    """In a narrow window a fact that is too long for its line ends with a sign that there is more."""
    with terminal(daemon("busy"), columns=60) as it:
        shown = it.until("q quit")
    assert "…" in shown.partition("(trained), 5 h")[2].partition("training")[0]


def test_top_names_every_signal_whole_where_there_is_room(daemon: Starter) -> None:
    """Names that begin alike are told apart."""
    with terminal(daemon("busy"), rows=60, columns=110) as it:
        it.until("tcp_retransmit_timeouts")


def test_top_outlives_the_daemon(daemon: Starter) -> None:
    """Where nobody answers, the last screen stays and says so; no traceback, no end."""
    fake = daemon("calm")
    with terminal(fake) as it:
        it.until("All is well")
        fake.server.close()
        it.until("no loadwatch answers")
        it.press("q")
        it.until("\x1b[?1049l")
        assert it.process.wait(timeout=10) == 0


@pytest.mark.slow
def test_colours_respect_no_color(daemon: Starter) -> None:
    """https://no-color.org: bold and dim stay, colours go."""
    with terminal(daemon("busy"), NO_COLOR="1") as it:
        shown = it.until("q quit")
    assert "\x1b[31m" not in shown
    assert "\x1b[1;31m" not in shown


@pytest.mark.slow
def test_a_pipe_gets_a_line_for_each_sample(daemon: Starter) -> None:
    """Time, state, probability by horizon with flags, anomaly score, and why."""
    end = program("top", "--url", daemon("busy").server.urls[0], "--interval", "200ms", "--count", "2")
    lines = end.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0] != lines[1]
    assert " high_load    now=" in lines[0]
    assert "cpu_pressure +0.41" in lines[0]


def test_once_prints_one_screen(invoke: Invoke, daemon: Starter) -> None:
    """With its lines of history, for a report or a first look."""
    end = invoke("top", "--once", "--url", daemon().server.urls[0], env={"COLUMNS": "120"})
    assert end.exit_code == 0
    assert "▂" in end.output
