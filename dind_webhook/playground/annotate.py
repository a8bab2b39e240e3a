"""Adds annotations to a manifest as its author would write them."""

from collections.abc import Mapping

from dind_webhook.manifests import Manifest, ManifestPod
from dind_webhook.model import Operation, add, pointer


def annotate(text: str, annotations: Mapping[str, str], name: str) -> str:
    """Return a manifest with these annotations on each of its pods; ManifestError if it holds no Kubernetes object.

    An annotation that exists gets the new value. `name` is what messages call the manifest.
    """
    manifest = Manifest(text, name)
    if annotations:
        for template in manifest.templates():
            manifest.inject(template, _operations(template, annotations))
    return manifest.text


def _operations(template: ManifestPod, annotations: Mapping[str, str]) -> list[Operation]:
    metadata = template.pod.get("metadata")
    if metadata is None:
        return [add("/metadata", {"annotations": dict(annotations)})]
    if not isinstance(metadata, dict):
        return []
    existing = metadata.get("annotations")
    if existing is None:
        return [add("/metadata/annotations", dict(annotations))]
    if not isinstance(existing, dict):
        return []
    return [
        add("/metadata/annotations" + pointer(key), value)
        for key, value in annotations.items()
        if existing.get(key) != value
    ]
