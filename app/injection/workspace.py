"""Workspace sharing: the clients' volumes in the daemon too, at the same paths.

`docker run -v $PWD:/w` names a path of the client's filesystem, but the daemon looks it up in its
own. Secrets, ConfigMaps, projected volumes and hostPaths are never shared.
"""

from typing import NamedTuple

from app.injection.additions import naming
from app.injection.decision import Denial, Reason
from app.injection.names import PREFIX
from app.injection.options import Options, Policy
from app.injection.protected import is_shareable_path
from app.model import Container, JsonObject, Mount, Pod

_SHAREABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")


class Workspace(NamedTuple):
    """The mounts that the daemon shares with its clients, and what was left out."""

    mounts: tuple[JsonObject, ...]
    warnings: tuple[str, ...]


def share(pod: Pod, clients: tuple[Container, ...], options: Options, policy: Policy) -> Workspace | Denial:
    """Return the daemon's mounts of the clients' volumes.

    Of two volumes at one path the first container's wins; a volume that one client may write is
    writable.
    """
    wanted = options.share_volumes
    if wanted is False:
        return Workspace((), ())
    if wanted is not True and (problems := [_refusal(name, pod) for name in wanted if not _is_shareable(name, pod)]):
        return Denial(Reason.INVALID_OPTION, "; ".join(problems))
    own = (policy.run_volume, policy.storage_volume)
    shared: dict[str, Mount] = {}
    left_out: dict[str, dict[str, None]] = {}
    for client in clients:
        for mount in client.mounts:
            if mount.volume in own or not _is_shareable(mount.volume, pod):
                continue
            if wanted is not True and mount.volume not in wanted:
                continue
            if why := _why_not(mount, shared.get(mount.path), pod, options, policy.container_name):
                left_out.setdefault(why, {})[mount.mount_path] = None
            elif mount.path not in shared or (shared[mount.path].read_only and not mount.read_only):
                shared[mount.path] = mount
    warnings = (
        naming(f"not shared with {policy.container_name}, {why}", list(paths)) for why, paths in left_out.items()
    )
    return Workspace(tuple(map(_mirror, shared.values())), tuple(warnings))


def _why_not(mount: Mount, there: Mount | None, pod: Pod, options: Options, daemon: str) -> str | None:
    """Return why a mount of a shareable volume is left out; `there` is what the daemon has at its path already."""
    if mount.sub_path_expr:
        return "their subPathExpr is the container's own"
    if not is_shareable_path(mount.path, options.socket_dir):
        return "which needs its own files there"
    if options.share_volumes is True and _may_be_prepared(mount, pod, daemon):
        return "an init container may make their subPath"
    if there and (there.volume, there.sub_path) != (mount.volume, mount.sub_path):
        return "another container's volume is there"
    return None


def _mirror(mount: Mount) -> JsonObject:
    # mountPropagation is left behind: what one container mounts is not the other's to see.
    mirror: JsonObject = {"name": mount.volume, "mountPath": mount.mount_path}
    if mount.read_only:
        mirror["readOnly"] = True
    if mount.sub_path:
        mirror["subPath"] = mount.sub_path
    return mirror


def _may_be_prepared(mount: Mount, pod: Pod, daemon: str) -> bool:
    """Whether an init container can make what the mount's subPath names.

    dind starts first, and kubelet would put a directory where the init container means to write a
    file. One that mounts the same subPath itself gets that directory anyway.
    """
    return bool(mount.sub_path) and any(
        other.volume == mount.volume and other.sub_path != mount.sub_path
        for container in pod.init_containers
        if container.name != daemon
        for other in container.mounts
    )


def _is_shareable(name: str, pod: Pod) -> bool:
    volume = pod.volumes.get(name, {})
    return any(volume.get(source) is not None for source in _SHAREABLE)


def _refusal(name: str, pod: Pod) -> str:
    what = "has no volume" if name not in pod.volumes else "may share only emptyDir, PVC and ephemeral volumes, not"
    return f'annotation {PREFIX}share-volumes: the pod {what} "{name}"'
