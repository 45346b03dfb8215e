"""Telling systemd how we are: the sd_notify protocol, one datagram to the socket named in the environment.

Protocol: sd_notify(3). Without ``NOTIFY_SOCKET`` (not started by systemd) every call does nothing.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Final

EXTEND_SECONDS: Final = 10.0
LONGEST_START_SECONDS: Final = 900.0


class ServiceManager:
    """Sends state lines to the service manager.

    ``failures`` counts messages that could not be delivered: a lost STATUS line must not stop the daemon, but
    a lost WATCHDOG one will, so the count is exported.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is in the abstract namespace, whose first byte is NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environment.get("WATCHDOG_USEC", "")
        supervised = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(microseconds) / 1e6 if microseconds.isdigit() and supervised else None
        self.failures = 0

    @contextlib.contextmanager
    def starting(self) -> Iterator[threading.Event]:
        """Ask for more time, again and again, until the event is set, the block is left or much time passed.

        To read a long history takes longer on a slow host than a unit allows for a start.
        """
        ready = threading.Event()
        if not self._address:
            yield ready
            return

        def extend() -> None:
            for _ in range(int(LONGEST_START_SECONDS / EXTEND_SECONDS)):
                self.send(f"EXTEND_TIMEOUT_USEC={int(3e6 * EXTEND_SECONDS)}", "STATUS=starting")
                if ready.wait(EXTEND_SECONDS):
                    return

        threading.Thread(target=extend, name="start", daemon=True).start()
        try:
            yield ready
        finally:
            ready.set()

    def send(self, *lines: str) -> None:
        """Send lines such as ``READY=1``, ``STATUS=...``, ``WATCHDOG=1``, ``STOPPING=1`` in one datagram."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            self.failures += 1
