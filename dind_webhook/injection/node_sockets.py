"""Paths of a node that lead to the socket of its container runtime."""

from typing import NamedTuple

from dind_webhook.model import Pod, clean_path, is_under


class NodeSocket(NamedTuple):
    """The socket of a container runtime of the node. `is_exact` is false for a directory that leads to the socket."""

    runtime: str
    is_exact: bool


# /var/run is a link to /run; `clean_path` follows it.
_SOCKETS = {
    "/run/docker.sock": "Docker",
    "/run/containerd/containerd.sock": "containerd",
    "/run/k3s/containerd/containerd.sock": "containerd",
    "/run/k0s/containerd.sock": "containerd",
    "/run/crio/crio.sock": "CRI-O",
    "/run/cri-dockerd.sock": "cri-dockerd",
    "/run/dockershim.sock": "dockershim",
    # Named pipes of Windows, as `clean_path` returns them
    r"/\\.\pipe\docker_engine": "dockerd.exe",
    r"/\\.\pipe\containerd-containerd": "containerd",
}
# /proc leads to the root directory and the open files of every process of the node, in more ways than can be listed.
# The other paths are links into /proc.
PROC_PATHS = ("/proc", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr")


def find_node_socket(host_path: str) -> NodeSocket | None:
    """Return the socket that a path of the node is, or leads to, or None. Docker's comes first."""
    path = clean_path(host_path)
    if path in _SOCKETS:
        return NodeSocket(_SOCKETS[path], is_exact=True)
    if any(path == proc or is_under(path, proc) for proc in PROC_PATHS):
        return NodeSocket("Docker", is_exact=False)
    for socket, runtime in _SOCKETS.items():
        if is_under(socket, path):
            return NodeSocket(runtime, is_exact=False)
    return None


def find_docker_socket_volumes(pod: Pod, *, with_directories: bool = False) -> frozenset[str]:
    """Return the names of the volumes of a pod that are the node's Docker socket itself.

    `with_directories` includes those that lead to it.
    """
    return frozenset(
        name
        for name, volume in pod.volumes.items()
        if volume.kind == "hostPath"
        and (socket := find_node_socket(volume.path))
        and socket.runtime == "Docker"
        and (socket.is_exact or with_directories)
    )
