"""A training process gives way to everything else on the host and never outlives the daemon."""

import ctypes
import logging
import os
import signal
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS: Final = 1
_IOPRIO_IDLE: Final = 3 << 13
_LEAST_NICE: Final = 19
_FIRST_TO_GO: Final = 1000

log = logging.getLogger(__name__)


def exit_with_parent(parent: int) -> None:
    """Be killed when the parent ends; at once if it is gone already and its death can no longer reach us."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def lower_priority() -> None:
    """Take the lowest CPU and disk priority, and be killed first for want of memory.

    The idle disk class has no Python wrapper and its system call number differs by machine; where it is
    unknown the process merely keeps the disk priority that follows from its niceness.
    """
    os.nice(_LEAST_NICE)
    # The daemon may be protected from the out-of-memory killer, and a child inherits that.
    try:
        Path("/proc/self/oom_score_adj").write_text(f"{_FIRST_TO_GO}\n", encoding="ascii")
    except OSError as error:
        log.warning("cannot offer this training to the out-of-memory killer: %s", error)
    number = _IOPRIO_SET.get(os.uname().machine)
    if number is not None:
        ctypes.CDLL(None).syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_IDLE)
