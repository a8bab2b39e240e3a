"""Where the Docker socket is, in both modes, and the paths of the daemon that no mount may hide."""

from functools import lru_cache

from app.model import PathSet, clean_path

SOCKET_NAME = "docker.sock"
# A hard link to the socket, for mounts of a single file. Not the socket itself: dockerd removes and creates
# that one, and where a subPath is missing, kubelet makes a directory of its name, at which no daemon could
# listen again.
SOCKET_LINK_NAME = "compat.sock"
DEFAULT_SOCKET = f"/var/run/{SOCKET_NAME}"
DEFAULT_DIR_WARNING = "the socket directory hides what the containers' images keep in /var/run"
DATA_ROOT = "/var/lib/docker"
SYSTEM_DIRECTORIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/proc", "/sys", "/dev")
_RESERVED_DIRECTORIES = PathSet.from_paths(*SYSTEM_DIRECTORIES, DATA_ROOT)
_EXEC_ROOTS = ("/run/docker/", "/run/containerd/")


def unix_socket_address(socket_dir: str) -> str:
    """Return the address that dockerd and DOCKER_HOST take for the socket in a directory."""
    return f"unix://{socket_dir}/{SOCKET_NAME}"


def is_default_socket_dir(socket_dir: str) -> bool:
    """Whether the socket in this directory is where tools look for it that know no DOCKER_HOST."""
    return clean_path(f"{socket_dir}/{SOCKET_NAME}") == clean_path(DEFAULT_SOCKET)


def wait_script(docker: str, seconds: int, pause: str, on_timeout: str) -> str:
    """Return the shell script that waits for a daemon to answer a client, and does `on_timeout` after `seconds`.

    `docker` is the client's command line. A first try is made in any case.
    """
    return (
        f"end=$(($(date +%s) + {seconds})); "
        f"until timeout 5 {docker} info >/dev/null 2>&1; do "
        f'if [ "$(date +%s)" -ge "$end" ]; then {on_timeout}; fi; sleep {pause}; done'
    )


def hides_daemon_files(socket_dir: str) -> bool:
    """Whether a socket directory there would hide programs, the data root or dockerd's own runtime files."""
    path = clean_path(socket_dir)
    return _RESERVED_DIRECTORIES.overlaps(path) or f"{path}/".startswith(_EXEC_ROOTS)


@lru_cache(maxsize=64)
def daemon_directories(socket_dir: str) -> PathSet:
    """Return where a workspace would hide something that the daemon needs."""
    return PathSet.from_paths(*SYSTEM_DIRECTORIES, DATA_ROOT, "/run", clean_path(socket_dir))
