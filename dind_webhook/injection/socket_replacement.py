"""Replaces mounts of the node's Docker socket by mounts of the injected daemon's socket, at the same paths.

This and `docker_variables` are the only parts of injection that change what the user wrote (docs/decisions/0030). The
rest of injection sees the pod as it is after the replacement.
"""

from typing import NamedTuple

from dind_webhook.injection.constants import NODE_SOCKET
from dind_webhook.injection.decision import Denial, Mode, Reason
from dind_webhook.injection.docker_paths import SOCKET_LINK_NAME, SOCKET_NAME, is_default_socket_dir
from dind_webhook.injection.node_sockets import find_docker_socket_volumes
from dind_webhook.injection.options import Options, Placement
from dind_webhook.injection.policy import Policy
from dind_webhook.model import Container, Mount, Operation, Pod, Volume, add, remove, replace


class ReplacedSocket(NamedTuple):
    """A pod after the replacement, the operations that lead to it, and the containers that mounted the socket."""

    pod: Pod
    operations: tuple[Operation, ...]
    clients: tuple[str, ...]


def replace_node_socket(pod: Pod, mode: Mode, options: Options, policy: Policy) -> ReplacedSocket | Denial | None:
    """Return a pod with the socket of the injected daemon instead of the node's, or None if it does not mount that.

    Return a denial if the injected daemon has no socket that can be mounted as a file.
    """
    volumes = find_docker_socket_volumes(pod)
    clients = tuple(each.name for each in pod.all_containers if _mounts(each, volumes))
    if not clients:
        return None
    if mode is Mode.DAEMONSET:
        return _replace_paths(pod, volumes, clients, policy)
    if options.placement is not Placement.NATIVE or not policy.docker_sock or is_default_socket_dir(options.socket_dir):
        return Denial(
            Reason.INVALID_OPTION,
            f"{NODE_SOCKET}: replace needs native placement, a socket-dir other than /var/run, and the operator's "
            "setting docker_sock; without them, no file is a link to the socket of the injected daemon",
        )
    return _replace_mounts(pod, volumes, clients, policy)


def _mounts(container: Container, volumes: frozenset[str]) -> bool:
    return any(mount.volume in volumes for mount in container.mounts)


def _replace_paths(pod: Pod, volumes: frozenset[str], clients: tuple[str, ...], policy: Policy) -> ReplacedSocket:
    # kubelet waits until there is a socket at the path. A subPath of the daemon's directory would be created there as a
    # directory if the daemon had not started yet.
    path = f"{policy.host_path}/{SOCKET_NAME}"
    operations: list[Operation] = []
    for index, name in enumerate(_volume_names(pod)):
        if name in volumes:
            place = f"/spec/volumes/{index}/hostPath"
            operations += (replace(f"{place}/path", path), add(f"{place}/type", "Socket"))
    replaced = {name: Volume(name, "hostPath", path, "Socket") for name in volumes}
    changed_pod = pod.with_mounts(lambda container: container.mounts, {**pod.volumes, **replaced})
    return ReplacedSocket(changed_pod, tuple(operations), clients)


def _replace_mounts(pod: Pod, volumes: frozenset[str], clients: tuple[str, ...], policy: Policy) -> ReplacedSocket:
    operations: list[Operation] = []
    mounts: dict[str, tuple[Mount, ...]] = {}
    for container in pod.all_containers:
        changed = list(container.mounts)
        for index, mount in enumerate(container.mounts):
            if mount.volume in volumes:
                changed[index] = Mount.at(
                    mount.mount_path, policy.run_volume, SOCKET_LINK_NAME, read_only=mount.read_only
                )
                operations.append(replace(f"{container.pointer}/volumeMounts/{index}", changed[index].to_json()))
        mounts[container.pointer] = tuple(changed)
    # From the end, because each removal shifts the volumes after it.
    for index, name in reversed(list(enumerate(_volume_names(pod)))):
        if name in volumes:
            operations.append(remove(f"/spec/volumes/{index}"))
    others = {name: volume for name, volume in pod.volumes.items() if name not in volumes}
    changed_pod = pod.with_mounts(lambda container: mounts[container.pointer], others)
    return ReplacedSocket(changed_pod, tuple(operations), clients)


def _volume_names(pod: Pod) -> list[object]:
    return [volume.get("name") for volume in pod.spec.volumes or ()]
