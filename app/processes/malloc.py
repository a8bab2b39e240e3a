"""How the C library keeps memory that was freed."""

import ctypes
from collections.abc import Callable
from typing import Any

_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 128 * 1024


def return_large_blocks() -> None:
    """Have glibc give each block of 128 KiB or more back to the system when it is freed (mallopt(3)).

    By itself it raises that bound to the size of blocks that were freed, so that a large body, or the 256 KiB that
    uvloop sets aside for a TLS connection, would stay with the process, as pages that were written once.
    """
    _glibc("mallopt")(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def return_free_pages() -> None:
    """Have glibc give free pages among smaller blocks back to the system (malloc_trim(3)).

    By itself it gives back those at the end only: what lies below one block that is in use would stay, of every attack
    that comes to an end a part. It takes milliseconds where there is much to give back, or else a fifth of one.
    """
    _glibc("malloc_trim")(0)


def _glibc(name: str) -> Callable[..., Any]:
    # musl has none of these, and gives back freed memory by itself.
    found: Callable[..., Any] = getattr(ctypes.CDLL(None), name, lambda *_: None)
    return found
