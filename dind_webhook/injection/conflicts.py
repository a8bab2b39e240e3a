"""Denials of pods that contradict their additions. Each message says what to change.

The parameter `was_injected` tells whether the pod carries the status annotation of an earlier injection.
"""

from functools import lru_cache

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.constants import INJECTED, PREFIX, STATUS
from dind_webhook.injection.decision import Denial, Reason
from dind_webhook.injection.docker_client import is_client_directory
from dind_webhook.injection.docker_config import DOCKER_CONFIG_DIRECTORY
from dind_webhook.injection.docker_paths import SOCKET_LINK_NAME, SOCKET_NAME
from dind_webhook.injection.message_parts import abbreviate, quote
from dind_webhook.injection.node_sockets import find_node_socket
from dind_webhook.injection.options import Isolation
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.start_script import ISOLATION_VARIABLE
from dind_webhook.model import (
    Container,
    Demand,
    JsonObject,
    Metadata,
    Mount,
    PathSet,
    Pod,
    ResourcesShape,
    VariableShape,
    Volume,
    is_under,
    pod_level_shortfalls,
)

# The beginning of the sentence: the API server passes on the message of a denial, but not its reason.
STALE_STATUS = f"annotation {STATUS} says that the pod was injected, but it"


def deny_stale_status(pod: Pod, additions: Additions) -> Denial | None:
    """Return a denial if the pod claims to be injected but lacks an injected member, or None."""
    problem = None
    if additions.container:
        problem = _describe_container_mismatch(pod, additions.container, as_container=additions.as_container)
    for volume in additions.volumes:
        existing = pod.volumes.get(volume["name"])
        # A container that a later webhook added may need another emptyDir.
        if existing is None and not additions.container and "hostPath" in volume:
            problem = f"has no volume {quote(volume['name'])}"
        elif existing is not None and not _is_same_kind(existing, volume):
            problem = f"has a volume {quote(volume['name'])} that is not the injected one"
    if problem is None and (other := _find_other_node_label(pod, additions)):
        key, value = other
        problem = f"has spec.nodeSelector {abbreviate(key)}: {quote(value)}, which another webhook may have changed"
    if problem is None:
        return None
    return Denial(Reason.STALE_STATUS, f"{STALE_STATUS} {problem}; remove the annotation", problem)


def deny_changed_isolation(isolation: Isolation) -> Denial:
    """Return the denial of a pod that would now get another isolation than its status annotation says."""
    problem = f"can have only isolation {isolation} now: another webhook may have changed it"
    return Denial(Reason.STALE_STATUS, f"{STALE_STATUS} {problem}; remove the annotation", problem)


def _describe_container_mismatch(pod: Pod, desired: JsonObject, *, as_container: bool) -> str | None:
    """Return how the container of our name differs from the injected one, or None.

    Older webhooks are known to drop restartPolicy.
    """
    name = quote(desired["name"])
    existing = pod.containers_by_name.get(desired["name"])
    if existing is None:
        return f"has no container {name}"
    if existing.is_privileged is not desired["securityContext"]["privileged"] or existing.is_init is as_container:
        return f"has a container {name} that is not the injected one"
    if existing.raw.restart_policy != desired.get("restartPolicy"):
        return f"has a container {name} whose restartPolicy another webhook may have dropped"
    for variable in desired.get("env", ()):
        if variable["name"] == ISOLATION_VARIABLE and existing.env.get(ISOLATION_VARIABLE) != VariableShape(**variable):
            return f"has a container {name} whose variable {ISOLATION_VARIABLE} another webhook may have changed"
    context = existing.security_context()
    for member, value in desired["securityContext"].items():
        # Absent members are added again.
        if context.get(member, value) != value:
            return f"has a container {name} whose securityContext.{member} another webhook may have changed"
    return None


def _is_same_kind(existing: Volume, desired: JsonObject) -> bool:
    """Return whether two volumes have the same kind of source, and the same path if that is hostPath.

    Sizes may differ: another version of the webhook may have injected the volume.
    """
    return existing.kind in desired and ("hostPath" not in desired or existing.path == desired["hostPath"]["path"])


