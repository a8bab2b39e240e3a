"""What is read of the commit does not depend on the configuration of Git, on the umask, and on changes."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from release import commit
from release.debian import Lock
from release.errors import ReleaseError

Repository = Callable[[Mapping[str, str]], Path]
# A signature, which `log.showSignature` would show above what was asked for
SIGNATURE = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n"
HOSTILE = """
[core]
    autocrlf = true
    eol = crlf
    attributesFile = {folder}/attributes
    quotePath = false
[log]
    showSignature = true
[gpg]
    program = {folder}/gpg
[tar]
    umask = 0
[color]
    ui = always
"""


def _git(root: Path, *arguments: str, stdin: str | None = None) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True, input=stdin
    ).stdout.strip()


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attributes").write_text("*.md export-ignore\n*.py text eol=crlf\n")
    (tmp_path / "gpg").write_text("#!/bin/sh\necho 'gpg: Good signature' >&2\necho '[GNUPG:] GOODSIG x y'\n")
    (tmp_path / "gpg").chmod(0o755)
    (tmp_path / "config").write_text(HOSTILE.format(folder=tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))


@pytest.mark.usefixtures("hostile")
def test_a_hostile_configuration_changes_nothing(repository: Repository, tmp_path: Path) -> None:
    root = repository({})
    head, _, message = _git(root, "cat-file", "commit", "HEAD").partition("\n\n")
    signed = _git(root, "hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{head}\n{SIGNATURE}\n{message}\n")
    _git(root, "update-ref", "HEAD", signed)
    assert "Good signature" in _git(root, "log", "-1", "--format=%H")
    source = commit.export(root, tmp_path / "source", "https://example.com")
    assert source.revision == signed
    assert str(source.epoch) == _git(root, "cat-file", "commit", "HEAD").partition("committer ")[2].split()[2]
    assert (source.version, source.url) == ("1.2.3", "https://example.com")
    # Each file has the bytes and the mode of the commit.
    for line in _git(root, "ls-tree", "-r", "HEAD").splitlines():
        mode, _, blob, name = line.split()
        assert _git(root, "hash-object", "--no-filters", str(source.folder / name)) == blob
        assert f"{(source.folder / name).stat().st_mode:o}" == mode
    assert commit.read(root, "CHANGELOG.md") == (source.folder / "CHANGELOG.md").read_bytes().decode()


def test_changes_are_not_exported_and_the_lock_is_that_of_the_commit(repository: Repository, tmp_path: Path) -> None:
    root = repository({})
    (root / "dind_webhook/__init__.py").write_text('__version__ = "9.9.9"\n')
    (root / "release/debian.lock.json").write_text('{"time": "20990101T000000Z", "packages": []}\n')
    (root / "other").touch()
    source = commit.export(root, tmp_path / "source", "x")
    assert source.version == commit.version(root) == "1.2.3"
    assert Lock.load(source.folder).time == "20260101T000000Z"
    assert not (source.folder / "other").exists()


def test_changes_are_told_apart_by_what_they_change(repository: Repository) -> None:
    root = repository({})
    assert commit.uncommitted(root) == ("", "")
    (root / "CHANGELOG.md").write_text("x")
    (root / "release/__init__.py").write_text("x")
    (root / "tests/install-go-tools.sh").unlink()
    (root / "charts/dind-webhook/Chart.yaml").rename(root / "release/Chart.yaml")
    _git(root, "add", "release/Chart.yaml")
    tools, others = commit.uncommitted(root)
    assert tools.splitlines() == ["A  release/Chart.yaml", " M release/__init__.py", " D tests/install-go-tools.sh"]
    assert others.splitlines() == [" M CHANGELOG.md", " D charts/dind-webhook/Chart.yaml"]


def test_a_machine_without_git_is_told(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository({})
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(ReleaseError, match=r"not there: git; on Debian: apt-get install git$"):
        commit.version(root)


def test_a_folder_without_a_commit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ReleaseError, match="not a git repository"):
        commit.version(tmp_path)
