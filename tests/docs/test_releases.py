"""The changelog, the chart, the program, the manifests and the pages have the same version."""

import datetime as dt
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from pages import DOCS, PAGES, ROOT, name

from dind_webhook import __version__
from release.changelog import check_tag
from release.errors import ReleaseError

CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
RELEASES = (DOCS / "releases.md").read_text("utf-8")
CHART = ROOT / "charts/dind-webhook"
# Versions of the project where a page, a manifest or a command names one
MENTION = re.compile(
    r'(?:dind-webhook:|dind-webhook/v|newTag: |"version":"|app.kubernetes.io/version: |VERSION=)v?(\d[\w.-]*)'
)
TEXTS = [
    *PAGES,
    *sorted((ROOT / "deploy").rglob("*.yaml")),
    ROOT / "deploy/README.md",
    CHART / "README.md",
]


def _versions() -> list[tuple[str, str]]:
    """Return the versions of the changelog with their dates, the newest first."""
    return re.findall(r"^## (\d\S*) - (\S+)$", CHANGELOG, re.MULTILINE)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def test_the_newest_version_of_the_changelog_is_that_of_the_program_and_the_chart() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert {_versions()[0][0], chart["version"], chart["appVersion"]} == {__version__}


def test_the_changelog_has_unreleased_changes_first_and_then_descending_versions() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings == ["Unreleased", *(f"{version} - {date}" for version, date in _versions())]
    for (newer, later), (older, earlier) in pairwise(_versions()):
        assert _numbers(newer) > _numbers(older)
        assert dt.date.fromisoformat(later) >= dt.date.fromisoformat(earlier)


@pytest.mark.parametrize("text", TEXTS, ids=name)
def test_texts_name_the_version_of_the_program(text: Path) -> None:
    named = {mention.rstrip(".") for mention in MENTION.findall(text.read_text("utf-8"))}
    assert named <= {__version__}


def test_some_texts_name_the_version() -> None:
    assert sum(bool(MENTION.search(text.read_text("utf-8"))) for text in TEXTS) > 5


def test_each_version_has_upgrade_notes() -> None:
    notes = RELEASES.partition("\n## Upgrade notes\n")[2]
    assert re.findall(r"^### (\S+)$", notes, re.MULTILINE) == [version for version, _ in _versions()]


def test_the_table_has_each_minor_version_with_its_first_date() -> None:
    first = {".".join(version.split(".")[:2]): date for version, date in _versions()}
    rows = re.findall(r"^\| (\d+\.\d+) \| (\S+) \|", RELEASES, re.MULTILINE)
    assert rows == list(first.items())


def test_the_table_has_the_default_image_and_the_oldest_kubernetes_of_the_newest_version() -> None:
    image = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["dindImage"]
    oldest = (
        yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["kubeVersion"].removeprefix(">=").rpartition(".0")[0]
    )
    newest = next(row for row in RELEASES.splitlines() if re.match(r"\| \d+\.\d+ \|", row))
    assert f"| {oldest} and newer | `{image['repository']}:{image['tag']}` |" in newest


def test_ci_runs_each_version_of_python_that_the_package_names() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == named


class TestTags:
    @pytest.mark.parametrize("tag", ["v1.2.4", "1.2.3", "v1.2.3-rc.1"])
    def test_a_tag_of_another_version_is_refused(self, tag: str) -> None:
        with pytest.raises(ReleaseError, match=rf"the tag is {tag}, but .* the version 1\.2\.3: tag v1\.2\.3"):
            check_tag(tag, "1.2.3", "## Unreleased\n\n## 1.2.3 - 2026-01-01\n")

    def test_unreleased_changes_are_refused(self) -> None:
        with pytest.raises(ReleaseError, match=r"changes under Unreleased: move them to the section 1\.2\.3"):
            check_tag("v1.2.3", "1.2.3", "## Unreleased\n\n### Fixed\n\n- It starts.\n\n## 1.2.3 - 2026-01-01\n")

    def test_a_commit_without_unreleased_changes_is_released(self) -> None:
        check_tag("v1.2.3", "1.2.3", "## Unreleased\n\n## 1.2.3 - 2026-01-01\n\n- It starts.\n")
