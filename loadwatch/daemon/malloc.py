"""Taking little memory from the host, and giving it back."""

import ctypes
import gc
from typing import Final

_LIBRARY: Final = ctypes.CDLL(None)
# Of mallopt(3): their numbers are part of the C library's interface.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
KEPT_BYTES: Final = 64 * 1024
LARGE_BYTES, KEPT_WHILE_TRAINING = 4 * 1024**2, 16 * 1024**2
"""Of a training: what is larger goes back as it is freed; what is smaller comes again with the next rows."""


def spare_memory(large: int = KEPT_BYTES, kept: int = KEPT_BYTES) -> None:
    """Let freed memory go back to the kernel early; to be called before there are threads.

    Blocks of ``large`` bytes go back at once, smaller ones where more than ``kept`` lie unused at the end. By
    its own rules the C library keeps a pool for each thread, and blocks of up to 32 MiB for later: 3 MiB
    for nothing in a daemon that mostly does small things. Other C libraries than glibc have no such call.
    """
    adjust = getattr(_LIBRARY, "mallopt", None)
    if adjust is not None:
        for what, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, large), (M_TRIM_THRESHOLD, kept)):
            adjust(what, value)


def trim_memory() -> None:
    """Return to the kernel what a burst of work has freed, such as warming up a model on weeks of history."""
    gc.collect()
    trim = getattr(_LIBRARY, "malloc_trim", None)
    if trim is not None:
        trim(0)
