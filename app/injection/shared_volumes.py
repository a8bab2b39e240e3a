"""Shares the clients' volumes with the daemon, at the same paths.

`docker run -v $PWD:/w` names a path of the client's filesystem, but the daemon looks the path up in its own. Secrets,
ConfigMaps, projected volumes and hostPaths are never shared.
"""

from collections.abc import Mapping
from typing import TypeAlias

from app.injection.constants import PREFIX
from app.injection.decision import Denial, Reason
from app.injection.docker_paths import daemon_directories
from app.injection.message_parts import join_first, quote, warn_of_names
from app.injection.options import Options, Placement
from app.injection.policy import Policy
from app.model import Container, Mount, PathSet, Pod

_SubPaths: TypeAlias = Mapping[str, set[str]]
SHAREABLE_KINDS = frozenset({"emptyDir", "persistentVolumeClaim", "ephemeral"})


class SharedVolumes:
    """The mounts that the daemon shares with its clients, and warnings about the mounts that it does not share."""

    # No dataclass: mypyc would not compile its constructor (docs/decisions/0021).
    def __init__(self, mounts: tuple[Mount, ...], warnings: tuple[str, ...]) -> None:
        self.mounts = mounts
        self.warnings = warnings


def share_volumes(pod: Pod, clients: tuple[Container, ...], options: Options, policy: Policy) -> SharedVolumes | Denial:
    """Return the daemon's mounts of the clients' volumes, or a denial if the pod names a volume that cannot be shared.

    If two containers mount different volumes at one path, the first container wins. The daemon can write a volume if
    one client can.
    """
    requested = options.share_volumes
    if requested is False:
        return SharedVolumes((), ())
    names = _shareable_names(pod, policy)
    if requested is not True:
        if missing := [name for name in requested if name not in names]:
            return Denial(Reason.INVALID_OPTION, join_first(missing, lambda name: _describe_refusal(name, pod)))
        names &= set(requested)
    # An ordinary container starts after all init containers, so their files exist already. A volume that the pod names
    # is always shared.
    skips_prepared_sub_paths = requested is True and options.placement is Placement.NATIVE
    sub_paths = _init_container_sub_paths(pod, policy.container_name) if skips_prepared_sub_paths else {}
    reserved = daemon_directories(options.socket_dir)
    shared: dict[str, Mount] = {}
    excluded: dict[str, dict[str, None]] = {}
    for client in clients:
        for client_mount in client.mounts:
            mount = client_mount.without_propagation()
            if mount.volume not in names or mount == (existing := shared.get(mount.path)):
                continue
            if reason := _exclusion_reason(mount, existing, sub_paths, reserved):
                excluded.setdefault(reason, {})[mount.mount_path] = None
            elif existing is None or (existing.read_only and not mount.read_only):
                shared[mount.path] = mount
    for path in _paths_under_read_only(shared):
        excluded.setdefault("a read-only volume is above", {})[shared.pop(path).mount_path] = None
    warnings = (
        warn_of_names(f"not shared with {policy.container_name} because {reason}", list(paths))
        for reason, paths in excluded.items()
    )
    return SharedVolumes(tuple(shared.values()), tuple(warnings))


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


def _exclusion_reason(mount: Mount, existing: Mount | None, sub_paths: _SubPaths, reserved: PathSet) -> str | None:
    """Return why the daemon does not get a mount of a shareable volume, or None if it does.

    `existing` is the daemon's mount at the same path, if any. `reserved` are the directories that the daemon needs.
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
    if existing and (existing.volume, existing.sub_path) != (mount.volume, mount.sub_path):
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


def _shareable_names(pod: Pod, policy: Policy) -> set[str]:
    """Return the names of the pod's own volumes that can be shared with the daemon."""
    own_volumes = (policy.run_volume, policy.storage_volume)
    return {name for name, volume in pod.volumes.items() if volume.kind in SHAREABLE_KINDS and name not in own_volumes}


def _describe_refusal(name: str, pod: Pod) -> str:
    problem = "has no volume" if name not in pod.volumes else "may share only emptyDir, PVC and ephemeral volumes, not"
    return f"annotation {PREFIX}share-volumes: the pod {problem} {quote(name)}"
