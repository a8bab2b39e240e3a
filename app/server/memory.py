"""How the C library keeps memory that was freed."""

import ctypes

_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 128 * 1024


def return_large_blocks() -> None:
    """Have glibc give each block of 128 KiB or more back to the system when it is freed (mallopt(3)).

    By itself it raises that bound to the size of blocks that were freed, so that a large body, or the 256 KiB that
    uvloop sets aside for a TLS connection, would stay with the process, as pages that were written once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # musl has none, and gives back large blocks by itself.
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
