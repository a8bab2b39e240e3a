"""Shares the clients' volumes with the daemon, at the same paths.

`docker run -v $PWD:/w` names a path of the client's file system, but the daemon looks the path up in its own. Secrets,
ConfigMaps and projected volumes are never shared. Other kinds, such as NFS, are shared if the pod names the volume and
the operator allows the kind.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from dind_webhook.injection.constants import PREFIX
from dind_webhook.injection.decision import Denial, Reason
from dind_webhook.injection.docker_paths import daemon_directories
from dind_webhook.injection.message_parts import abbreviate, join_first, quote, warn_of_names
from dind_webhook.injection.options import Options, Placement
from dind_webhook.injection.policy import Policy
from dind_webhook.model import Container, Mount, PathSet, Pod

_SubPaths: TypeAlias = Mapping[str, set[str]]
SHAREABLE_KINDS = frozenset({"emptyDir", "persistentVolumeClaim", "ephemeral"})
# Settings and credentials: nobody expects them in containers of the daemon.
_SETTINGS_KINDS = frozenset({"configMap", "secret", "projected", "downwardAPI"})


class SharedVolumes:
    """The mounts that the daemon shares with its clients, and warnings about the mounts that it does not share."""

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(self, mounts: tuple[Mount, ...], warnings: tuple[str, ...]) -> None:
        self.mounts = mounts
        self.warnings = warnings


def share_volumes(pod: Pod, clients: tuple[Container, ...], options: Options, policy: Policy) -> SharedVolumes | Denial:
    """Return the daemon's mounts of the clients' volumes, or a denial if the pod names a volume that cannot be shared.

    If two containers mount different volumes at one path, that of a main container wins over that of an init container,
    and then that of the first one. The daemon can write a volume if one client can.
    """
    requested = options.share_volumes
    if requested is False:
        return SharedVolumes((), ())
    if requested is True:
        return _share_all(pod, clients, options, policy)
    return _share_named(pod, clients, requested, options, policy)


def _share_all(pod: Pod, clients: tuple[Container, ...], options: Options, policy: Policy) -> SharedVolumes:
    # An ordinary container starts after all init containers, so their files exist already.
    skips_prepared_sub_paths = options.placement is Placement.NATIVE
    sub_paths = _init_container_sub_paths(pod, policy.container_name) if skips_prepared_sub_paths else {}
    found = _collect_mounts(clients, _shareable_names(pod, policy, SHAREABLE_KINDS), sub_paths, options)
    warnings = _exclusion_warnings(found, policy)
    if others := _volumes_of_other_kinds(pod, clients, options, policy):
        warnings.append(warn_of_names(f"{_not_shared(policy)} of their kind", others))
    return SharedVolumes(tuple(found.shared.values()), tuple(warnings))


def _share_named(
    pod: Pod, clients: tuple[Container, ...], requested: tuple[str, ...], options: Options, policy: Policy
) -> SharedVolumes | Denial:
    names = _shareable_names(pod, policy, SHAREABLE_KINDS | policy.share_by_name)
    problems = [_describe_refusal(name, pod, policy) for name in requested if name not in names]
    # A volume that the pod names is always shared, so an init container may create its subPaths.
    found = _collect_mounts(clients, names & set(requested), {}, options)
    problems += _unshared_requests(requested, found)
    if problems:
        sentences = [f"annotation {PREFIX}share-volumes: {problem}" for problem in problems]
        return Denial(Reason.INVALID_OPTION, join_first(sentences, str))
    warnings = _exclusion_warnings(found, policy)
    mounted_names = {mount.volume for client in clients for mount in client.mounts}
    if unmounted := [name for name in requested if name not in mounted_names]:
        warnings.append(warn_of_names(f"{_not_shared(policy)} no container with Docker mounts", unmounted))
    return SharedVolumes(tuple(found.shared.values()), tuple(warnings))


class _CollectedMounts(NamedTuple):
    """The mounts that the daemon gets, by path, and those that it does not get, by reason."""

    shared: dict[str, Mount]
    excluded: dict[str, list[Mount]]


def _collect_mounts(
    clients: tuple[Container, ...], names: set[str], sub_paths: _SubPaths, options: Options
) -> _CollectedMounts:
    reserved = daemon_directories(options.socket_dir)
    shared: dict[str, Mount] = {}
    excluded: dict[str, list[Mount]] = {}
    # The first mount of each path decides what the daemon may see there, even if its own volume is not shared.
    first_mounts: dict[str, Mount] = {}
    for client in sorted(clients, key=_is_init):
        for client_mount in client.mounts:
            mount = client_mount.without_propagation()
            first = first_mounts.setdefault(mount.path, mount)
            if mount.volume not in names or mount == (existing := shared.get(mount.path)):
                continue
            if reason := _exclusion_reason(mount, first, sub_paths, reserved):
                excluded.setdefault(reason, []).append(mount)
            elif existing is None or (existing.read_only and not mount.read_only):
                shared[mount.path] = mount
    for path in _paths_under_read_only(shared):
        excluded.setdefault("a read-only volume is above", []).append(shared.pop(path))
    return _CollectedMounts(shared, excluded)


def _is_init(container: Container) -> bool:
    return container.is_init


def _not_shared(policy: Policy) -> str:
    return f"not shared with {policy.container_name} because"


def _exclusion_warnings(found: _CollectedMounts, policy: Policy) -> list[str]:
    return [
        warn_of_names(
            f"{_not_shared(policy)} {reason}",
            list(dict.fromkeys(mount.mount_path for mount in mounts)),
        )
        for reason, mounts in found.excluded.items()
    ]


def _unshared_requests(requested: tuple[str, ...], found: _CollectedMounts) -> list[str]:
    """Return a sentence for each volume that the pod names, and that the daemon gets at none of its paths."""
    shared_names = {mount.volume for mount in found.shared.values()}
    reasons = {mount.volume: (mount, reason) for reason, mounts in found.excluded.items() for mount in mounts}
    return [
        f"volume {quote(name)} cannot be shared at {abbreviate(reasons[name][0].mount_path)} because {reasons[name][1]}"
        for name in requested
        if name in reasons and name not in shared_names
    ]


def _volumes_of_other_kinds(pod: Pod, clients: tuple[Container, ...], options: Options, policy: Policy) -> list[str]:
    """Return the names, with their kinds, of volumes that may hold a workspace but are not shared by themselves."""
    own_volumes = (policy.run_volume, policy.client_image_volume)
    volumes = [
        volume
        for name, volume in pod.volumes.items()
        if volume.kind not in SHAREABLE_KINDS and volume.kind not in _SETTINGS_KINDS and name not in own_volumes
    ]
    if not volumes:
        return []
    reserved = daemon_directories(options.socket_dir)
    mounted_names = {mount.volume for client in clients for mount in client.mounts if not reserved.overlaps(mount.path)}
    return [f"{volume.name} ({volume.kind})" for volume in volumes if volume.name in mounted_names]


def _paths_under_read_only(shared: Mapping[str, Mount]) -> list[str]:
    """Return the paths under a read-only volume: the container runtime could not create their mount points.

    Perhaps no client mounts both volumes, but the daemon does.
    """
    paths = []
    read_only_parent = None
    # With a closing slash, the paths under a path sort directly after it.
    for path in sorted(shared, key=lambda path: f"{path}/"):
        if read_only_parent and path.startswith(read_only_parent):
            paths.append(path)
        elif shared[path].read_only:
            read_only_parent = f"{path}/"
    return paths


def _exclusion_reason(mount: Mount, first: Mount, sub_paths: _SubPaths, reserved: PathSet) -> str | None:
    """Return why the daemon does not get a mount of a shareable volume, or None if it does.

    `first` is the mount that decides about the path. `reserved` are the directories that the daemon needs.
    """
    if mount.sub_path_expr:
        return "subPathExpr is only for one container"
    if reserved.overlaps(mount.path):
        return "the daemon needs its own files there"
    # dind starts first, and kubelet would create a directory where an init container wants to write a file. An init
    # container that mounts the same subPath itself gets that directory anyway.
    prepared = sub_paths.get(mount.volume, set()) if mount.sub_path else set()
    if len(prepared) > (mount.sub_path in prepared):
        return "an init container may create the subPath"
    if (first.volume, first.sub_path) != (mount.volume, mount.sub_path):
        return "another container mounts another volume there"
    return None


def _init_container_sub_paths(pod: Pod, daemon: str) -> _SubPaths:
    """Return the subPaths of each volume that init containers mount, and so may create; empty for the whole volume."""
    sub_paths: dict[str, set[str]] = {}
    for container in pod.init_containers:
        if container.name != daemon:
            for mount in container.mounts:
                sub_paths.setdefault(mount.volume, set()).add(mount.sub_path)
    return sub_paths


def own_volume_names(policy: Policy) -> tuple[str, ...]:
    """Return the names of injected volumes of a shareable kind, which are never shared, even if they are the pod's."""
    return (policy.run_volume, policy.storage_volume, policy.config_volume, policy.client_volume)


def _shareable_names(pod: Pod, policy: Policy, kinds: frozenset[str]) -> set[str]:
    """Return the names of the pod's own volumes of these kinds."""
    own_volumes = own_volume_names(policy)
    return {name for name, volume in pod.volumes.items() if volume.kind in kinds and name not in own_volumes}


def _describe_refusal(name: str, pod: Pod, policy: Policy) -> str:
    if name not in pod.volumes:
        return f"the pod has no volume {quote(name)}"
    kinds = ", ".join(("emptyDir", "PVC", "ephemeral", *sorted(policy.share_by_name)))
    return f"volume {quote(name)} is of kind {pod.volumes[name].kind}; pods may share {kinds} volumes"
