"""From what a mode wants to what a pod lacks: conflicts, and only what is not there yet.

Each addition is an "ensure": it is made where it is missing, skipped where it is there, and refused
where something else is in its place. What carries our status annotation is ours already.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from app.injection.additions import Additions
from app.injection.decision import Denial, Reason
from app.injection.messages import naming
from app.injection.names import STATUS
from app.model import Container, JsonObject, Metadata, Pod, clean_path, pod_level_misfits

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

_NODE_SOCKET_PATHS = ("/run/docker.sock", "/run", "/")


class ListAddition(NamedTuple):
    """Values for the list at a JSON pointer, `existing` or not, in front of or behind what it has."""

    pointer: str
    existing: bool
    values: tuple[Any, ...]
    in_front: bool = False


class MemberAddition(NamedTuple):
    """Members for the object at a JSON pointer, `existing` or not; it has none of them, or null."""

    pointer: str
    existing: bool
    members: JsonObject


class Plan(NamedTuple):
    """What a pod lacks. Insertions that move other elements stand last."""

    lists: tuple[ListAddition, ...]
    members: tuple[MemberAddition, ...]
    warnings: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.lists and not self.members


def plan(pod: Pod, metadata: Metadata, additions: Additions, status: str) -> Plan | Denial:
    """Return what `pod` lacks of `additions`, or the conflict that keeps it from having them.

    `status` is the text of the status annotation to write.
    """
    ours = STATUS in metadata.annotations
    denial = (
        _stale_status(pod, additions, ours)
        or _node_socket(pod, additions)
        or _taken_name(pod, additions, ours)
        or _taken_path(additions)
        or _pod_level(pod, additions)
    )
    if denial:
        return denial
    lists = _client_lists(additions)
    lists += _list("/spec/volumes", pod.spec.get("volumes"), _missing_volumes(pod, additions))
    lists += _container_lists(pod, additions)
    members = []
    security = pod.spec.get("securityContext")
    group = additions.supplemental_group
    if group is not None and group not in pod.supplemental_groups:
        if security is not None and security.get("supplementalGroups") is not None:
            lists.append(ListAddition("/spec/securityContext/supplementalGroups", True, (group,)))
        else:
            wanted = {"supplementalGroups": [group]}
            members.append(MemberAddition("/spec/securityContext", security is not None, wanted))
    members += _metadata_members(pod, metadata, additions, status)
    return Plan(tuple(lists), tuple(members), (*additions.warnings, *_kept_env(additions)))


def _stale_status(pod: Pod, additions: Additions, ours: bool) -> Denial | None:
    if not ours:
        return None
    if additions.container:
        name = additions.container["name"]
        missing = None if pod.container(name) else f'container "{name}"'
    else:
        name = additions.volumes[0]["name"]
        missing = None if name in pod.volumes else f'volume "{name}"'
    if missing is None:
        return None
    return Denial(
        Reason.STALE_STATUS,
        f"annotation {STATUS} says that the pod was injected, but it has no {missing}; remove the annotation",
    )


def _node_socket(pod: Pod, additions: Additions) -> Denial | None:
    for name, volume in pod.volumes.items():
        host_path = volume.get("hostPath")
        if host_path is None or clean_path(host_path["path"]) not in _NODE_SOCKET_PATHS:
            continue
        if not any(_is_same(volume, wanted) for wanted in additions.volumes):
            return Denial(
                Reason.NODE_DOCKER_SOCKET,
                f'volume "{name}" mounts {host_path["path"]} of the node, where the node\'s own Docker socket is; '
                "remove the volume and its mounts, Docker is injected instead",
            )
    return None


def _taken_name(pod: Pod, additions: Additions, ours: bool) -> Denial | None:
    if ours:
        return None
    container = additions.container
    if container and pod.container(container["name"]):
        return Denial(
            Reason.NAME_TAKEN,
            f'the pod has a container "{container["name"]}" of its own; remove or rename it, one is injected',
        )
    for volume in additions.volumes:
        existing = pod.volumes.get(volume["name"])
        if existing is not None and not _is_same(existing, volume):
            return Denial(
                Reason.NAME_TAKEN,
                f'the pod has a volume "{volume["name"]}" of its own; remove or rename it, one is injected',
            )
    return None


def _taken_path(additions: Additions) -> Denial | None:
    volumes = {clean_path(mount["mountPath"]): mount["name"] for mount in additions.client_mounts}
    for client in additions.clients:
        for mount in client.mounts:
            if volumes.get(mount.path, mount.volume) != mount.volume:
                return Denial(
                    Reason.MOUNT_PATH_TAKEN,
                    f'container "{client.name}" mounts volume "{mount.volume}" at {mount.mount_path}, '
                    "where the Docker socket goes; mount it elsewhere",
                )
    return None


def _pod_level(pod: Pod, additions: Additions) -> Denial | None:
    container = additions.container
    if container is None or pod.spec.get("resources") is None or pod.container(container["name"]):
        return None
    starting = [container_.raw for container_ in pod.init_containers]
    running = [container_.raw for container_ in pod.containers]
    (running if additions.as_container else starting).insert(0, container)
    misfits = pod_level_misfits(pod.spec, starting, running, container)
    if not misfits:
        return None
    problems = "; ".join(
        f"{misfit.resource} {misfit.kind} is {misfit.pod_amount}, with container "
        f'"{container["name"]}" it would have to be {misfit.needed}'
        for misfit in misfits
    )
    return Denial(Reason.POD_RESOURCES, f"spec.resources of the pod leaves too little: {problems}")


def _client_lists(additions: Additions) -> list[ListAddition]:
    name = additions.client_env["name"]
    lists = []
    for client in additions.clients:
        if name not in client.env:
            lists += _list(f"{client.pointer}/env", client.raw.get("env"), [additions.client_env])
        lists += _missing_mounts(client, additions.client_mounts)
    return lists


def _missing_mounts(container: Container, wanted: Iterable[JsonObject]) -> list[ListAddition]:
    taken = {mount.path for mount in container.mounts}
    missing = [mount for mount in wanted if clean_path(mount["mountPath"]) not in taken]
    return _list(f"{container.pointer}/volumeMounts", container.raw.get("volumeMounts"), missing)


def _missing_volumes(pod: Pod, additions: Additions) -> list[JsonObject]:
    return [volume for volume in additions.volumes if volume["name"] not in pod.volumes]


def _container_lists(pod: Pod, additions: Additions) -> list[ListAddition]:
    if additions.container is None:
        return []
    existing = pod.container(additions.container["name"])
    if existing:
        return _missing_mounts(existing, additions.container["volumeMounts"])
    if additions.as_container:
        return _list("/spec/containers", pod.spec["containers"], [additions.container])
    return _list("/spec/initContainers", pod.spec.get("initContainers"), [additions.container], in_front=True)


def _metadata_members(pod: Pod, metadata: Metadata, additions: Additions, status: str) -> Iterable[MemberAddition]:
    wanted = {STATUS: status}
    if additions.evictable:
        wanted[SAFE_TO_EVICT] = ",".join(additions.evictable)
    own = additions.container["name"] if additions.container else None
    if users := [container.name for container in pod.containers if container.name != own]:
        wanted[DEFAULT_CONTAINER] = users[0]
    missing = {key: value for key, value in wanted.items() if metadata.annotations.get(key) is None}
    if not missing:
        return ()
    raw_metadata = pod.raw.get("metadata")
    if raw_metadata is None:
        return (MemberAddition("/metadata", False, {"annotations": missing}),)
    return (MemberAddition("/metadata/annotations", raw_metadata.get("annotations") is not None, missing),)


def _kept_env(additions: Additions) -> Iterable[str]:
    name = additions.client_env["name"]
    kept = [
        client.name
        for client in additions.clients
        if name in client.env and client.env[name].get("value") != additions.client_env["value"]
    ]
    if kept:
        yield naming(f"{name} is set to something else and was kept in", kept)


def _list(pointer: str, existing: Any, values: list[Any], in_front: bool = False) -> list[ListAddition]:
    return [ListAddition(pointer, existing is not None, tuple(values), in_front)] if values else []


def _is_same(existing: Any, wanted: Any) -> bool:
    """Whether `existing` is `wanted`, but for members that the API server fills in when they are absent."""
    if isinstance(existing, dict) and isinstance(wanted, dict):
        return all(key in existing and _is_same(existing[key], value) for key, value in wanted.items())
    return bool(existing == wanted)
