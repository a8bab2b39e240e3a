"""Where the Docker socket is, in both modes."""

from app.model import clean_path

SOCKET_NAME = "docker.sock"
# A hard link to the socket, for mounts of a single file. Not the socket itself: dockerd removes and creates
# that one, and where a subPath is missing, kubelet makes a directory of its name, at which no daemon could
# listen again.
LINK_NAME = "compat.sock"
DEFAULT_SOCKET = f"/var/run/{SOCKET_NAME}"
HIDDEN_DEFAULT_DIR = "the socket directory hides what the containers' images keep in /var/run"


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
