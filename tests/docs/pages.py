"""The pages of the documentation, and the code in them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "deploy/examples/README.md",
]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LEAD = re.compile(r"^# (denied|settings|chart values)(?:: (.*))?$", re.MULTILINE)


class Fence(NamedTuple):
    """A block of code: its place, the heading of its section, its language and text."""

    place: str
    section: str
    language: str
    text: str

    @property
    def leads(self) -> dict[str, str]:
        """Return the comments in its first lines: the denial, the settings, or the kind of file."""
        head = re.match(r"(?:#[^\n]*\n)*", self.text)
        return dict(_LEAD.findall(head[0] if head else ""))

    def documents(self) -> list[Any]:
        """Return the documents in a block of YAML or TOML."""
        if self.language == "toml":
            return [tomllib.loads(self.text)]
        return list(yaml.safe_load_all(self.text))


def name(page: Path) -> str:
    """Return the path of a page in the repository."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text("utf-8"))


def spans(page: Path) -> list[str]:
    """Return the texts between single backticks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page))


def fences(*languages: str) -> Iterator[Fence]:
    """Yield the blocks of all pages in these languages."""
    for page in PAGES:
        yield from (fence for fence in fences_of(page) if fence.language in languages)


def fences_of(page: Path) -> Iterator[Fence]:
    """Yield all blocks of a page."""
    text = page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        headings = re.findall(r"^## (.*)$", _FENCE.sub("", before), re.MULTILINE)
        yield Fence(f"{name(page)}:{before.count(chr(10)) + 1}", headings[-1] if headings else "", match[2], match[3])


def commands() -> Iterator[tuple[str, str]]:
    """Yield each line of each shell block with its place; a continued line counts as one."""
    for fence in fences("sh"):
        for line in fence.text.replace("\\\n", " ").splitlines():
            yield fence.place, line.strip()
