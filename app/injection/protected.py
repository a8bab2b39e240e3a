"""Directories of the daemon's own filesystem that a mount must not hide."""

from functools import lru_cache

from app.model import clean_path, overlap

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/proc", "/sys", "/dev")
DATA_ROOT = "/var/lib/docker"
_FOR_SOCKETS = (*_SYSTEM, DATA_ROOT)
_FOR_WORKSPACES = (*_FOR_SOCKETS, "/run")


def hides_the_daemon(socket_dir: str) -> bool:
    """Whether a socket directory there would hide programs, the data root or the kernel's filesystems."""
    return _meets(clean_path(socket_dir), _FOR_SOCKETS)


@lru_cache(maxsize=4096)
def is_shareable_path(path: str, socket_dir: str) -> bool:
    """Whether a workspace mounted at the clean `path` hides nothing the daemon needs."""
    return not _meets(path, (*_FOR_WORKSPACES, clean_path(socket_dir)))


def _meets(path: str, protected: tuple[str, ...]) -> bool:
    return any(overlap(path, other) for other in protected)
