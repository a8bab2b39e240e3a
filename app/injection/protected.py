"""Directories of the daemon's own filesystem that a mount must not hide."""

from app.model import clean_path, first_step, overlap

DATA_ROOT = "/var/lib/docker"
_EXEC_ROOTS = ("/run/docker/", "/run/containerd/")
# By the first step of a path; the empty one is that of `/` itself.
_SYSTEM = frozenset({"", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "proc", "sys", "dev"})


def hides_the_daemon(socket_dir: str) -> bool:
    """Whether a socket directory there would hide programs, the data root or dockerd's own runtime files."""
    path = clean_path(socket_dir)
    return first_step(path) in _SYSTEM or overlap(path, DATA_ROOT) or f"{path}/".startswith(_EXEC_ROOTS)


def is_shareable_path(path: str, socket_dir: str) -> bool:
    """Whether a workspace mounted at the clean `path` hides nothing the daemon needs."""
    first = first_step(path)
    if first == "run" or first in _SYSTEM:
        return False
    return not overlap(path, DATA_ROOT) and not overlap(path, clean_path(socket_dir))
