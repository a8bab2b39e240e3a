"""The kubectl plugin: one executable file for each platform, packed as krew needs it, and krew's manifest."""

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from release.application import Builder
from release.archive import write_tar
from release.errors import ReleaseError
from release.image import Source
from release.sbom import Component, packages_in_wheels
from release.targets import TARGETS

# A file has the native modules for each of them. A newer Python needs a new release.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
CONSTRAINT = f"CPython>={PYTHONS[0]},<3.{int(PYTHONS[-1].removeprefix('3.')) + 1}"
_MACOS = tuple(f"macosx_{version}_{kind}" for version in ("10_9", "11_0") for kind in ("arm64", "universal2"))
# kubectl's completion runs it, if it is on the PATH.
_COMPLETION = '#!/bin/sh\nPEX_SCRIPT=kubectl_complete-dind exec kubectl-dind "$@"\n'


@dataclass(frozen=True)
class Platform:
    """A platform as krew names it, and the platforms whose wheels fit, as pip names them."""

    os: str
    architecture: str
    wheels: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.os}-{self.architecture}"


# cryptography has no wheel for macOS on Intel.
PLATFORMS = (
    *(Platform("linux", target.architecture, target.platforms) for target in TARGETS),
    Platform("darwin", "arm64", _MACOS),
)


def write(tools: Builder, source: Source, wheel: Path, dist: Path) -> Mapping[Platform, Path]:
    """Write the archive of each platform into `dist` and return the folders with the wheels in them."""
    folders = {platform: tools.sandbox.work / f"plugin-{platform.name}" for platform in PLATFORMS}
    for folder in folders.values():
        folder.mkdir()
        (folder / wheel.name).write_bytes(wheel.read_bytes())

    def download(pair: tuple[Platform, str]) -> None:
        platform, python = pair
        # One for each pip: two that run at the same time do not expect files of the other in their folder.
        downloads = tools.sandbox.work / f"wheels-{platform.name}-{python}"
        tools.download_wheels(source.folder, downloads, python, platform.wheels)
        for file in downloads.iterdir():
            file.replace(folders[platform] / file.name)

    # They wait for the network most of the time.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(download, product(PLATFORMS, PYTHONS)))
    for platform, wheels in folders.items():
        packed = tools.sandbox.work / f"archive-{platform.name}"
        packed.mkdir()
        tools.write_pex(source.folder, wheels, packed / "kubectl-dind", CONSTRAINT)
        completion = packed / "kubectl_complete-dind"
        completion.write_text(_COMPLETION, "utf-8")
        (packed / "LICENSE").write_bytes((source.folder / "LICENSE").read_bytes())
        for path in packed.iterdir():
            path.chmod(0o644 if path.name == "LICENSE" else 0o755)
        content = tools.gzip(write_tar(packed, packed.iterdir(), source.epoch))
        (dist / archive_name(platform, source.version)).write_bytes(content)
    return folders


def packages(folders: Mapping[Platform, Path]) -> list[Component]:
    """Return the packages in the plugin. Raise ReleaseError if those of two platforms differ: one list is published."""
    first, *others = [set(packages_in_wheels(folder)) for folder in folders.values()]
    if any(other != first for other in others):
        raise ReleaseError("the packages of the kubectl plugin differ between platforms")
    return list(first)


def archive_name(platform: Platform, version: str) -> str:
    return f"kubectl-dind-{version}-{platform.name}.tar.gz"


def krew_manifest(dist: Path, source: Source) -> str:
    """Return the manifest for `kubectl krew install --manifest`, with the hashes of the archives in `dist`."""
    manifest = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "dind"},
        "spec": {
            "version": f"v{source.version}",
            "homepage": source.url,
            "shortDescription": "Explain and check Docker daemons in pods",
            "description": (
                "Explains why a pod has or does not have a Docker daemon from dind-webhook, checks an installation of\n"
                "dind-webhook, finds pods that use the node's Docker, and injects daemons into manifests.\n"
            ),
            "caveats": f"Needs Python {PYTHONS[0]} to {PYTHONS[-1]} on the PATH, as python3 or python3.x.\n",
            "platforms": list(_krew_platforms(dist, source)),
        },
    }
    text: str = yaml.safe_dump(manifest, sort_keys=False, width=1000)
    return text


def _krew_platforms(dist: Path, source: Source) -> Iterable[dict[str, Any]]:
    for platform in PLATFORMS:
        name = archive_name(platform, source.version)
        yield {
            "selector": {"matchLabels": {"os": platform.os, "arch": platform.architecture}},
            "uri": f"{source.url}/releases/download/v{source.version}/{name}",
            "sha256": hashlib.sha256((dist / name).read_bytes()).hexdigest(),
            "bin": "kubectl-dind",
        }
