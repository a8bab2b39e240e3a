"""The facts that the advisory policy needs: the paths of the node that lead to Docker's socket."""

from pathlib import PurePosixPath

from dind_webhook.injection import find_node_socket
from dind_webhook.model import JsonObject

# The two spellings of one file: on nodes, /var/run is a link to /run.
_SPELLINGS = (PurePosixPath("/run/docker.sock"), PurePosixPath("/var/run/docker.sock"))


def advisory_facts() -> JsonObject:
    """Return the facts for `files/advisory.json` of the chart.

    Paths below /proc are left out, although they lead to the socket: agents that monitor nodes mount /proc, and no
    build uses that path to reach Docker.
    """
    paths = {str(path) for spelling in _SPELLINGS for path in (spelling, *spelling.parents)}
    sockets = {path: socket for path in sorted(paths) if (socket := find_node_socket(path))}
    return {
        "docker_sockets": [path for path, socket in sockets.items() if socket.is_exact],
        "directories_of_docker_sockets": [path for path, socket in sockets.items() if not socket.is_exact],
    }