def deny_node_socket(pod: Pod, additions: Additions, *, was_injected: bool) -> Denial | None:
    """Return a denial if a volume of the pod leads to the node's Docker socket, or None."""
    for name, volume in pod.volumes.items():
        if volume.kind != "hostPath" or _is_injected_volume(volume, additions, was_injected=was_injected):
            continue
        socket = find_node_socket(volume.path)
        if socket and socket.runtime == "Docker":
            relation = "is" if socket.is_exact else "leads to"
            return Denial(
                Reason.NODE_DOCKER_SOCKET,
                f"volume {quote(name)} mounts {abbreviate(volume.path)} of the node, which {relation} the node's own "
                "Docker socket; remove the volume and its mounts: the webhook injects Docker instead",
            )
    return None


def _is_injected_volume(existing: Volume, additions: Additions, *, was_injected: bool) -> bool:
    """Return whether a volume is one of the additions: injected before, or a hostPath of the same name and path.

    An emptyDir of the same name is another volume, with other content.
    """
    return any(
        existing.name == desired["name"] and (was_injected or _is_same_host_path(existing, desired))
        for desired in additions.volumes
    )


def _is_same_host_path(existing: Volume, desired: JsonObject) -> bool:
    host_path = desired.get("hostPath")
    return host_path is not None and (existing.path, existing.type) == (host_path["path"], host_path.get("type", ""))


def deny_taken_names(pod: Pod, additions: Additions, *, was_injected: bool) -> Denial | None:
    """Return a denial if the pod uses the name of an added container or volume for its own, or None."""
    if was_injected:
        return None
    taken = [
        ("volume", volume["name"])
        for volume in additions.volumes
        if volume["name"] in pod.volumes
        and not _is_injected_volume(pod.volumes[volume["name"]], additions, was_injected=was_injected)
    ]
    if additions.container and additions.container["name"] in pod.containers_by_name:
        taken.insert(0, ("container", additions.container["name"]))
    if not taken:
        return None
    kind, name = taken[0]
    return Denial(
        Reason.NAME_TAKEN,
        f"the pod has a {kind} {quote(name)} of its own, a name that injection needs; remove it, or have the operator "
        f"set another {kind} name",
    )


def deny_foreign_label(metadata: Metadata, additions: Additions) -> Denial | None:
    """Return a denial if the pod has another value of the label by which injected pods are found, or None."""
    value = metadata.labels.get(INJECTED)
    if value is None or value == additions.mode:
        return None
    return Denial(
        Reason.NAME_TAKEN,
        f"the pod has the label {INJECTED}: {quote(value)}, which injection sets to {additions.mode}; remove it",
    )


def deny_foreign_mounts(pod: Pod, additions: Additions) -> Denial | None:
    """Return a denial if a container uses an injected volume in another way than injection does, or None.

    Such a mount could reach more of the volume than injection gives.
    """
    volume_names = {volume["name"] for volume in additions.volumes}
    own_name = additions.container["name"] if additions.container else None
    for container in pod.all_containers:
        injected = additions.container_mounts if container.name == own_name else additions.client_mounts
        if container.name in additions.config_directories.mounts:
            injected = (*injected, additions.config_directories.mounts[container.name])
        for device in container.raw.volume_devices or ():
            if device.name in volume_names:
                return Denial(
                    Reason.NAME_TAKEN,
                    f"container {quote(container.name)} uses volume {quote(device.name)} as a device; "
                    "only injection may use a volume of that name; remove the device",
                )
        for mount in container.mounts:
            if mount.volume in volume_names and not any(_is_injected_mount(mount, desired) for desired in injected):
                return Denial(
                    Reason.NAME_TAKEN,
                    f"container {quote(container.name)} mounts volume {quote(mount.volume)} at "
                    f"{abbreviate(mount.mount_path)}; only injection may mount a volume of that name; "
                    "remove the mount",
                )
    return None


def _is_injected_mount(mount: Mount, desired: Mount) -> bool:
    """Return whether a mount is one that injection adds, or the same link to the socket at another path.

    Where the pod mounted the node's socket, injection put the link (`socket_replacement`).
    """
    if desired.sub_path == SOCKET_LINK_NAME:
        return (mount.volume, mount.sub_path, mount.sub_path_expr) == (desired.volume, desired.sub_path, "")
    return mount.is_same_as(desired)


