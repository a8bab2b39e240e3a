"""Make a release for these tests, and find the tools that publish and install it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
OWNER = "example"
# A release that was made before, to work on these tests: its registry must be a free port of this machine.
MADE = Path(os.environ["RELEASE_DIST"]) if "RELEASE_DIST" in os.environ else None


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


def make(dist: Path, registry: str) -> None:
    """Make a release. RELEASE_FLAGS=--interpreted leaves out the native modules, which take minutes."""
    command = [sys.executable, "-m", "release", "make", "--owner", OWNER, "--registry", registry]
    flags = [*os.environ.get("RELEASE_FLAGS", "").split(), "--dist", str(dist), "--helm", tool("helm4")]
    subprocess.run([*command, *flags], cwd=ROOT, check=True)
