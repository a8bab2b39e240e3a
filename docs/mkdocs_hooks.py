"""What the site shows besides docs/: the chart, the examples and the changelog, from where they are."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent
_CHART = _ROOT / "charts/dind-webhook"
_EXAMPLES = "examples/README.md"


def on_config(config: MkDocsConfig) -> None:
    """Put each decision into the navigation."""
    assert config.nav is not None
    decisions = next(item["Decisions"] for item in config.nav if "Decisions" in item)
    decisions += sorted(f"decisions/{path.name}" for path in (_DOCS / "decisions").glob("0*.md"))


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add what is elsewhere in the repository."""
    outside = {name: _ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")}
    outside |= {f"examples/{path.name}": path for path in (_ROOT / "deploy/examples").iterdir()}
    outside |= {f"chart/{name}": _CHART / name for name in ("README.md", "values.yaml")}
    outside |= {f"chart/ci/{path.name}": path for path in (_CHART / "ci").iterdir()}
    for uri, path in outside.items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # mkdocs' names
    """Have links lead to where the site has what they name in the repository."""
    places = {file.abs_src_path: file.src_uri for file in files}
    source = page.file.abs_src_path
    if source is None:
        return markdown

    def moved(match: re.Match[str]) -> str:
        place = places.get(str((Path(source).parent / match[1]).resolve()))
        return f"]({posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or '.')}" if place else match[0]

    if page.file.src_uri == _EXAMPLES:
        markdown += "".join(map(_listing, sorted(Path(source).parent.glob("*.yaml"))))
    return re.sub(r"\]\(([^)#\s:]+)", moved, markdown)


def _listing(path: Path) -> str:
    return f"\n## {path.name}\n\n```yaml\n{path.read_text('utf-8')}```\n"
