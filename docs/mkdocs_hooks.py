"""Add the pages outside docs/ to the site: the chart, the examples and the changelog."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent
_ELSEWHERE = (
    "*.md",
    "LICENSE",
    "charts/*/README.md",
    "charts/*/values.yaml",
    "charts/*/ci/*.yaml",
    "deploy/README.md",
    "deploy/examples/*",
)
_PLAYGROUND = _ROOT / "build/playground"
_EXAMPLES = "deploy/examples/README.md"
# The text may have line breaks, but no empty line.
_LINK = re.compile(r"\[((?:[^\]\n]|\n(?!\n))*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> None:
    """Add each decision to the navigation, and the repository to the footer if the pages have links that edit them."""
    assert config.nav is not None
    decisions = next(item["Decisions"] for item in config.nav if "Decisions" in item)
    decisions += sorted(f"decisions/{path.name}" for path in (_DOCS / "decisions").glob("0*.md"))
    if config.edit_uri:
        repository = config.edit_uri.partition("/edit/")[0]
        config.extra["social"] = [{"icon": "fontawesome/brands/github", "link": repository, "name": "Repository"}]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files outside docs/ at the same paths as in the repository."""
    for path in (path for pattern in _ELSEWHERE for path in _ROOT.glob(pattern)):
        if path.name != "README.md" or path.parent != _ROOT:  # the site has its own first page
            files.append(File.generated(config, str(path.relative_to(_ROOT)), abs_src_path=str(path)))
    for path in filter(Path.is_file, _PLAYGROUND.rglob("*")):
        uri = f"playground/{path.relative_to(_PLAYGROUND)}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # mkdocs' names
    """Rewrite links to files of the repository as links in the site; remove links to files that the site lacks."""
    places = {file.abs_src_path: file.src_uri for file in files}
    source = page.file.abs_src_path
    if source is None:
        return markdown

    def moved(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = (Path(source).parent / target).resolve()
        if place := places.get(str(path)):
            return f"[{text}]({posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"
        return text if path.exists() else match[0]

    if page.file.src_uri == _EXAMPLES:
        markdown += "".join(map(_listing, sorted(Path(source).parent.glob("*.yaml"))))
    return _LINK.sub(moved, markdown)


def _listing(path: Path) -> str:
    return f"\n## {path.name}\n\n```yaml\n{path.read_text('utf-8')}```\n"
