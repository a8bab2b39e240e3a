"""The objects of a document: what they are called, and which of them this project does not know."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from dind_webhook.model import WORKLOAD_KINDS, JsonObject, as_object, list_objects, nearest_word, pod_templates

# API groups built into Kubernetes. All kinds in them that have pods are known.
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
        return f"{self.api_version or '(no apiVersion)'} {self.kind or '(no kind)'} {self.name}"


class OtherObject(NamedTuple):
    """An object in which no pod template is found; `unknown` describes it if its kind may have one."""

    resource: JsonObject
    unknown: UnknownObject | None


def other_objects(document: Any) -> Iterator[OtherObject]:
    """Yield the objects in which no pod template is found."""
    for each in list_objects(document):
        if not any(pod_templates(each)):
            yield OtherObject(each, _describe_unknown(each))


def unknown_objects(document: Any) -> Iterator[UnknownObject]:
    """Yield the objects in which no pod template is found, and whose kind may have one.

    These are objects without apiVersion or kind, objects of an API group that is not built into Kubernetes, and objects
    of a kind that is spelled almost like a workload.
    """
    return (each.unknown for each in other_objects(document) if each.unknown)


def _describe_unknown(resource: JsonObject) -> UnknownObject | None:
    version, kind = str(resource.get("apiVersion") or ""), str(resource.get("kind") or "")
    group = version.partition("/")[0] if "/" in version else ""
    is_spelled_well = kind in WORKLOAD_KINDS or nearest_word(kind, WORKLOAD_KINDS) is None
    if version and kind and group in _KUBERNETES_GROUPS and is_spelled_well:
        return None
    return UnknownObject(version, kind, display_name(resource), namespace_in_metadata(resource))


def display_name(owner: JsonObject) -> str:
    """Return the name of an object, its `generateName` if it has none, or `?`."""
    metadata = as_object(owner.get("metadata"))
    return str(metadata.get("name") or metadata.get("generateName") or "?")


def namespace_in_metadata(owner: JsonObject) -> str:
    """Return the namespace of an object, or an empty text if it names none."""
    return str(as_object(owner.get("metadata")).get("namespace") or "")
