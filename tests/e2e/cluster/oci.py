"""Pack folders into OCI image archives, which containerd and skopeo can read."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The time of all files, so that layers with the same files have the same digest, and images share them on a disk.
_TIME = "2026-01-01T00:00Z"
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

    @classmethod
    def of_file(cls, media_type: str, file: Path) -> "_Blob":
        with file.open("rb") as content:
            return cls(media_type, hashlib.file_digest(content, "sha256").hexdigest(), file.stat().st_size)

    @property
    def path(self) -> str:
        return f"blobs/sha256/{self.digest}"

    def describe(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": f"sha256:{self.digest}", "size": self.size, **more}


@dataclass(frozen=True)
class Config:
    """The defaults of an image for the command, the entrypoint and the environment of its containers."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


def pack(name: str, layers: Sequence[Path], config: Config, archive: Path) -> None:
    """Write the archive of an image, whose layers, from the lowest, are the contents of folders."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        files = [_pack_layer(layer, Path(folder) / f"{index}.tar") for index, layer in enumerate(layers)]
        blobs = [_Blob.of_file(f"{_MEDIA}.layer.v1.tar", file) for file in files]
        contents = _describe(name, blobs, config)
        _write(archive, contents, {blob.path: file for blob, file in zip(blobs, files, strict=True)})


def _pack_layer(root: Path, target: Path) -> Path:
    flags = ["--numeric-owner", "--sort=name", f"--mtime={_TIME}"]
    subprocess.run(["tar", *flags, "-C", root, "-cf", target, "."], check=True)
    return target


def _describe(name: str, layers: Sequence[_Blob], config: Config) -> dict[str, bytes]:
    """Return the contents of the files of an archive by path, except for its layers."""
    defaults = {
        "Env": [_PATH, *config.environment],
        "Entrypoint": list(config.entrypoint) or None,
        "Cmd": list(config.command) or None,
    }
    config_content = _encode(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": defaults,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        }
    )
    config_blob = _Blob.of(f"{_MEDIA}.config.v1+json", config_content)
    manifest_content = _encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": config_blob.describe(),
            "layers": [layer.describe() for layer in layers],
        }
    )
    manifest = _Blob.of(f"{_MEDIA}.manifest.v1+json", manifest_content)
    named = manifest.describe(annotations={"io.containerd.image.name": name})
    return {
        "oci-layout": _encode({"imageLayoutVersion": "1.0.0"}),
        "index.json": _encode({"schemaVersion": 2, "manifests": [named]}),
        config_blob.path: config_content,
        manifest.path: manifest_content,
    }


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
