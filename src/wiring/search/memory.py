"""Keep the memory that a step frees, for the next step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc


def keep_memory() -> None:
    """Let glibc's malloc give nothing back to the kernel; elsewhere, do nothing.

    By default it returns large blocks as soon as they are freed and faults them in again, 4 KB at a
    time, when the next op asks: a quarter of a step on large maps (benchmarks/README.md).
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
