"""Layers of images that have Debian's Python, and packages from the registry of Python."""

import sys
from pathlib import Path

from cluster import debian, images
from cluster.commands import run
from cluster.images import Sources
from python_packages import FROM_LOCK

# With this variable, Python finds the packages.
VARIABLE = "PYTHONPATH=/packages"
# Of Debian's release in the images
_PYTHON = "3.13"


def write_layer(root: Path, sources: Sources, lock: Path) -> None:
    """Write Debian with Python, and the packages of a lock."""
    debian.bootstrap(root, images.DEBIAN, ["python3"], sources.log)
    platform = ["--python-version", _PYTHON, "--only-binary", ":all:"]
    install = [sys.executable, "-m", "pip", "install", "--target", root / "packages", *platform]
    run("installing packages of Python", [*install, *FROM_LOCK, lock], sources.log)
