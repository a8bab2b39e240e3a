"""The place of the Docker socket in both modes, and the paths of the daemon that no mount may hide."""

from functools import lru_cache

from dind_webhook.model import PathSet, clean_path

UNIX_SCHEME = "unix://"
SOCKET_NAME = "docker.sock"
# A hard link to the socket, for mounts of a single file. A mount of the socket itself would break: dockerd removes and
# creates the socket, and if a subPath is missing, kubelet creates a directory there. No daemon could listen again.
SOCKET_LINK_NAME = "compat.sock"
DEFAULT_SOCKET = f"/var/run/{SOCKET_NAME}"
DEFAULT_DIR_WARNING = "the socket directory hides what the containers' images keep in /var/run"
DATA_ROOT = "/var/lib/docker"
# The directory of the client: the first of the PATH in nearly all images, and of the PATH that runtimes give to images
# without one.
DEFAULT_CLIENT_DIRECTORY = "/usr/local/sbin"
_LIBRARIES = ("lib", "lib32", "lib64", "libx32")
# Directories with the daemon's programs, settings and devices. /usr/src, /usr/share and the like are free.
SYSTEM_DIRECTORIES = (
    *(f"/{name}" for name in ("bin", "sbin", *_LIBRARIES, "etc", "proc", "sys", "dev")),
    *(f"/usr/{name}" for name in ("bin", "sbin", *_LIBRARIES, "libexec")),
    *(f"/usr/local/{name}" for name in ("bin", "sbin", "lib", "libexec")),
)
# Each image may have files of its own in them, in directories that nobody knows here.
SHARED_DIRECTORIES = frozenset(
    {"/home", "/opt", "/root", "/srv", "/tmp", "/usr/local/share", "/usr/share"}  # noqa: S108  # nothing is written there
)
_RESERVED_DIRECTORIES = PathSet.from_paths(*SYSTEM_DIRECTORIES, DATA_ROOT)
# The exec roots of dockerd and containerd
RUNTIME_DIRECTORIES = ("/run/docker", "/run/containerd")
_RUNTIME_PREFIXES = tuple(f"{directory}/" for directory in RUNTIME_DIRECTORIES)


def unix_socket_address(socket_dir: str) -> str:
    """Return the address of the socket in a directory, as dockerd and DOCKER_HOST accept it."""
    return f"{UNIX_SCHEME}{socket_dir}/{SOCKET_NAME}"


def is_default_socket_dir(socket_dir: str) -> bool:
    """Return whether a socket in this directory is at /var/run/docker.sock, where tools look without DOCKER_HOST."""
    return clean_path(f"{socket_dir}/{SOCKET_NAME}") == clean_path(DEFAULT_SOCKET)


def hides_daemon_files(socket_dir: str) -> bool:
    """Return whether a mount at this path would hide programs, the data root or the runtime files of dockerd."""
    path = clean_path(socket_dir)
    return _RESERVED_DIRECTORIES.overlaps(path) or f"{path}/".startswith(_RUNTIME_PREFIXES)


@lru_cache(maxsize=64)
def daemon_directories(socket_dir: str) -> PathSet:
    """Return the directories that the daemon needs itself: no shared volume may hide them."""
    return PathSet.from_paths(*SYSTEM_DIRECTORIES, DATA_ROOT, "/run", clean_path(socket_dir))
