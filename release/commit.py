"""The commit that is released. The user's configuration of Git does not change what is read of it."""

import os
import re
from pathlib import Path

from release import programs
from release.errors import ReleaseError
from release.image import Source

_CONFIGURATION = (
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.eol=lf",
    "log.showSignature=false",
    "tar.umask=0022",
)
# A release is made by these files of the working tree, not by those of the commit.
_TOOLS = ("release/", "tests/install-go-tools.sh", "tests/install-go.sh", "tests/requirements-go.lock")


def uncommitted(root: Path) -> tuple[str, str]:
    """Return Git's list of changed files: of those that make a release, and of the others, which are not released."""
    # With the user's configuration, by which Git wrote the files.
    command = ["git", "status", "--porcelain", "--untracked-files=no", "--no-renames"]
    status = programs.run(command, folder=root).decode()
    tools: list[str] = []
    others: list[str] = []
    for line in status.splitlines(keepends=True):
        # The path follows the two letters of the states.
        (tools if line[3:].startswith(_TOOLS) else others).append(line)
    return "".join(tools), "".join(others)


def read(root: Path, path: str) -> str:
    """Return the text of a file of the commit."""
    return _git(root, "cat-file", "blob", f"HEAD:{path}").decode()


def version(root: Path) -> str:
    """Return the version of the program."""
    match = re.search(r'^__version__ = "(.+)"$', read(root, "dind_webhook/__init__.py"), re.MULTILINE)
    if not match:
        raise ReleaseError("dind_webhook/__init__.py has no __version__")
    return match[1]


def export(root: Path, folder: Path, url: str) -> Source:
    """Write the files of the commit into a new folder, without changes and files that Git does not know."""
    folder.mkdir()
    exported = _git(root, "archive", "HEAD")
    programs.run(["tar", "-x", "--preserve-permissions", "-C", folder], stdin=exported)
    revision, epoch = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    return Source(folder, revision, int(epoch), version(root), url)


def _git(root: Path, *arguments: str) -> bytes:
    configuration = [word for setting in _CONFIGURATION for word in ("-c", setting)]
    environment = {**os.environ, "GIT_ATTR_NOSYSTEM": "1"}
    return programs.run(["git", *configuration, *arguments], folder=root, environment=environment)
