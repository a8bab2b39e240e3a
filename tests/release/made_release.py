"""Make a release for these tests, and find the tools that publish and install it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from dind_webhook import __version__

ROOT = Path(__file__).parents[2]
OWNER = "example"
# A release that was made before, to work on these tests: its registry must be a free port of this machine.
PREBUILT_DIST = Path(os.environ["RELEASE_DIST"]) if "RELEASE_DIST" in os.environ else None


class Release(NamedTuple):
    """The folder of a release, and the registry that its image and chart are for."""

    dist: Path
    registry: str

    @property
    def image(self) -> str:
        """Return the image with tag and digest."""
        return (self.dist / "image.txt").read_text().strip()

    @property
    def chart(self) -> Path:
        (chart,) = self.dist.glob("dind-webhook-*.tgz")
        return chart


def tool(name: str) -> str:
    """Return the path of a tool that install-go-tools.sh has built."""
    listing = [ROOT / "tests/install-go-tools.sh", "--paths", name]
    path = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.strip().partition("=")[2]
    if not Path(path).exists():
        pytest.fail(f"{name} is not there: `make release-tests` builds it")
    return path


def make(
    dist: Path,
    registry: str,
    checkout: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    *,
    interpreted: bool = False,
) -> None:
    """Make a release. RELEASE_FLAGS=--interpreted leaves out the native modules, which take minutes."""
    command = [sys.executable, "-m", "release", "make", "--owner", OWNER, "--registry", registry]
    flags = [*os.environ.get("RELEASE_FLAGS", "").split(), "--dist", str(dist), "--helm", tool("helm4")]
    flags += ["--interpreted"] if interpreted else []
    variables = {**os.environ, "PYTHONPATH": str(checkout), **(environment or {})}
    # What a machine gives to new files must not matter.
    umask = 0o022 if checkout == ROOT else 0o077
    subprocess.run([*command, *flags], cwd=checkout, env=variables, umask=umask, check=True)


def clone(folder: Path) -> Path:
    """Return another checkout of the same commit, which downloads nothing again."""
    checkout = folder / "a checkout"
    subprocess.run(["git", "clone", "--quiet", "--no-local", f"file://{ROOT}", checkout], umask=0o077, check=True)
    caches = checkout / "build/release"
    caches.mkdir(parents=True)
    for name in ("debian", "pip"):
        shared = ROOT / "build/release" / name
        shared.mkdir(parents=True, exist_ok=True)
        (caches / name).symlink_to(shared)
    return checkout


def commit_version(checkout: Path, version: str) -> None:
    """Commit another version of program and chart, whose section of the changelog is that of the current one."""
    for name in ("dind_webhook/__init__.py", "charts/dind-webhook/Chart.yaml", "CHANGELOG.md"):
        text = (checkout / name).read_text()
        assert __version__ in text
        (checkout / name).write_text(text.replace(__version__, version))
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgSign=false"]
    command = ["git", *settings, "commit", "--quiet", "--no-verify", "--all", f"--message={version}"]
    subprocess.run(command, cwd=checkout, check=True)
