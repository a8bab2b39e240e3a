"""What a pod consists of, in the order it starts, and what of that was added."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from jsonpointer import resolve_pointer

from app.model import Container, JsonObject, Mount, Pod, read_pod
from app.playground.schema import FrozenModel


class Role(StrEnum):
    """When a container runs."""

    INIT = "init container"
    SIDECAR = "native sidecar"
    CONTAINER = "container"


class MountFacts(FrozenModel):
    """One volume at one path of one container."""

    volume: str
    path: str
    sub_path: str
    read_only: bool
    added: bool


class VariableFacts(FrozenModel):
    """An environment variable that was added."""

    name: str
    value: str


class ContainerFacts(FrozenModel):
    """A container, with the mounts it has and the variables it gained."""

    name: str
    image: str
    role: Role
    privileged: bool
    added: bool
    mounts: list[MountFacts]
    variables: list[VariableFacts]


class VolumeFacts(FrozenModel):
    """A volume: its kind, as `emptyDir`, and what tells it from others of the kind."""

    name: str
    kind: str
    details: str
    added: bool


class PodDiagram(FrozenModel):
    """A pod; containers stand in the order they start."""

    containers: list[ContainerFacts]
    volumes: list[VolumeFacts]


def picture(before: JsonObject, after: JsonObject) -> PodDiagram:
    """Return the picture of a pod as it is after injection; MalformedPodError where it cannot be read."""
    old, new = read_pod(before), read_pod(after)
    return PodDiagram(
        containers=[
            _container(old, container, _image(after, container))
            for container in (*new.init_containers, *new.containers)
        ],
        volumes=[
            VolumeFacts(
                name=name,
                kind=volume.kind,
                details=_details(after["spec"]["volumes"][index].get(volume.kind)),
                added=name not in old.volumes,
            )
            for index, (name, volume) in enumerate(new.volumes.items())
        ],
    )


def _image(pod: JsonObject, container: Container) -> str:
    image = resolve_pointer(pod, container.pointer).get("image")
    return image if isinstance(image, str) else ""


def _container(old: Pod, container: Container, image: str) -> ContainerFacts:
    known = old.containers_by_name.get(container.name)
    return ContainerFacts(
        name=container.name,
        image=image,
        role=_role(container),
        privileged=container.is_privileged,
        added=known is None,
        mounts=[_mount(mount, known is None or mount not in known.mounts) for mount in container.mounts],
        variables=list(_variables(known, container)),
    )


def _role(container: Container) -> Role:
    if container.is_native_sidecar:
        return Role.SIDECAR
    return Role.INIT if container.is_init else Role.CONTAINER


def _mount(mount: Mount, added: bool) -> MountFacts:
    return MountFacts(
        volume=mount.volume,
        path=mount.mount_path,
        sub_path=mount.sub_path or mount.sub_path_expr,
        read_only=mount.read_only,
        added=added,
    )


def _variables(known: Container | None, container: Container) -> Iterator[VariableFacts]:
    for name, variable in container.env.items():
        if known is None or name not in known.env:
            value = variable.value
            yield VariableFacts(name=name, value=value if isinstance(value, str) else "")


def _details(source: Any) -> str:
    """Return the texts of a volume's source, as the path of a hostPath and the size of an emptyDir."""
    texts = source.values() if isinstance(source, dict) else ()
    return ", ".join(text for text in texts if isinstance(text, str) and text)
