"""The changelog, the chart, the program, the manifests and the pages have the same version."""

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import DOCS, PAGES, ROOT, name

from dind_webhook import __version__
from release import plugin
from release.changelog import check_tag
from release.chart import Publication, stamp
from release.errors import ReleaseError

CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
RELEASES = (DOCS / "releases.md").read_text("utf-8")
CHART = ROOT / "charts/dind-webhook"
# Versions of the project where a page, a manifest or a command names one
MENTION = re.compile(
    r'(?:dind-webhook:|dind-webhook/v|dind-webhook-|kubectl-dind-|newTag: |"version":"|app.kubernetes.io/version: '
    r"|VERSION=|download/|refs/tags/|--version[ =])v?(\d+\.\d+\.\d+)"
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
    assert list(plugin.PYTHONS) == named


def test_ci_runs_each_part_of_the_local_ci() -> None:
    local = re.findall(r"^make ([\w-]+)", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]
    commands = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    targets = {word for line in re.findall(r"\bmake ([\w -]+)", commands) for word in line.split()}
    assert len(local) > 10
    assert set(local) <= targets | set(jobs["others"]["strategy"]["matrix"]["target"])


# The files that Renovate's managers update, of those whose names are locks
RENOVATE_LOCKS = {"gomod": "go.sum", "npm": "package-lock.json"}


def _renovate() -> Any:
    return json.loads((ROOT / "renovate.json").read_text("utf-8"))


def test_something_updates_each_lock_file() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    locks = {path for path in listed.splitlines() if re.search(r"[./]lock\b|requirements.*\.txt|go\.sum|-lock\.", path)}
    locks -= {path for path in locks if path.endswith((".yml", ".py"))}
    assert len(locks) > 10
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (command,) = re.findall(
        r"make (lock .+) UV_UPGRADE", (ROOT / ".github/workflows/update-locks.yml").read_text("utf-8")
    )
    recipes = "".join(makefile.partition(f"\n{target}: ")[2].partition("\n\n")[0] for target in command.split())
    updated = {RENOVATE_LOCKS.get(manager) for manager in _renovate()["enabledManagers"]}
    left = {path for path in locks if Path(path).name not in recipes and Path(path).name not in updated}
    # The module of `lock-debian` names its file.
    assert left == {"release/debian.lock.json"}
    assert "lock-debian" in command.split()


def test_renovate_finds_the_images() -> None:
    """Its managers read defaults of ARG, values whose key ends in image, and containers of workflows."""
    assert {"dockerfile", "helm-values", "github-actions"} <= set(_renovate()["enabledManagers"])
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    arguments = re.findall(r"^ARG (\w+)=\S+:\S+$", dockerfile, re.MULTILINE)
    assert re.findall(r"^FROM \$\{(\w+)\}", dockerfile, re.MULTILINE) == [*arguments[::-1]]
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    keys = [key for key, _ in _images(values)]
    assert len(keys) > 2
    assert all(re.search("image$", key, re.IGNORECASE) for key in keys)


def _images(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what names images in the values of a chart, by the last key."""
    if isinstance(values, dict):
        if {"repository", "tag"} <= values.keys():
            yield key, values
        else:
            for name, value in values.items():
                yield from _images(value, name)
    elif isinstance(values, str) and re.fullmatch(r"[a-z./-]+:[0-9][^ /]*", values):
        yield key, values


@pytest.mark.parametrize(
    ("file", "versions"),
    [("tests/install-go-tools.sh", r"@v[0-9]"), (".github/workflows/update-locks.yml", "pipx install")],
)
def test_renovate_finds_the_versions_in_commands(file: str, versions: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    patterns = [pattern for manager in _renovate()["customManagers"] for pattern in manager["matchStrings"]]
    found = [match for pattern in patterns for match in re.findall(pattern.replace("(?<", "(?P<"), text)]
    assert found
    assert len(found) == len(re.findall(versions, text))


class TestNames:
    @pytest.mark.parametrize(
        ("owner", "registry", "message"),
        [
            ("", "ghcr.io", "OWNER=: write the account"),
            ("Example", "ghcr.io", "OWNER=Example: write the account on GitHub that publishes, in lower case"),
            ("a--b", "ghcr.io", "OWNER=a--b"),
            ("example", "https://registry.example", "REGISTRY=https://registry.example: write the host"),
            ("example", "registry.example/", "REGISTRY=registry.example/: "),
            ("example", "Registry.example", "REGISTRY=Registry.example: "),
        ],
    )
    def test_names_that_no_image_has_are_refused_before_anything_is_built(
        self, owner: str, registry: str, message: str, tmp_path: Path
    ) -> None:
        (tmp_path / "kept").touch()
        names = [f"--owner={owner}", f"--registry={registry}", f"--dist={tmp_path}", "--helm=helm"]
        command = [sys.executable, "-m", "release", "make", *names]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {message}")
        assert (tmp_path / "kept").exists()


class TestTags:
    def test_a_pre_release_is_refused(self) -> None:
        with pytest.raises(ReleaseError, match=r"1\.2\.3-rc\.1 is a pre-release"):
            check_tag("v1.2.3-rc.1", "1.2.3-rc.1", "## Unreleased\n\n## 1.2.3-rc.1 - 2026-01-01\n")

    @pytest.mark.parametrize("tag", ["v1.2.4", "1.2.3", "v1.2.3-rc.1"])
    def test_a_tag_of_another_version_is_refused(self, tag: str) -> None:
        with pytest.raises(ReleaseError, match=rf"the tag is {tag}, but .* the version 1\.2\.3: tag v1\.2\.3"):
            check_tag(tag, "1.2.3", "## Unreleased\n\n## 1.2.3 - 2026-01-01\n")

    def test_unreleased_changes_are_refused(self) -> None:
        with pytest.raises(ReleaseError, match=r"changes under Unreleased: move them to the section 1\.2\.3"):
            check_tag("v1.2.3", "1.2.3", "## Unreleased\n\n### Fixed\n\n- It starts.\n\n## 1.2.3 - 2026-01-01\n")

    def test_a_commit_without_unreleased_changes_is_released(self) -> None:
        check_tag("v1.2.3", "1.2.3", "## Unreleased\n\n## 1.2.3 - 2026-01-01\n\n- It starts.\n")


@pytest.mark.parametrize(
    ("workflow", "is_ours"),
    [
        (f"MyOrg/dind-webhook/.github/workflows/release.yml@refs/tags/v{__version__}", True),
        (f"MyOrg/dind-webhook/.github/workflows/release.yml@refs/tags/v{__version__}0", False),
        (f"MyOrg/dind-webhook/.github/workflows/ci.yml@refs/tags/v{__version__}", False),
        (f"MyOrgs/dind-webhook/.github/workflows/release.yml@refs/tags/v{__version__}", False),
        ("MyOrg/dind-webhook/.github/workflows/release.yml@refs/heads/main", False),
    ],
)
def test_the_identity_of_the_page_is_that_of_the_workflow_however_the_account_is_written(
    workflow: str, *, is_ours: bool
) -> None:
    (line,) = re.findall(r"^identity=.+$", RELEASES, re.MULTILINE)
    script = f'OWNER=myorg; {line}; printf %s "$identity"'
    pattern = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
    assert bool(re.search(pattern, f"https://github.com/{workflow}")) is is_ours


class TestReadmeOfTheChart:
    @pytest.fixture
    def readme(self, tmp_path: Path) -> str:
        copy = Path(shutil.copytree(CHART, tmp_path / "chart"))
        publication = Publication(__version__, "my/dind-webhook", "reg.example/my/dind-webhook", f"sha256:{'a' * 64}")
        stamp(copy, publication, [])
        return (copy / "README.md").read_text("utf-8")

    def test_its_links_lead_to_files_of_the_version(self, readme: str) -> None:
        targets = re.findall(r"\]\(([^)#]+)[^)]*\)", readme)
        ours = [target for target in targets if target.startswith("https://github.com/my/dind-webhook/")]
        assert len(ours) > 15
        assert all((ROOT / target.partition(f"/blob/v{__version__}/")[2]).exists() for target in ours)
        assert not [target for target in targets if not target.startswith("https://")]

    def test_its_commands_and_defaults_are_those_of_the_release(self, readme: str) -> None:
        assert "helm install dind-webhook oci://reg.example/my/charts/dind-webhook " in readme
        assert "OWNER" not in readme
        assert '| image.defaultRegistry | string | `"reg.example"` |' in readme
        assert '| image.repository | string | `"my/dind-webhook"` |' in readme
        assert f'| image.digest | string | `"sha256:{"a" * 64}"` |' in readme
