"""The place of the pod template in each workload kind."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from dind_webhook.model.jsonpatch import JsonObject, pointer

_SPEC_TEMPLATE = ("spec", "template")
_TEMPLATE_PATHS: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "ReplicationController": _SPEC_TEMPLATE,
    "ReplicaSet": _SPEC_TEMPLATE,
    "Deployment": _SPEC_TEMPLATE,
    "StatefulSet": _SPEC_TEMPLATE,
    "DaemonSet": _SPEC_TEMPLATE,
    "Job": _SPEC_TEMPLATE,
    "CronJob": ("spec", "jobTemplate", *_SPEC_TEMPLATE),
}


WORKLOAD_KINDS = tuple(_TEMPLATE_PATHS)


class PodTemplate(NamedTuple):
    """A pod or pod template, the object it belongs to, and its JSON pointer in that object."""

    owner: JsonObject
    pointer: str
    pod: JsonObject

    def claim_names(self) -> tuple[str, ...]:
        """Return the names of the volumes that a StatefulSet adds to its pods, one for each claim template."""
        if self.owner.get("kind") != "StatefulSet":
            return ()
        claims = as_object(self.owner.get("spec")).get("volumeClaimTemplates")
        names = (
            [as_object(as_object(claim).get("metadata")).get("name") for claim in claims or ()]
            if isinstance(claims, list)
            else []
        )
        return tuple(name for name in names if isinstance(name, str))

    def outer_metadata(self) -> Iterator[JsonObject]:
        """Yield the metadata of the object and of each part of it that the pod template is in."""
        node: Any = self.owner
        for step in self.pointer.split("/")[1:]:
            if isinstance(node.get("metadata"), dict):
                yield node["metadata"]
            node = node[step]


def as_object(value: Any) -> JsonObject:
    """Return a value that is an object, or an empty object for any other value."""
    return value if isinstance(value, dict) else {}


def list_objects(manifest: Any) -> Iterator[JsonObject]:
    """Yield the objects of a manifest: the items of a List, or the manifest itself if it is an object."""
    if not isinstance(manifest, dict):
        return
    kind = manifest.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(manifest.get("items"), list):
        for item in manifest["items"]:
            yield from list_objects(item)
    else:
        yield manifest


def pod_templates(manifest: Any) -> Iterator[PodTemplate]:
    """Yield the pod or pod template of each workload in a manifest. A List yields those of its items.

    Other kinds, and workloads whose template is not an object, yield nothing.
    """
    for owner in list_objects(manifest):
        kind = owner.get("kind")
        path = _TEMPLATE_PATHS.get(kind) if isinstance(kind, str) else None
        if path is None:
            continue
        template: Any = owner
        for step in path:
            template = template.get(step) if isinstance(template, dict) else None
        if isinstance(template, dict):
            yield PodTemplate(owner, pointer(*path), template)
