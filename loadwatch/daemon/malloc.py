"""Giving memory back to the host."""

import ctypes
import gc


def trim_memory() -> None:
    """Return what a burst of work has freed to the kernel.

    The C library keeps freed memory for later. Warming up a model reads a week of history, which would stay
    counted as ours until the next time; other C libraries than glibc have no such call and need none.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
