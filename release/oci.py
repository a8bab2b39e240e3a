"""Write container images as an OCI image layout, by the OCI image specification 1.1."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image"


@dataclass(frozen=True)
class Image:
    """An image for an architecture: its layers, the lowest first, and its configuration."""

    architecture: str
    layers: Sequence["Layer"]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer of an image: a tar file, and the same file compressed by gzip."""

    tar: bytes
    gzip: bytes


@dataclass
class Layout:
    """A folder in the format of an OCI image layout. `created` is a time as in RFC 3339."""

    folder: Path
    created: str
    _blobs: Path = field(init=False)

    def __post_init__(self) -> None:
        self._blobs = self.folder / "blobs/sha256"
        self._blobs.mkdir(parents=True)

    def write(self, tag: str, images: Sequence[Image], annotations: Mapping[str, str]) -> str:
        """Write one image for several architectures, and return the digest of its index."""
        manifests = [self._write_image(image, annotations) for image in images]
        index = self._write_json(
            f"{_MEDIA}.index.v1+json",
            {
                "schemaVersion": 2,
                "mediaType": f"{_MEDIA}.index.v1+json",
                "manifests": manifests,
                "annotations": annotations,
            },
        )
        named = index | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}), "utf-8")
        (self.folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}), "utf-8")
        digest: str = index["digest"]
        return digest

    def _write_image(self, image: Image, annotations: Mapping[str, str]) -> dict[str, Any]:
        layers = [self._write(f"{_MEDIA}.layer.v1.tar+gzip", layer.gzip) for layer in image.layers]
        platform = {"architecture": image.architecture, "os": "linux"}
        config = self._write_json(
            f"{_MEDIA}.config.v1+json",
            {
                **platform,
                "created": self.created,
                "config": image.config,
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer.tar) for layer in image.layers]},
                "history": [{"created": self.created, "created_by": "python -m release"} for _ in image.layers],
            },
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": config,
            "layers": layers,
            "annotations": annotations,
        }
        return self._write_json(f"{_MEDIA}.manifest.v1+json", manifest) | {"platform": platform}

    def _write_json(self, media_type: str, value: Mapping[str, Any]) -> dict[str, Any]:
        return self._write(media_type, json.dumps(value).encode())

    def _write(self, media_type: str, content: bytes) -> dict[str, Any]:
        digest = _digest(content)
        (self._blobs / digest.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
