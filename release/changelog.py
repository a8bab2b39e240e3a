"""The sections of the changelog, in the format of Keep a Changelog 1.1.0."""

import re

from release.errors import ReleaseError
from release.links import with_absolute_links

# Those of Keep a Changelog, and of Artifact Hub
_KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")


def section(changelog: str, version: str) -> str:
    """Return the text of a version without its heading. Raise ReleaseError if there is none."""
    text = _below(rf"{re.escape(version)} - [^\n]*", changelog)
    if text is None:
        raise ReleaseError(f"CHANGELOG.md has no section {version}: give the changes under Unreleased that heading")
    return text + "\n"


def check_tag(tag: str, version: str, changelog: str) -> None:
    """Raise ReleaseError unless a tag is that of the version, which is X.Y.Z, and no change is under Unreleased.

    The notes of a release are the section of its version, so they would lack such a change.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version} is a pre-release: releases are numbers only, such as 1.2.3")
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, but dind_webhook/__init__.py has the version {version}: tag v{version}")
    if _below("Unreleased", changelog):
        raise ReleaseError(f"CHANGELOG.md has changes under Unreleased: move them to the section {version}")


def changes(section_text: str) -> list[tuple[str, str]]:
    """Return kind and description of each change of a section, for example ("added", "Pods that …").

    Raise ReleaseError if a heading is no kind of change: nobody would see what is below it.
    """
    found: list[tuple[str, list[str]]] = []
    kind, item = "", None
    for line in filter(None, section_text.splitlines()):
        if line.startswith("### "):
            kind, item = _kind(line.removeprefix("### ")), None
        elif line.startswith("- "):
            if not kind:
                raise ReleaseError(f"CHANGELOG.md has a change above the first heading of a kind: {line}")
            item = [line.removeprefix("- ")]
            found.append((kind, item))
        elif not line.startswith(" "):
            # The heading of a group of changes
            item = None
        elif item is not None:
            item.append(line)
    return [(kind, " ".join(" ".join(lines).split())) for kind, lines in found]


def _kind(heading: str) -> str:
    if heading.lower() not in _KINDS:
        raise ReleaseError(
            f"CHANGELOG.md has the heading {heading}, which is no kind of change: use one of "
            f"{', '.join(kind.capitalize() for kind in _KINDS)}"
        )
    return heading.lower()


def release_notes(section_text: str, repository: str, version: str) -> str:
    """Return the notes of a release. Links to files of the repository lead to the files of the version."""
    return with_absolute_links(section_text, repository, version)


def _below(heading: str, changelog: str) -> str | None:
    """Return the text below the heading of a section, a pattern, or None if there is no such section."""
    match = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else None
