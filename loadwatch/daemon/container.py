"""What the log says about a container: there, what is measured is not what a newcomer expects."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MARKS: Final = (".dockerenv", "run/.containerenv")
_VARIABLES: Final = ("container", "KUBERNETES_SERVICE_HOST")
_MEBIBYTE: Final = 1 << 20


def container_note(
    root: Path = Path("/"), environment: Mapping[str, str] = os.environ, *, procfs: Path = Path("/proc")
) -> str:
    """What is measured from inside this container, in one line; empty where we run in none.

    A container's kernel files show the whole host, whatever the limits of the container are; only the network
    is its own unless it was started with the host's.
    """
    marked = any((root / mark).exists() for mark in _MARKS)
    if not marked and not any(name in environment for name in _VARIABLES):
        return ""
    limits = _limits(root / "sys/fs/cgroup")
    within = f" (this container may use {limits})" if limits else ""
    network = (
        "network is that of the network namespace we are in: the host's with --network host"
        if procfs == Path("/proc")
        else f"read from {procfs}"
    )
    return f"in a container: cpu, memory, disks and pressure are those of the whole host{within}; {network}"


def _limits(group: Path) -> str:
    """The limits of our control group (version 2), as text."""
    found = []
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        found.append(f"{int(quota) / int(period):.3g} CPUs")
    memory = _read(group / "memory.max")
    if memory.isdigit():
        found.append(f"{int(memory) // _MEBIBYTE} MiB")
    return " and ".join(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        # Version 1, or hidden: then there is nothing to add.
        return ""
