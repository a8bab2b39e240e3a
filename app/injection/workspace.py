"""Workspace sharing: the clients' volumes in the daemon too, at the same paths.

`docker run -v $PWD:/w` names a path of the client's filesystem, but the daemon looks it up in its
own. Secrets, ConfigMaps, projected volumes and hostPaths are never shared.
"""

from typing import NamedTuple

from app.injection.additions import naming
from app.injection.annotations import PREFIX
from app.injection.decision import Denial, Reason
from app.injection.protected import is_shareable_path
from app.model import Container, JsonObject, Mount, Pod

_SHAREABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")


class Workspace(NamedTuple):
    """The mounts that the daemon shares with its clients, and what was left out."""

    mounts: tuple[JsonObject, ...]
    warnings: tuple[str, ...]


def share(
    pod: Pod, clients: tuple[Container, ...], wanted: bool | tuple[str, ...], own: frozenset[str], socket_dir: str
) -> Workspace | Denial:
    """Return the daemon's mounts of the clients' volumes.

    `wanted` is the option `share-volumes`; `own` are the names of the volumes we add. Of two volumes
    at one path the first container's wins; a volume that one client may write is writable.
    """
    if wanted is False:
        return Workspace((), ())
    if wanted is not True and (problems := [_refusal(name, pod) for name in wanted if not _is_shareable(name, pod)]):
        return Denial(Reason.INVALID_OPTION, "; ".join(problems))
    shared: dict[str, JsonObject] = {}
    protected: list[str] = []
    expanded: list[str] = []
    prepared: list[str] = []
    hidden: list[str] = []
    for client in clients:
        for mount in client.mounts:
            if mount.volume in own or not _is_shareable(mount.volume, pod):
                continue
            if wanted is not True and mount.volume not in wanted:
                continue
            path = mount.raw["mountPath"]
            if mount.raw.get("subPathExpr"):
                expanded.append(path)
            elif not is_shareable_path(mount.path, socket_dir):
                protected.append(path)
            elif wanted is True and _may_be_prepared(mount, pod):
                prepared.append(path)
            elif mount.path not in shared:
                shared[mount.path] = _mirror(mount.raw)
            elif not _same_place(shared[mount.path], mount.raw):
                hidden.append(f"{path} of {client.name}")
            elif not mount.raw.get("readOnly"):
                shared[mount.path].pop("readOnly", None)
    warnings = [
        naming(text, list(dict.fromkeys(paths)))
        for text, paths in (
            ("not shared with dind, which needs its own files there", protected),
            ("not shared with dind, their subPathExpr is the container's own", expanded),
            ("not shared with dind, an init container may make their subPath", prepared),
            ("not shared with dind, another container's volume is there", hidden),
        )
        if paths
    ]
    return Workspace(tuple(shared.values()), tuple(warnings))


def _mirror(raw: JsonObject) -> JsonObject:
    # mountPropagation is left behind: what one container mounts is not the other's to see.
    return {key: raw[key] for key in ("name", "mountPath", "readOnly", "subPath") if raw.get(key)}


def _may_be_prepared(mount: Mount, pod: Pod) -> bool:
    """Whether an init container can make what the mount's subPath names.

    dind starts first, and kubelet would put a directory where the init container means to write a
    file. One that mounts the same subPath itself gets that directory anyway.
    """
    sub_path = mount.raw.get("subPath")
    return bool(sub_path) and any(
        other.volume == mount.volume and other.raw.get("subPath") != sub_path
        for container in pod.init_containers
        for other in container.mounts
    )


def _same_place(left: JsonObject, right: JsonObject) -> bool:
    return left["name"] == right["name"] and (left.get("subPath") or "") == (right.get("subPath") or "")


def _is_shareable(name: str, pod: Pod) -> bool:
    volume = pod.volumes.get(name, {})
    return any(volume.get(source) is not None for source in _SHAREABLE)


def _refusal(name: str, pod: Pod) -> str:
    what = "has no volume" if name not in pod.volumes else "may share only emptyDir, PVC and ephemeral volumes, not"
    return f'annotation {PREFIX}share-volumes: the pod {what} "{name}"'
