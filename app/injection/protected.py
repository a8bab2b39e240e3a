"""Directories of the daemon's own filesystem that a mount must not hide."""

from app.model import clean_path, overlap

DATA_ROOT = "/var/lib/docker"
# First steps of paths: what is equal to one of these or under it is the system's.
_SYSTEM = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "proc", "sys", "dev"})
_EXEC_ROOTS = ("/run/docker/", "/run/containerd/")


def hides_the_daemon(socket_dir: str) -> bool:
    """Whether a socket directory there would hide programs, the data root or dockerd's own runtime files."""
    path = clean_path(socket_dir)
    return _is_of_the_system(path) or f"{path}/".startswith(_EXEC_ROOTS)


def is_shareable_path(path: str, socket_dir: str) -> bool:
    """Whether a workspace mounted at the clean `path` hides nothing the daemon needs."""
    return not (_is_of_the_system(path) or overlap(path, "/run") or overlap(path, clean_path(socket_dir)))


def _is_of_the_system(path: str) -> bool:
    return path.split("/", 2)[1] in _SYSTEM or overlap(path, DATA_ROOT)
