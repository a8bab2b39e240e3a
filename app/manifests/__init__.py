"""Manifests as people write them: read, decided on as in a cluster, and written back with additions.

Texts in, texts out: only `read_manifest` opens a file.
"""

from app.manifests.manifest import Change, Manifest, Template, join, read_manifest

__all__ = ["Change", "Manifest", "Template", "join", "read_manifest"]
