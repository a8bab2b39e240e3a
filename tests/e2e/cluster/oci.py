"""Pack folders into OCI image archives with one layer, which containerd and skopeo can read."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class _Blob:
    """A blob of an archive. Its name is its digest."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, media_type: str, content: bytes) -> "_Blob":
        return cls(media_type, hashlib.sha256(content).hexdigest(), len(content))

    @property
    def path(self) -> str:
        return f"blobs/sha256/{self.digest}"

    def describe(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": f"sha256:{self.digest}", "size": self.size, **more}


def pack(name: str, root: Path, command: Sequence[str], archive: Path) -> None:
    """Write the archive of an image with a folder's content as its only layer, a command, and no entrypoint."""
    layer_file = archive.with_suffix(".layer")
    subprocess.run(["tar", "--numeric-owner", "--sort=name", "-C", root, "-cf", layer_file, "."], check=True)
    with layer_file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    layer = _Blob(f"{_MEDIA}.layer.v1.tar", digest, layer_file.stat().st_size)
    config_content = _encode(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Env": [_PATH], "Cmd": list(command) or None},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    )
    config = _Blob.of(f"{_MEDIA}.config.v1+json", config_content)
    manifest_content = _encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": config.describe(),
            "layers": [layer.describe()],
        }
    )
    manifest = _Blob.of(f"{_MEDIA}.manifest.v1+json", manifest_content)
    named = manifest.describe(annotations={"io.containerd.image.name": name})
    files = {
        "oci-layout": _encode({"imageLayoutVersion": "1.0.0"}),
        "index.json": _encode({"schemaVersion": 2, "manifests": [named]}),
        config.path: config_content,
        manifest.path: manifest_content,
    }
    _write(archive, files, {layer.path: layer_file})
    layer_file.unlink()


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def _write(archive: Path, contents: dict[str, bytes], files: dict[str, Path]) -> None:
    unfinished = archive.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as tar:
        for path, content in contents.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for path, file in files.items():
            tar.add(file, path)
    unfinished.rename(archive)
