"""Where the Docker socket is, in both modes, and the paths of the daemon that no mount may hide."""

from functools import lru_cache

from app.model import PathSet, clean_path

SOCKET_NAME = "docker.sock"
# A hard link to the socket, for mounts of a single file. Not the socket itself: dockerd removes and creates
# that one, and where a subPath is missing, kubelet makes a directory of its name, at which no daemon could
# listen again.
LINK_NAME = "compat.sock"
DEFAULT_SOCKET = f"/var/run/{SOCKET_NAME}"
HIDDEN_DEFAULT_DIR = "the socket directory hides what the containers' images keep in /var/run"
DATA_ROOT = "/var/lib/docker"
SYSTEM_DIRECTORIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/proc", "/sys", "/dev")
_FOR_SOCKETS = PathSet.from_paths(*SYSTEM_DIRECTORIES, DATA_ROOT)
_EXEC_ROOTS = ("/run/docker/", "/run/containerd/")


def unix_address(socket_dir: str) -> str:
    """Return the address that dockerd and DOCKER_HOST take for the socket in a directory."""
    return f"unix://{socket_dir}/{SOCKET_NAME}"


def is_default_dir(socket_dir: str) -> bool:
    """Whether the socket in this directory is where tools look for it that know no DOCKER_HOST."""
    return clean_path(f"{socket_dir}/{SOCKET_NAME}") == clean_path(DEFAULT_SOCKET)


def until_docker_answers(docker: str, seconds: int, pause: str, otherwise: str) -> str:
    """Return the shell script that waits for a daemon to answer a client, and does `otherwise` after `seconds`.

    `docker` is the client's command line. A first try is made in any case.
    """
    return (
        f"end=$(($(date +%s) + {seconds})); "
        f"until timeout 5 {docker} info >/dev/null 2>&1; do "
        f'if [ "$(date +%s)" -ge "$end" ]; then {otherwise}; fi; sleep {pause}; done'
    )


def hides_the_daemon(socket_dir: str) -> bool:
    """Whether a socket directory there would hide programs, the data root or dockerd's own runtime files."""
    path = clean_path(socket_dir)
    return _FOR_SOCKETS.overlaps(path) or f"{path}/".startswith(_EXEC_ROOTS)


@lru_cache(maxsize=64)
def unshareable(socket_dir: str) -> PathSet:
    """Return where a workspace would hide something that the daemon needs."""
    return PathSet.from_paths(*SYSTEM_DIRECTORIES, DATA_ROOT, "/run", clean_path(socket_dir))
