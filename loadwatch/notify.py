"""Telling systemd how we are: the sd_notify protocol, one datagram to the socket named in the environment.

Protocol: sd_notify(3). Without ``NOTIFY_SOCKET`` (not started by systemd) every call does nothing.
"""

import os
import socket
from collections.abc import Mapping


class Notifier:
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
