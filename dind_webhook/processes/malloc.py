"""Makes the C library return freed memory to the system."""

import ctypes
from collections.abc import Callable
from typing import Any

_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 128 * 1024


def return_large_blocks() -> None:
    """Make glibc return each block of 128 KiB or more to the system when it is freed (mallopt(3)).

    By default glibc raises that threshold to the size of blocks that were freed. Memory of a large body, or the 256 KiB
    that uvloop allocates for a TLS connection, would then stay with the process.
    """
    _glibc("mallopt")(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def return_free_pages() -> None:
    """Make glibc return the free pages between smaller blocks to the system (malloc_trim(3)).

    By default glibc returns only pages above the last block in use, so a part of the memory of a load peak would stay.
    A call takes 0.2 ms, or some milliseconds if there is much to return.
    """
    _glibc("malloc_trim")(0)


def _glibc(name: str) -> Callable[..., Any]:
    # musl has none of these functions; it returns freed memory without them.
    found: Callable[..., Any] = getattr(ctypes.CDLL(None), name, lambda *_: None)
    return found
