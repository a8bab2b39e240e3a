"""Compares the additions with a pod and returns the JSON patch (RFC 6902) for the members that the pod lacks.

An addition that the pod already has is skipped. An absent or null list or object is added as a whole (section 4.1). The
only operation is `add`, except where the operator wants members of the user replaced (docs/decisions/0030).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.constants import INJECTED, STATUS
from dind_webhook.injection.decision import Mode
from dind_webhook.injection.docker_client import warn_of_paths_without_client
from dind_webhook.injection.docker_config import missing_config_variables, warn_of_own_configs
from dind_webhook.injection.docker_variables import replace_variables, warn_of_other_daemons
from dind_webhook.injection.message_parts import warn_of_names
from dind_webhook.injection.options import Isolation
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.proxy import missing_proxy_variables
from dind_webhook.model import Container, JsonObject, Metadata, Mount, Operation, Pod, add, pointer

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

# Bounded: only the names of members that injection adds get here.
_cached_pointer = lru_cache(maxsize=16)(pointer)

# Clean path and entry of each mount
_MountEntries: TypeAlias = list[tuple[str, JsonObject]]


def missing_operations(
    pod: Pod, metadata: Metadata, additions: Additions, status: str, policy: Policy
) -> list[Operation]:
    """Return the operations that add the missing additions to a pod, in the order in which they apply.

    `status` is the text of the status annotation.
    """
    return [
        *_group_operations(pod, additions),
        *_metadata_operations(pod, metadata, additions, status),
        *_pod_member_operations(pod, additions),
        *_scheduling_operations(pod, additions),
        *_client_operations(pod, additions, policy),
        *_volume_operations(pod, additions),
        # Last: this operation shifts the init containers, and the operations before it name them by index.
        *_container_operations(pod, additions),
    ]


def warn_of_kept_members(pod: Pod, additions: Additions, policy: Policy) -> tuple[str, ...]:
    """Return warnings about members of a pod that differ from the additions and are kept."""
    return (
        *_warn_of_kept_mounts(pod, additions),
        *warn_of_other_daemons(pod, additions, policy),
        *warn_of_own_configs(additions),
        *warn_of_paths_without_client(additions, policy),
    )


@lru_cache
def render_status(mode: Mode | None, isolation: Isolation | None, version: str) -> str:
    """Return the text of the status annotation."""
    status = {"mode": mode, "version": version}
    return orjson.dumps({"isolation": isolation, **status} if isolation else status).decode()


def _group_operations(pod: Pod, additions: Additions) -> list[Operation]:
    group = additions.supplemental_group
    if group is None or group in pod.supplemental_groups:
        return []
    place, security = "/spec/securityContext", pod.spec.security_context
    if security is None or security.supplemental_groups is None:
        return _add_members(place, security, {"supplementalGroups": [group]})
    return _append(f"{place}/supplementalGroups", security.supplemental_groups, [group])


def _metadata_operations(pod: Pod, metadata: Metadata, additions: Additions, status: str) -> list[Operation]:
    desired = {STATUS: status}
    if additions.evictable:
        desired[SAFE_TO_EVICT] = ",".join(additions.evictable)
    own_name = additions.container["name"] if additions.container else None
    if user_names := [container.name for container in pod.containers if container.name != own_name]:
        desired[DEFAULT_CONTAINER] = user_names[0]
    existing = metadata.annotations
    missing = {key: value for key, value in desired.items() if existing.get(key) is None}
    labels = {INJECTED: additions.mode} if metadata.labels.get(INJECTED) is None else {}
    raw = metadata.raw
    if raw is None:
        return _add_members("/metadata", None, {"annotations": missing, "labels": labels})
    return [
        *_add_members("/metadata/annotations", raw.annotations, missing),
        *_add_members("/metadata/labels", raw.labels, labels),
    ]


def _pod_member_operations(pod: Pod, additions: Additions) -> list[Operation]:
    spec = pod.spec
    existing = {"hostUsers": spec.host_users, "runtimeClassName": spec.runtime_class_name or None}
    missing = {name: value for name, value in additions.pod_members.items() if existing[name] is None}
    return _add_members("/spec", spec, missing)


def _scheduling_operations(pod: Pod, additions: Additions) -> list[Operation]:
    # Most operators set none of the three.
    spec = pod.spec
    operations: list[Operation] = []
    if additions.node_selector:
        selector = spec.node_selector or {}
        labels = {key: value for key, value in additions.node_selector.items() if key not in selector}
        operations += _add_members("/spec/nodeSelector", spec.node_selector, labels)
    if additions.tolerations:
        existing = {
            (each.key or "", each.operator or "Equal", each.value or "", each.effect or "", each.toleration_seconds)
            for each in spec.tolerations or ()
        }
        tolerations = [each for each in additions.tolerations if _toleration_members(each) not in existing]
        operations += _append("/spec/tolerations", spec.tolerations, tolerations)
    if additions.image_pull_secrets:
        names = {secret.name for secret in spec.image_pull_secrets or ()}
        secrets = [{"name": name} for name in additions.image_pull_secrets if name not in names]
        operations += _append("/spec/imagePullSecrets", spec.image_pull_secrets, secrets)
    return operations


def _toleration_members(toleration: JsonObject) -> tuple[str, str, str, str, int | None]:
    """Return the members of a toleration, with the values that absent members stand for."""
    texts = (toleration.get("key", ""), toleration.get("operator", "Equal"), toleration.get("value", ""))
    return (*texts, toleration.get("effect", ""), toleration.get("tolerationSeconds"))


def _client_operations(pod: Pod, additions: Additions, policy: Policy) -> list[Operation]:
    env = additions.client_env
    name = env["name"]
    mounts, config_mounts = _cached_mount_entries(additions.client_mounts), additions.config_directories.mounts
    operations: list[Operation] = []
    for client in additions.clients:
        variables = [env] if name not in client.env else []
        variables += missing_proxy_variables(client, additions)
        variables += missing_config_variables(client, additions)
        operations += _append(f"{client.pointer}/env", client.raw.env, variables)
        if policy.replace_docker_variables:
            operations += replace_variables(client, pod, additions)
        own = config_mounts.get(client.name) if config_mounts else None
        operations += _mount_operations(client, [*mounts, *_mount_entries((own,))] if own else mounts)
    return operations


def _volume_operations(pod: Pod, additions: Additions) -> list[Operation]:
    missing = [volume for volume in additions.volumes if volume["name"] not in pod.volumes]
    return _append("/spec/volumes", pod.spec.volumes, missing)


def _container_operations(pod: Pod, additions: Additions) -> list[Operation]:
    desired = additions.container
    if desired is None:
        return []
    if existing := pod.containers_by_name.get(desired["name"]):
        return [
            *_security_operations(existing, desired["securityContext"]),
            *_mount_operations(existing, _mount_entries(additions.container_mounts)),
        ]
    container = {**desired, "volumeMounts": [mount.to_json() for mount in additions.container_mounts]}
    if additions.as_container:
        return _append("/spec/containers", pod.spec.containers, [container])
    return [_prepend("/spec/initContainers", pod.spec.init_containers, container)]


def _security_operations(container: Container, desired: JsonObject) -> list[Operation]:
    context = container.security_context()
    missing = {member: value for member, value in desired.items() if member not in context}
    return _add_members(f"{container.pointer}/securityContext", container.raw.security_context, missing)


def _mount_entries(mounts: tuple[Mount, ...]) -> _MountEntries:
    return [(mount.path, mount.to_json()) for mount in mounts]


# Cached for clients only: the pod decides how many mounts our own container has.
_cached_mount_entries = lru_cache(maxsize=64)(_mount_entries)


def _mount_operations(container: Container, desired: _MountEntries) -> list[Operation]:
    mounted_paths = {mount.path for mount in container.mounts}
    missing = [entry for path, entry in desired if path not in mounted_paths]
    return _append(f"{container.pointer}/volumeMounts", container.raw.volume_mounts, missing)


def _warn_of_kept_mounts(pod: Pod, additions: Additions) -> Iterable[str]:
    """Yield a warning if a later mutator changed a mount of our container: a patch that only adds cannot follow."""
    name = additions.container["name"] if additions.container else ""
    existing = pod.containers_by_name.get(name)
    if existing is None:
        return
    mounts_by_path = {mount.path: mount for mount in existing.mounts}
    kept_paths = [
        desired.mount_path
        for desired in additions.container_mounts
        if desired.path in mounts_by_path and not mounts_by_path[desired.path].is_same_as(desired)
    ]
    if kept_paths:
        yield warn_of_names(f"{name} has other mounts and keeps them at", kept_paths)


def _append(place: str, existing: list[Any] | None, values: list[Any]) -> list[Operation]:
    """Return the operations that append `values` to the list at `place`."""
    if existing is None:
        return [add(place, values)] if values else []
    end = f"{place}/-"
    return [add(end, value) for value in values]


def _prepend(place: str, existing: list[Any] | None, value: Any) -> Operation:
    """Return the operation that makes `value` the first item of the list at `place`."""
    return add(place, [value]) if existing is None else add(f"{place}/0", value)


def _add_members(place: str, existing: object, members: JsonObject) -> list[Operation]:
    """Return the operations that add members to the object at `place`, which lacks them or has null."""
    if existing is None:
        return [add(place, members)] if members else []
    return [add(place + _cached_pointer(key), value) for key, value in members.items()]
