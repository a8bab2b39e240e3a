"""Make the files of a release, one after another."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release import changelog, chart, commit, image, plugin, sbom
from release.archive import write_tar
from release.chart import Publication
from release.sbom import Subject
from release.targets import TARGETS


@dataclass(frozen=True)
class Order:
    """Who publishes a release, in which registry, with which helm, and whether without native modules."""

    owner: str
    registry: str
    helm: Path
    interpreted: bool

    @property
    def repository(self) -> str:
        return f"{self.owner}/dind-webhook"


def make(root: Path, order: Order, dist: Path, step: Callable[[str], None]) -> None:
    """Write the files of a release of the commit into the empty folder `dist`, and tell each step."""
    cache = root / "build/release"
    cache.mkdir(parents=True, exist_ok=True)
    # Not in /tmp: it may be a tmpfs, which takes memory.
    with work_folder(cache) as work:
        source = commit.export(root, work / "source", f"https://github.com/{order.repository}")
        section = changelog.section((source.folder / "CHANGELOG.md").read_text("utf-8"), source.version)
        step("building the Python package")
        tools = image.builder(work, cache / "debian", source, compiled=not order.interpreted)
        tools.install_tools(source.folder)
        for file in tools.package(source.folder):
            shutil.move(file, dist)
        (wheel,) = dist.glob("*.whl")
        step("building the kubectl plugin")
        plugin_wheels = plugin.write(tools, source, wheel, dist)
        (dist / "krew.yaml").write_text(plugin.krew_manifest(dist, source), "utf-8")
        step("building the image")
        digest = image.write(tools, source, cache / "debian", work / "layout")
        name = f"dind-webhook-{source.version}"
        layout = write_tar(work / "layout", (work / "layout").rglob("*"), source.epoch)
        (dist / f"{name}-image.tar").write_bytes(layout)
        for target in TARGETS:
            packages = sbom.packages_of_image(work / f"root-{target.architecture}")
            subject = Subject(f"dind-webhook-{target.architecture}", "container")
            _write_sboms(dist / f"{name}-{target.architecture}", sbom.describe(subject, source, packages))
        packages = plugin.packages(plugin_wheels)
        subject = Subject("kubectl-dind", "application")
        _write_sboms(dist / f"kubectl-dind-{source.version}", sbom.describe(subject, source, packages))
        step("packing the chart")
        publication = Publication(source.version, order.repository, f"{order.registry}/{order.repository}", digest)
        stamped = work / "chart/dind-webhook"
        shutil.copytree(source.folder / "charts/dind-webhook", stamped)
        notes = changelog.release_notes(section, order.repository, source.version)
        chart.stamp(stamped, publication, changelog.changes(notes))
        chart.pack(order.helm, stamped, dist, source.epoch)
        (dist / "install.yaml").write_text(chart.install_yaml(order.helm, stamped), "utf-8")
        (dist / "image.txt").write_text(f"{publication.image}:{source.version}@{digest}\n", "utf-8")
        (dist / "release-notes.md").write_text(notes, "utf-8")


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Yield an empty folder that is removed afterwards, in which new files have the modes of the umask."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        # Where the parent has a default ACL, that counts instead of the umask. A wheel has the modes of its files.
        with suppress(OSError):
            os.removexattr(folder, "system.posix_acl_default")
        yield Path(folder)


def _write_sboms(stem: Path, formats: Mapping[str, Any]) -> None:
    for suffix, document in formats.items():
        stem.with_name(f"{stem.name}.{suffix}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
