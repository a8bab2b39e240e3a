"""The objects of a document: what they are called, and which of them this project does not know."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.injection import PREFIX
from app.model import JsonObject, pod_templates

# The API groups of Kubernetes itself. Of their kinds, those with pods are known.
_KUBERNETES_GROUPS = frozenset({
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
})  # fmt: skip


class UnknownObject(NamedTuple):
    """An object of a kind that this project does not know, so that it may hold pods that are not found."""

    api_version: str
    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind} {self.name}"


def list_objects(document: Any) -> Iterator[JsonObject]:
    """Yield the objects of a document, those in Lists too."""
    if not isinstance(document, dict):
        return
    kind = document.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from list_objects(item)
    else:
        yield document


def unknown_objects(document: Any) -> Iterator[UnknownObject]:
    """Yield the objects of a document whose kind is not Kubernetes' own, and in which no pod template is found."""
    for each in list_objects(document):
        version, kind = each.get("apiVersion"), each.get("kind")
        if not isinstance(version, str) or not isinstance(kind, str):
            continue
        group = version.partition("/")[0] if "/" in version else ""
        if group not in _KUBERNETES_GROUPS and not any(pod_templates(each)):
            yield UnknownObject(version, kind, name_of(each), namespace_of(each))


def name_of(owner: JsonObject) -> str:
    """Return the name of an object, its `generateName` if it has none, or `?`."""
    metadata = _object(owner.get("metadata"))
    return str(metadata.get("name") or metadata.get("generateName") or "?")


def namespace_of(owner: JsonObject) -> str:
    """Return the namespace of an object, or an empty text if it names none."""
    return str(_object(owner.get("metadata")).get("namespace") or "")


def misplaced_annotations(owner: JsonObject, template: JsonObject) -> tuple[str, ...]:
    """Return our annotations that a workload has itself, but its pod template has not."""
    if owner is template:
        return ()
    present = _annotations(template)
    return tuple(key for key in _annotations(owner) if key.startswith(PREFIX) and key not in present)


def _annotations(owner: JsonObject) -> JsonObject:
    return _object(_object(owner.get("metadata")).get("annotations"))


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
