"""The containers and volumes of a pod after injection, and which of them injection added."""

from collections.abc import Iterator
from typing import Any

from jsonpointer import resolve_pointer

from dind_webhook.model import Container, JsonObject, Mount, Pod, read_pod
from dind_webhook.playground.schema import (
    DiagramContainer,
    DiagramMount,
    DiagramVariable,
    DiagramVolume,
    PodDiagram,
    Role,
)


def build_pod_diagram(before: JsonObject, after: JsonObject) -> PodDiagram:
    """Return the diagram of a pod after injection; MalformedPodError if the pod cannot be read."""
    before_pod, after_pod = read_pod(before), read_pod(after)
    return PodDiagram(
        containers=[
            _container(before_pod, container, _image(after, container)) for container in after_pod.all_containers
        ],
        volumes=[
            DiagramVolume(
                name=name,
                kind=volume.kind,
                details=_details(after["spec"]["volumes"][index].get(volume.kind)),
                added=name not in before_pod.volumes,
            )
            for index, (name, volume) in enumerate(after_pod.volumes.items())
        ],
    )


def _image(pod: JsonObject, container: Container) -> str:
    image = resolve_pointer(pod, container.pointer).get("image")
    return image if isinstance(image, str) else ""


def _container(before_pod: Pod, container: Container, image: str) -> DiagramContainer:
    original = before_pod.containers_by_name.get(container.name)
    return DiagramContainer(
        name=container.name,
        image=image,
        role=_role(container),
        privileged=container.is_privileged,
        added=original is None,
        mounts=[_mount(mount, added=original is None or mount not in original.mounts) for mount in container.mounts],
        variables=list(_variables(original, container)),
    )


def _role(container: Container) -> Role:
    if container.is_native_sidecar:
        return Role.SIDECAR
    return Role.INIT if container.is_init else Role.CONTAINER


def _mount(mount: Mount, *, added: bool) -> DiagramMount:
    return DiagramMount(
        volume=mount.volume,
        path=mount.mount_path,
        sub_path=mount.sub_path or mount.sub_path_expr,
        read_only=mount.read_only,
        added=added,
    )


def _variables(original: Container | None, container: Container) -> Iterator[DiagramVariable]:
    for name, variable in container.env.items():
        if original is None or name not in original.env:
            value = variable.value
            yield DiagramVariable(name=name, value=value if isinstance(value, str) else "")


def _details(source: Any) -> str:
    """Return the texts of a volume's source, such as the path of a hostPath or the size limit of an emptyDir."""
    texts = source.values() if isinstance(source, dict) else ()
    return ", ".join(text for text in texts if isinstance(text, str) and text)
