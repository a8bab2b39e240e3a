"""Manifests as people write them: read, and written again with changes.

Text comes in and goes out; only `read_manifest` opens a file.
"""

from dind_webhook.manifests.manifest import Change, Manifest, ManifestPod, join, read_manifest
from dind_webhook.manifests.objects import OtherObject, UnknownObject, display_name, namespace_in_metadata
from dind_webhook.manifests.yaml_writer import dump_documents, dump_yaml

__all__ = [
    "Change",
    "Manifest",
    "ManifestPod",
    "OtherObject",
    "UnknownObject",
    "display_name",
    "dump_documents",
    "dump_yaml",
    "join",
    "namespace_in_metadata",
    "read_manifest",
]
