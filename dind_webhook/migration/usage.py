"""Finds what a pod uses: sockets of the node, or a Docker daemon of its own."""

from collections.abc import Iterator
from typing import NamedTuple

from dind_webhook.injection import DATA_ROOT, STATUS, NodeSocket, OwnDaemon, Policy, find_node_socket, find_own_daemon
from dind_webhook.migration.known_images import find_agent
from dind_webhook.model import Container, Metadata, Mount, Pod, clean_path, is_under

# The label of this project's own objects, such as the DaemonSet with a Docker daemon per node
PART_OF_LABEL = ("app.kubernetes.io/part-of", "dind-webhook")
# MicroK8s keeps the socket of containerd in the directory of its snap. `find_node_socket` does not know it: then /var
# would lead to a socket, and the advisory policy of the chart would warn of all pods that mount /var.
_SNAP = "/var/snap/microk8s"
_SNAP_SOCKET = f"{_SNAP}/common/run/containerd.sock"


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
        return tuple(each for each in pod.all_containers if any(mount.volume in names for mount in each.mounts))


def find_usage(pod: Pod, metadata: Metadata, policy: Policy) -> Usage | None:
    """Return what a pod uses, or None if it uses neither a socket of the node nor a daemon of its own."""
    injected_name = policy.container_name if STATUS in metadata.annotations else None
    sockets = tuple(_find_sockets(pod))
    usage = Usage(sockets, find_own_daemon(_without_data_root_of_node(pod, sockets), injected_name))
    return usage if usage.sockets or usage.daemon else None


def find_socket(host_path: str) -> NodeSocket | None:
    """Return the socket that a path of the node is, or leads to, or None."""
    path = clean_path(host_path)
    if path == _SNAP_SOCKET:
        return NodeSocket("containerd", is_exact=True)
    if path == _SNAP or (is_under(path, _SNAP) and is_under(_SNAP_SOCKET, path)):
        return NodeSocket("containerd", is_exact=False)
    return find_node_socket(path)


def _find_sockets(pod: Pod) -> Iterator[SocketVolume]:
    for index, raw in enumerate(pod.spec.volumes or ()):
        name, source = str(raw["name"]), raw.get("hostPath")
        # The claim template of a StatefulSet replaces a volume of the same name.
        is_replaced = pod.volumes[name].kind != "hostPath"
        if is_replaced or source is None or isinstance(source, str) or not source.path:
            continue
        if socket := find_socket(source.path):
            yield SocketVolume(index, name, source.path, socket)


def _without_data_root_of_node(pod: Pod, sockets: tuple[SocketVolume, ...]) -> Pod:
    """Return the pod without the mounts at /var/lib/docker that show no daemon.

    A container with the node's socket, and an agent, read or clean the data root of the node's own daemon.
    """
    names = {volume.name for volume in sockets}
    return pod.with_mounts(lambda container: _mounts_of_daemon(container, names))


def _mounts_of_daemon(container: Container, socket_names: set[str]) -> tuple[Mount, ...]:
    uses_node = any(mount.volume in socket_names for mount in container.mounts)
    if not uses_node and find_agent(container.raw.image or "") is None:
        return container.mounts
    return tuple(mount for mount in container.mounts if mount.path != DATA_ROOT)
