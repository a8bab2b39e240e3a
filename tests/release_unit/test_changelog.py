"""The parts of the changelog that a release shows: as its notes, and as the changes on Artifact Hub."""

from pathlib import Path

import pytest

from release.changelog import changes, release_notes, section
from release.errors import ReleaseError

CHANGELOG = """# Changelog

## Unreleased

### Fixed

- Not yet.

## 1.2.0 - 2026-02-01

Read [how to upgrade](docs/releases.md), and [why](https://example.com/why) [below](#added).

### Added

Injection:

- Pods on two
  lines.
- Pods
  with a list:

  - inner

The webhook:

- Its start. See [the page](docs/start.md#first).

### Fixed
- Its end.

## 1.1.0 - 2026-01-01

- Older.
"""


def test_a_section_is_the_text_below_its_heading() -> None:
    text = section(CHANGELOG, "1.2.0")
    assert text.startswith("Read [how")
    assert text.endswith("### Fixed\n- Its end.\n")
    assert section(CHANGELOG, "1.1.0") == "- Older.\n"


@pytest.mark.parametrize("version", ["1.3.0", "1.2", "1x2.0"])
def test_a_version_without_a_section_is_an_error(version: str) -> None:
    with pytest.raises(ReleaseError, match=f"no section {version}: give the changes"):
        section(CHANGELOG, version)


def test_changes_end_at_subheadings() -> None:
    assert changes(section(CHANGELOG, "1.2.0")) == [
        ("added", "Pods on two lines."),
        ("added", "Pods with a list: - inner"),
        ("added", "Its start. See [the page](docs/start.md#first)."),
        ("fixed", "Its end."),
    ]


def test_a_heading_that_is_no_kind_of_change_is_named() -> None:
    with pytest.raises(ReleaseError, match=r"the heading Known problems, .* use one of Added, Changed, Deprecated, "):
        changes("### Fixed\n\n- It.\n\n### Known problems\n\n- One.\n")


def test_a_change_without_a_kind_is_named() -> None:
    with pytest.raises(ReleaseError, match=r"above the first heading of a kind: - Older\."):
        changes(section(CHANGELOG, "1.1.0"))


def test_release_notes_link_to_the_files_of_the_version() -> None:
    notes = release_notes(section(CHANGELOG, "1.2.0"), "owner/dind-webhook", "1.2.0")
    files = "https://github.com/owner/dind-webhook/blob/v1.2.0/docs"
    assert notes.startswith(
        f"Read [how to upgrade]({files}/releases.md), and [why](https://example.com/why) [below](#added)."
    )
    assert f"[the page]({files}/start.md#first)." in notes


def test_all_changes_of_this_repository_are_found_each_alone() -> None:
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text("utf-8")
    newest = section(text, text.partition("\n## Unreleased\n")[2].partition("\n## ")[2].partition(" - ")[0])
    found = changes(newest)
    assert len(found) == sum(line.startswith("- ") for line in newest.splitlines()) > 30
    assert not [description for _, description in found if description.endswith(":")]
