"""What a release needs is checked before anything is built, which takes minutes."""

import platform
import re
from pathlib import Path

from release import changelog, commit, programs
from release.errors import ReleaseError
from release.targets import TARGETS

# Names of accounts on GitHub, in lower case, as names of images are
_OWNER = r"[a-z0-9]+(-[a-z0-9]+)*"
# The host of a registry, its port, and a path, as in names of images (OCI distribution specification)
_REGISTRY = r"[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"


def check_names(owner: str, registry: str) -> None:
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


def check_machine() -> None:
    """Raise ReleaseError if this machine cannot run the locked packages, or lacks a program."""
    if (platform.system(), platform.machine()) != ("Linux", TARGETS[0].machine):
        raise ReleaseError(
            f"a release is made on Linux on {TARGETS[0].machine}: this is {platform.system()} on {platform.machine()}"
        )
    programs.require(("bwrap", "dpkg-deb", "git", "tar"))


def check_commit(root: Path, tag: str) -> None:
    """Raise ReleaseError if the commit cannot be released, or not under a tag, which may be empty."""
    tools, others = commit.uncommitted(root)
    if tools:
        raise ReleaseError(f"these changed files make a release: commit the changes, or restore the files:\n{tools}")
    if tag and others:
        raise ReleaseError(f"commit these changes, or restore the files, before you release {tag}:\n{others}")
    version, sections = commit.version(root), commit.read(root, "CHANGELOG.md")
    chart = commit.read(root, "charts/dind-webhook/Chart.yaml")
    for field in ("version", "appVersion"):
        found = re.search(rf'^{field}: "?([^"\n]+)"?$', chart, re.MULTILINE)
        if not found or found[1] != version:
            raise ReleaseError(
                f"Chart.yaml has the {field} {found[1] if found else ''}, but dind_webhook/__init__.py has the "
                f"version {version}: they must be equal"
            )
    if tag:
        changelog.check_tag(tag, version, sections)
    # Each heading is known.
    changelog.changes(changelog.section(sections, version))
