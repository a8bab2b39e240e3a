"""`python -m release`: fill a folder with what a release publishes; `python -m release lock`: lock Debian packages."""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from release import changelog, chart, debian, image, plugin, sbom
from release.archive import write_tar
from release.chart import Publication
from release.errors import ReleaseError
from release.image import Source
from release.sbom import Subject
from release.targets import TARGETS

_ROOT = Path(__file__).parent.parent
_CACHE = _ROOT / "build/release"
# Names of accounts on GitHub, in lower case, as names of images are
_OWNER = r"[a-z0-9]+(-[a-z0-9]+)*"
# The host of a registry, its port, and a path, as in names of images (OCI distribution specification)
_REGISTRY = r"[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lock", help="lock the newest Debian packages")
    make = commands.add_parser("make", help="fill dist/ from the commit that is checked out")
    make.add_argument("--owner", required=True, help="the account on GitHub that publishes")
    make.add_argument("--registry", default="ghcr.io", help="the container registry (default: %(default)s)")
    make.add_argument("--tag", help="fail unless the commit is ready to be released under this tag, for example v1.2.3")
    make.add_argument("--dist", type=Path, default=_ROOT / "dist", help="the folder, which is emptied first")
    make.add_argument("--helm", type=Path, required=True, help="helm 4")
    make.add_argument("--interpreted", action="store_true", help="without native modules: faster to make, slower")
    arguments = parser.parse_args()
    # Modes of files must not depend on who makes the release.
    os.umask(0o022)
    try:
        if arguments.command == "lock":
            debian.lock(_ROOT)
        else:
            _make(arguments)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _make(arguments: argparse.Namespace) -> None:
    _check_names(arguments.owner, arguments.registry)
    if changed := _git("status", "--porcelain", "--untracked-files=no").decode():
        if arguments.tag:
            raise ReleaseError(
                f"commit these changes, or restore the files, before you release {arguments.tag}:\n{changed}"
            )
        print(f"warning: uncommitted changes are not released:\n{changed}", file=sys.stderr)
    repository, dist, helm = f"{arguments.owner}/dind-webhook", arguments.dist, arguments.helm
    _CACHE.mkdir(parents=True, exist_ok=True)
    # Not in /tmp: it may be a tmpfs, which takes memory.
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        work = Path(folder)
        source = _export(work / "source", f"https://github.com/{repository}")
        all_sections = (source.folder / "CHANGELOG.md").read_text()
        if arguments.tag:
            changelog.check_tag(arguments.tag, source.version, all_sections)
        section = changelog.section(all_sections, source.version)
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir(parents=True)
        _step("building the Python package")
        tools = image.builder(work, _CACHE / "debian", source, compiled=not arguments.interpreted)
        tools.install_tools(source.folder)
        for file in tools.package(source.folder):
            shutil.move(file, dist)
        (wheel,) = dist.glob("*.whl")
        _step("building the kubectl plugin")
        plugin_wheels = plugin.write(tools, source, wheel, dist)
        (dist / "krew.yaml").write_text(plugin.krew_manifest(dist, source))
        _step("building the image")
        digest = image.write(tools, source, _CACHE / "debian", work / "layout")
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
        _step("packing the chart")
        publication = Publication(source.version, repository, f"{arguments.registry}/{repository}", digest)
        stamped = work / "chart/dind-webhook"
        shutil.copytree(source.folder / "charts/dind-webhook", stamped)
        notes = changelog.release_notes(section, repository, source.version)
        chart.stamp(stamped, publication, changelog.changes(notes))
        chart.pack(helm, stamped, dist, source.epoch)
        (dist / "install.yaml").write_text(chart.install_yaml(helm, stamped))
        (dist / "image.txt").write_text(f"{publication.image}:{source.version}@{digest}\n")
        (dist / "release-notes.md").write_text(notes)
    files = sorted(path for path in dist.iterdir())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (dist / "SHA256SUMS").write_text("".join(sums))
    _step(f"made {len(files) + 1} files in {dist}")


def _check_names(owner: str, registry: str) -> None:
    """Raise ReleaseError if a name cannot be part of the name of an image."""
    if not re.fullmatch(_OWNER, owner):
        raise ReleaseError(
            f"OWNER={owner}: write the account on GitHub that publishes, in lower case: make release OWNER=account"
        )
    if not re.fullmatch(_REGISTRY, registry):
        raise ReleaseError(
            f"REGISTRY={registry}: write the host of a registry, with port and path if it has them, in lower case and "
            "without https://, for example registry.example:5000"
        )


def _export(folder: Path, url: str) -> Source:
    """Write the files of the commit into a folder: neither changes nor files that Git does not know are released."""
    # The modes of the files must not depend on the user's configuration.
    exported = _git("-c", "tar.umask=0022", "archive", "HEAD")
    folder.mkdir()
    subprocess.run(["tar", "-x", "--preserve-permissions", "-C", folder], input=exported, check=True)
    revision, epoch = _git("log", "-1", "--format=%H %ct").decode().split()
    match = re.search(r'^__version__ = "(.+)"$', (folder / "dind_webhook/__init__.py").read_text(), re.MULTILINE)
    if not match:
        raise ReleaseError("dind_webhook/__init__.py has no __version__")
    return Source(folder, revision, int(epoch), match[1], url)


def _write_sboms(stem: Path, formats: Mapping[str, Any]) -> None:
    for suffix, document in formats.items():
        stem.with_name(f"{stem.name}.{suffix}.json").write_text(json.dumps(document, indent=1) + "\n")


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=_ROOT, check=False, capture_output=True)
    if done.returncode:
        raise ReleaseError(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


def _step(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
