"""Layers of images that have Debian's Python, and packages from the registry of Python."""

import sys
from pathlib import Path

from cluster import debian, images
from cluster.commands import run
from cluster.images import Sources

# With this variable, Python finds the packages.
VARIABLE = "PYTHONPATH=/packages"
# Of Debian's release in the images
_PYTHON = "3.13"


def write_layer(root: Path, sources: Sources, *requirements: str | Path) -> None:
    """Write Debian with Python, and packages. `requirements` are arguments of `pip install`."""
    debian.bootstrap(root, images.DEBIAN, ["python3"], sources.log)
    platform = ["--python-version", _PYTHON, "--only-binary", ":all:"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", root / "packages", *platform]
    run("installing packages of Python", [*install, *requirements], sources.log)
