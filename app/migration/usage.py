"""Finds what a pod uses: sockets of the node, or a Docker daemon of its own."""

from collections.abc import Iterator
from typing import NamedTuple

from app.injection import STATUS, NodeSocket, OwnDaemon, Policy, find_node_socket, find_own_daemon
from app.model import Container, Metadata, Pod

# The label of this project's own objects, such as the DaemonSet with a Docker daemon per node
PART_OF_LABEL = ("app.kubernetes.io/part-of", "dind-webhook")


class SocketVolume(NamedTuple):
    """A hostPath volume that is the socket of a runtime, or leads to one; `position` is its index in `volumes`."""

    position: int
    name: str
    path: str
    socket: NodeSocket


class Usage(NamedTuple):
    """The sockets of the node that a pod uses, and the first daemon of its own, if any."""

    sockets: tuple[SocketVolume, ...]
    daemon: OwnDaemon | None

    def socket_users(self, pod: Pod) -> tuple[Container, ...]:
        """Return the containers that mount a socket of the node."""
        names = {volume.name for volume in self.sockets}
        return tuple(each for each in all_containers(pod) if any(mount.volume in names for mount in each.mounts))


def find_usage(pod: Pod, metadata: Metadata, policy: Policy) -> Usage | None:
    """Return what a pod uses, or None if it uses neither a socket of the node nor a daemon of its own."""
    injected_name = policy.container_name if STATUS in metadata.annotations else None
    usage = Usage(tuple(_find_sockets(pod)), find_own_daemon(pod, injected_name))
    return usage if usage.sockets or usage.daemon else None


def all_containers(pod: Pod) -> tuple[Container, ...]:
    """Return the init containers and the containers of a pod."""
    return (*pod.init_containers, *pod.containers)


def _find_sockets(pod: Pod) -> Iterator[SocketVolume]:
    for index, raw in enumerate(pod.spec.volumes or ()):
        volume = pod.volumes[str(raw["name"])]
        if raw.get("hostPath") is None or volume.kind != "hostPath":
            continue
        if socket := find_node_socket(volume.path):
            yield SocketVolume(index, volume.name, volume.path, socket)
