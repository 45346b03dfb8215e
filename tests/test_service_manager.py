"""systemd hears what the daemon says, and its absence is no trouble."""

import os
import socket
from pathlib import Path

import pytest

from loadwatch.service_manager import ServiceManager


def test_lines_arrive_in_one_datagram(tmp_path: Path) -> None:
    """READY and STATUS reach the service manager together."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": address}).send("READY=1", "STATUS=watching")
        assert manager.recv(1024) == b"READY=1\nSTATUS=watching"


def test_without_a_service_manager_nothing_happens() -> None:
    """A daemon started by hand runs as well."""
    manager = ServiceManager({})
    manager.send("READY=1")
    assert (manager.failures, manager.watchdog_seconds) == (0, None)


def test_a_lost_message_is_counted(tmp_path: Path) -> None:
    """A manager that went away does not stop the daemon, but is not hidden either."""
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    manager.send("WATCHDOG=1")
    assert manager.failures == 1


@pytest.mark.parametrize(
    ("pid", "expected"), [(str(os.getpid()), 30.0), ("1", None)], ids=["ours", "another process's"]
)
def test_the_watchdog_interval_is_ours_only(pid: str, expected: float | None) -> None:
    """The watchdog applies only to the process it was meant for."""
    manager = ServiceManager({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": pid})
    assert manager.watchdog_seconds == expected
