"""How the process asks the system for memory."""

import ctypes
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_MOST = 2**31 - 1  # bytes: the largest number that mallopt takes


def keep_freed_memory() -> bool:
    """Lets the process keep what it frees, up to 2 GiB; returns whether it can.

    On a CPU a compiled function asks for its workspace at every call. By default glibc
    takes a block of more than 32 MiB from the system and gives it back, so that each of
    its pages is faulted in and zeroed again (`tests/test_allocator.py` counts them). To
    be called before jax starts its threads; threads share one heap from then on. It can
    only where malloc is glibc's.

    Source: mallopt(3) of the Linux manual pages.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST))
    return all([mallopt(name, value) == 1 for name, value in settings])
