"""Directories of the daemon's own filesystem that a mount must not hide."""

from functools import lru_cache

from app.model import Directories, clean_path

DATA_ROOT = "/var/lib/docker"
SYSTEM_DIRECTORIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/proc", "/sys", "/dev")
_FOR_SOCKETS = Directories.of(*SYSTEM_DIRECTORIES, DATA_ROOT)
_EXEC_ROOTS = ("/run/docker/", "/run/containerd/")


def hides_the_daemon(socket_dir: str) -> bool:
    """Whether a socket directory there would hide programs, the data root or dockerd's own runtime files."""
    path = clean_path(socket_dir)
    return _FOR_SOCKETS.meet(path) or f"{path}/".startswith(_EXEC_ROOTS)


@lru_cache(maxsize=64)
def unshareable(socket_dir: str) -> Directories:
    """Return where a workspace would hide something that the daemon needs."""
    return Directories.of(*SYSTEM_DIRECTORIES, DATA_ROOT, "/run", clean_path(socket_dir))
