"""What is missing for a release is said in a sentence, before anything is built or installed."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from release import preconditions
from release.errors import ReleaseError

ROOT = Path(__file__).parents[2]
Repository = Callable[[Mapping[str, str]], Path]
CHART = "charts/dind-webhook/Chart.yaml"


@pytest.mark.parametrize(
    ("files", "tag", "message"),
    [
        ({CHART: 'version: 1.2.2\nappVersion: "1.2.3"\n'}, "", r"has the version 1\.2\.2, but .* the version 1\.2\.3"),
        ({CHART: 'version: 1.2.3\nappVersion: "1.2.2"\n'}, "", r"has the appVersion 1\.2\.2, but .* version 1\.2\.3"),
        ({CHART: "version: 1.2.3\n"}, "", r"has the appVersion , but"),
        ({"dind_webhook/__init__.py": "x = 1\n"}, "", r"__init__\.py has no __version__"),
        ({"CHANGELOG.md": "## Unreleased\n"}, "", r"CHANGELOG\.md has no section 1\.2\.3"),
        ({"CHANGELOG.md": "## 1.2.3 - x\n\n### Known problems\n\n- It.\n"}, "", r"the heading Known problems"),
        ({}, "v1.2.4", r"the tag is v1\.2\.4, but"),
    ],
)
def test_a_commit_that_cannot_be_released_is_refused(
    repository: Repository, files: Mapping[str, str], tag: str, message: str
) -> None:
    with pytest.raises(ReleaseError, match=message):
        preconditions.check_commit(repository(files), tag)


@pytest.mark.parametrize("name", ["release/__init__.py", "release/debian.lock.json", "tests/install-go-tools.sh"])
@pytest.mark.parametrize("tag", ["", "v1.2.3"])
def test_changes_of_what_makes_a_release_are_refused(repository: Repository, name: str, tag: str) -> None:
    root = repository({})
    preconditions.check_commit(root, tag)
    (root / name).write_text("x")
    with pytest.raises(ReleaseError, match=rf"make a release: commit the changes, or restore the files:\n M {name}\n$"):
        preconditions.check_commit(root, tag)


def test_other_changes_are_refused_for_a_tag_only(repository: Repository) -> None:
    root = repository({})
    (root / "CHANGELOG.md").write_text("x")
    preconditions.check_commit(root, "")
    with pytest.raises(ReleaseError, match=r"before you release v1\.2\.3:\n M CHANGELOG\.md\n$"):
        preconditions.check_commit(root, "v1.2.3")


def test_missing_programs_are_named_with_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    (tmp_path / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseError) as error:
        preconditions.check_machine()
    assert str(error.value) == (
        "a release needs these programs, which are not there: bwrap, dpkg-deb, tar; on Debian: apt-get install "
        "bubblewrap dpkg tar"
    )


def test_another_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ReleaseError, match="on Linux on x86_64: this is Linux on riscv64"):
        preconditions.check_machine()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs `make release` with a Python without packages and pip, so nothing is installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(Path(sys.executable).resolve())

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        # Those of the outer make too, with which this one would print the directory.
        ours = {"OWNER", "REGISTRY", "TAG", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        names = {name: value for name, value in os.environ.items() if name not in ours}
        environment = {**names, "DIND_WEBHOOK_TOOLS": "/dev/null/x", **variables}
        command = ["make", "-f", ROOT / "Makefile", "release", f"BIN={tmp_path}/bin", "VENV=/dev/null", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)

    return run


class TestMakeRelease:
    def test_without_an_owner_only_says_so(self, make: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
        done = make()
        assert done.returncode
        assert done.stderr.startswith("error: OWNER=: write the account on GitHub that publishes")
        assert done.stdout == ""

    @pytest.mark.parametrize("by", ["environment", "argument"])
    @pytest.mark.parametrize("name", ["OWNER", "REGISTRY", "TAG"])
    def test_a_name_is_no_command(
        self, make: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path, name: str, by: str
    ) -> None:
        names = {"OWNER": "example", "TAG": "v0"}
        for quote in ("'", '"', ""):
            names[name] = f"v{quote};touch {tmp_path}/made;`touch {tmp_path}/made`;{quote}"
            done = make(**names) if by == "environment" else make(*(f"{key}={value}" for key, value in names.items()))
            assert done.returncode
            # The names are checked first. Before the tag, something else may be missing.
            assert done.stderr.startswith("error: " if name == "TAG" else f"error: {name}={names[name]}: write the ")
            assert not (tmp_path / "made").exists()
