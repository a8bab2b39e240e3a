"""The examples of docs/ci.md."""

from pages import DOCS, fences_of


def examples(heading: str) -> list[str]:
    """Return the blocks of code in a section."""
    return [fence.text for fence in fences_of(DOCS / "ci.md") if fence.section == heading]
