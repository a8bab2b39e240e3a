"""`python unused.py SITE`: remove from the installed dependencies what nothing in the image imports.

The Dockerfile runs this file alone, with any Python.
"""

import re
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path

# Packages of requirements.lock that nothing here imports: setuptools is for editable installs, the others are for the
# asynchronous twin of the Kubernetes client.
PACKAGES = (
    "aiohappyeyeballs",
    "aiohttp",
    "aiohttp-retry",
    "aiosignal",
    "attrs",
    "frozenlist",
    "multidict",
    "propcache",
    "setuptools",
    "yarl",
)
_ASYNCHRONOUS_CLIENT = "kubernetes/aio"
# The client's generated classes for all resources. It imports those that somebody uses; our code uses none
# (docs/decisions/0037).
_GENERATED = ("kubernetes/client/api", "kubernetes/client/models")


def canonical_name(name: str) -> str:
    """Return the name of a Python package as lock files have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_unused(name: str) -> bool:
    """Return whether nothing imports the package of that name."""
    return canonical_name(name) in PACKAGES


def remove(site: Path) -> None:
    """Remove what is not used from a folder into which requirements.lock was installed."""
    shutil.rmtree(site / _ASYNCHRONOUS_CLIENT)
    for folder in _GENERATED:
        for path in (site / folder).glob("*.py"):
            # The client imports the packages themselves.
            if path.name != "__init__.py":
                path.unlink()
    for distribution in list(distributions(path=[str(site)])):
        if is_unused(distribution.metadata["Name"]):
            for file in distribution.files or ():
                # These packages have no programs.
                if ".." not in file.parts:
                    (site / file).unlink(missing_ok=True)
    for path in sorted(site.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    remove(Path(sys.argv[1]))