def deny_taken_paths(pod: Pod, additions: Additions, policy: Policy) -> Denial | None:
    """Return a denial if a mount of a client is in the way of one that injection adds, or None."""
    socket_paths = _socket_paths(additions.client_mounts)
    paths = {mount.path for client in additions.clients for mount in client.mounts}
    blocked_paths = {path for path in paths if socket_paths.overlaps(path)}
    if not blocked_paths:
        return None
    for client in additions.clients:
        for mount in client.mounts:
            if mount.path not in blocked_paths:
                continue
            for desired in additions.client_mounts:
                if _is_in_the_way(mount, desired, pod):
                    purpose, remedy = _find_purpose_and_remedy(desired, additions, policy)
                    return Denial(
                        Reason.MOUNT_PATH_TAKEN,
                        f"container {quote(client.name)} mounts volume {quote(mount.volume)} at "
                        f"{abbreviate(mount.mount_path)}, which is in the way of the {purpose} at "
                        f"{desired.mount_path}; {remedy}",
                    )
    return None


def _find_purpose_and_remedy(desired: Mount, additions: Additions, policy: Policy) -> tuple[str, str]:
    """Return what a mount of injection is for, and what to do about another one in its way."""
    remedy = "remove the mount, or put it elsewhere"
    if desired.path == DOCKER_CONFIG_DIRECTORY:
        return "registry's credentials", remedy
    if desired.volume == additions.volumes[0]["name"]:
        return "Docker socket", remedy
    if "client" in policy.allowed_options:
        value = 'another directory or "false"' if is_client_directory(desired, policy) else '"false"'
        remedy = f"remove the mount, put it elsewhere, or set {PREFIX}client to {value}"
    return "Docker client", remedy


@lru_cache(maxsize=64)
def _socket_paths(desired: tuple[Mount, ...]) -> PathSet:
    """Return the paths of the socket as a set, to dismiss most mounts at once."""
    return PathSet.from_paths(*(mount.path for mount in desired))


def _is_in_the_way(mount: Mount, desired: Mount, pod: Pod) -> bool:
    if mount.path == desired.path:
        return (mount.volume, mount.sub_path) != (desired.volume, desired.sub_path)
    if mount.volume == desired.volume:
        return False
    if is_under(desired.path, mount.path):
        # The container runtime could not create the mount point.
        return pod.is_read_only(mount)
    socket = f"{desired.path}/{SOCKET_NAME}"
    # Nothing can be mounted under a file or in a read-only directory.
    blocked_root = desired.path if desired.sub_path or desired.read_only else socket
    return mount.path == socket or is_under(mount.path, blocked_root)


def deny_other_nodes(pod: Pod, additions: Additions) -> Denial | None:
    """Return a denial if the pod's nodeSelector contradicts that of the operator, or None."""
    if not (other := _find_other_node_label(pod, additions)):
        return None
    key, value = other
    return Denial(
        Reason.NODE_SELECTOR,
        f"spec.nodeSelector has {abbreviate(key)}: {quote(value)}, but this cluster's operator runs Docker on nodes "
        f"with {abbreviate(key)}: {quote(additions.node_selector[key])}; remove {abbreviate(key)} from the pod's "
        "nodeSelector",
    )


def _find_other_node_label(pod: Pod, additions: Additions) -> tuple[str, str] | None:
    """Return a label that the pod requires of its node with another value than the operator, or None."""
    existing = pod.spec.node_selector or {}
    for key, value in additions.node_selector.items():
        if existing.get(key, value) != value:
            return key, existing[key]
    return None


def deny_scarce_resources(pod: Pod, additions: Additions) -> Denial | None:
    """Return a denial if the pod's own `spec.resources` leaves too little for the daemon, or None."""
    container = additions.container
    if container is None or pod.spec.resources is None or container["name"] in pod.containers_by_name:
        return None
    init_demands, container_demands = (
        [_demand(member) for member in group] for group in (pod.init_containers, pod.containers)
    )
    added = Demand(ResourcesShape(**container.get("resources", {})), container.get("restartPolicy") == "Always")
    (container_demands if additions.as_container else init_demands).insert(0, added)
    shortfalls = pod_level_shortfalls(pod.spec.resources, init_demands, container_demands, added)
    if not shortfalls:
        return None
    problems = "; ".join(
        f"{shortfall.resource} {shortfall.kind} is {shortfall.pod_amount}, but must be "
        f'{shortfall.needed} with container "{container["name"]}"'
        for shortfall in shortfalls
    )
    annotations = ", ".join(f"{PREFIX}{shortfall.resource}-{shortfall.kind}" for shortfall in shortfalls)
    return Denial(
        Reason.POD_RESOURCES,
        f"spec.resources of the pod is too small: {problems}; raise it, or lower {annotations}",
    )


def _demand(container: Container) -> Demand:
    return Demand(container.raw.resources, container.is_native_sidecar)
