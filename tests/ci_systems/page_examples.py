"""The examples of docs/ci.md."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "ci.md"


def examples(heading: str) -> list[str]:
    """Return the blocks of code in a section."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", _PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    blocks: list[str] = re.findall(r"^```\w[^\n]*\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return blocks
