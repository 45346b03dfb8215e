"""What the journal of systemd is told: errors, warnings and failed logins, a second.

``journalctl`` follows the journal in a process of its own and writes a line an entry; a thread counts them.
It is started anew when it ends, later each time. Nothing of an entry is kept, and a sample waits for nothing.

A journal that nobody lets us read is unknown, not quiet. Therefore the newest entry is asked for too, which
any journal has: until it comes, all is unknown.
"""

import contextlib
import json
import math
import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.escaping import printable
from loadwatch.signals import JOURNAL

COMMAND: Final = (
    "journalctl",
    "--follow",
    "--lines=1",
    "--system",
    # Else it shows this boot only, and a service with a /proc of its own in a container takes the host's boot
    # for it. `_machine` keeps out what other machines sent here.
    "--merge",
    "--no-pager",
    "--output=json",
    "--output-fields=PRIORITY,SYSLOG_FACILITY,MESSAGE",
)
MACHINE: Final = Path("/etc/machine-id")
LONGEST_LINE: Final = 65_536
"""Bytes; journalctl leaves out fields over 4 KiB."""
FIRST_ENTRY_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0

_ERRORS, _WARNINGS, _LOGINS = (signal.name for signal in JOURNAL)
# Quotation marks inside a value are escaped, so none of these can be made up in a message.
_PRIORITY: Final = re.compile(rb'"PRIORITY"\s*:\s*"([0-4])"')
_OF_LOGINS: Final = re.compile(rb'"SYSLOG_FACILITY"\s*:\s*"(?:4|10)"')  # auth and authpriv
_WRITTEN: Final = re.compile(rb'"__REALTIME_TIMESTAMP"\s*:\s*"(\d{1,18})"')
# Of OpenSSH, PAM's modules, login, su and sudo.
_FAILED: Final = re.compile(
    r"^(error: )?(PAM: )?Failed (password|publickey|keyboard-interactive)|authentication failure"
    r"|^Invalid user |^FAILED (LOGIN|SU)|incorrect password attempt"
)


@dataclass(slots=True)
class _Counts:
    """Of the entries since the last reading; ``begun`` is new with each journalctl that can read."""

    begun: int = 0
    errors: int = 0
    warnings: int = 0
    logins: int = 0


class JournalSource:
    """Entries a second since the previous reading."""

    name = "journal"
    kind = "journal"
    signals = (_ERRORS, _WARNINGS, _LOGINS)
    note = ""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = (*COMMAND, *_machine()) if command is None else tuple(command)
        self._lock = threading.Lock()
        self._counts = _Counts()
        self._follows = False
        self._trouble = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._then = math.nan
        self._known = 0

    def read(self, now: float) -> dict[str, float]:
        """Entries a second; unknown at the first reading after journalctl has begun to follow.

        Raises:
            SamplingError: it cannot be run, or may not read the journal.

        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
            self._thread.start()
        with self._lock:
            counts, self._counts = self._counts, _Counts(self._counts.begun)
            follows, trouble = self._follows, self._trouble
        then, self._then = self._then, now
        known, self._known = self._known, counts.begun if follows else 0
        if not follows and trouble:
            raise SamplingError(trouble)
        elapsed = now - then
        if not follows or known != counts.begun or not elapsed > 0.0:
            return dict.fromkeys(self.signals, math.nan)
        found = {_ERRORS: counts.errors, _WARNINGS: counts.warnings, _LOGINS: counts.logins}
        return {name: count / elapsed for name, count in found.items()}

    def forget(self) -> None:
        """Take the next reading for the first."""
        self._known = 0

    def close(self) -> None:
        """End journalctl and start it no more."""
        self._closing.set()
        with self._lock, contextlib.suppress(OSError):
            if self._process is not None:
                self._process.kill()

    def _work(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closing.is_set():
            begun = time.monotonic()
            try:
                why = self._follow()
            except Exception as error:  # noqa: BLE001 - told by the next reading, and tried again
                why = f"cannot run {self._command[0]}: {error}"
            with self._lock:
                self._follows, self._trouble = False, why
            lasted = time.monotonic() - begun > LONGEST_PAUSE_SECONDS
            pause = FIRST_PAUSE_SECONDS if lasted else min(2 * pause, LONGEST_PAUSE_SECONDS)
            self._closing.wait(pause)

    def _follow(self) -> str:
        """Count entries until journalctl ends; why it did."""
        started = time.time()
        with self._lock:
            if self._closing.is_set():
                return ""
            # The command is ours, or a test's; its words are read in English.
            self._process = process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
            )
        doubt = threading.Timer(FIRST_ENTRY_SECONDS, self._doubt)
        doubt.daemon = True
        doubt.start()
        words = ""
        try:
            assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
            whole = True
            while line := process.stdout.readline(LONGEST_LINE):
                begins, whole = whole, line.endswith(b"\n")
                if begins and line.startswith(b"{"):
                    self._count(line, started)
                elif begins and (said := printable(line.decode("utf-8", "replace").strip())):
                    words = said[:200]
                    self._say(words)
        finally:
            doubt.cancel()
            process.kill()
            status = process.wait()
            if process.stdout is not None:
                process.stdout.close()
        return f"journalctl ended with status {status}" + (f": {words}" if words else "")

    def _say(self, words: str) -> None:
        """Keep what journalctl said in place of an entry, which is a hint why none comes."""
        with self._lock:
            if not self._follows:
                self._trouble = f"journalctl shows no entry: {words}"

    def _doubt(self) -> None:
        with self._lock:
            if not self._follows and not self._trouble:
                self._trouble = "journalctl shows no entry; is its user in the group systemd-journal?"

    def _count(self, line: bytes, started: float) -> None:
        priority = _PRIORITY.search(line)
        failed = _OF_LOGINS.search(line) is not None and _tells_of_a_failed_login(line)
        with self._lock:
            if not self._follows:
                self._follows, self._trouble = True, ""
                self._counts = _Counts(self._counts.begun + 1)
                written = _WRITTEN.search(line)
                if written is not None and int(written.group(1)) < started * 1e6:
                    return  # only asked for to see whether it can be read
            if priority is not None:
                self._counts.errors += priority.group(1) != b"4"
                self._counts.warnings += priority.group(1) == b"4"
            self._counts.logins += failed


def _machine() -> list[str]:
    """What an entry of this machine has; nothing where that is not known."""
    with contextlib.suppress(OSError):
        identity = MACHINE.read_text(encoding="ascii", errors="replace").strip()
        if re.fullmatch("[0-9a-f]{32}", identity):
            return [f"_MACHINE_ID={identity}"]
    return []


def _tells_of_a_failed_login(line: bytes) -> bool:
    try:
        message = json.loads(line).get("MESSAGE")
    except (ValueError, RecursionError):
        return False
    return isinstance(message, str) and _FAILED.search(message) is not None
