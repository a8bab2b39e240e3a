"""Manifests as people write them: read, and written again with additions.

Text comes in and goes out; only `read_manifest` opens a file.
"""

from app.manifests.manifest import Change, Manifest, ManifestPod, join, read_manifest
from app.manifests.objects import UnknownObject
from app.manifests.yaml_writer import dump_yaml

__all__ = ["Change", "Manifest", "ManifestPod", "UnknownObject", "dump_yaml", "join", "read_manifest"]
