"""The folder of a release: replaced as a whole, and never one with other files."""

import hashlib
from pathlib import Path

import pytest

from release import dist
from release.errors import ReleaseError


def _make(folder: Path, **files: str) -> None:
    with dist.replace(folder) as new:
        for name, text in files.items():
            (new / name).write_text(text)


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_it_has_the_files_and_their_checksums(tmp_path: Path) -> None:
    folder = tmp_path / "a/dist"
    _make(folder, b="2", a="1")
    sums = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in (("a", "1"), ("b", "2")))
    assert _contents(folder) == {"a": "1", "b": "2", "SHA256SUMS": sums}
    assert list(folder.parent.iterdir()) == [folder]


def test_a_release_with_its_provenance_is_replaced(tmp_path: Path) -> None:
    _make(tmp_path / "dist", a="1", b="2")
    (tmp_path / "dist/one.tgz.prov").touch()
    _make(tmp_path / "dist", a="3")
    assert _contents(tmp_path / "dist").keys() == {"a", "SHA256SUMS"}
    assert list(tmp_path.iterdir()) == [tmp_path / "dist"]


def test_a_release_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    _make(tmp_path / "dist", a="1")
    before = _contents(tmp_path / "dist")

    def fail() -> None:
        with dist.replace(tmp_path / "dist") as new:
            (new / "a").write_text("2")
            raise ReleaseError("no network")

    with pytest.raises(ReleaseError, match="no network"):
        fail()
    assert _contents(tmp_path / "dist") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "dist"]


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "dist").symlink_to("target")
    _make(tmp_path / "dist", a="1")
    assert (tmp_path / "dist").is_symlink()
    assert (tmp_path / "target/a").read_text() == "1"


@pytest.mark.parametrize("of_a_release", [False, True])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, of_a_release: bool) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    if of_a_release:
        _make(folder, a="1")
    (folder / "letter").write_text("x")
    for use in (dist.check, _make):
        with pytest.raises(ReleaseError, match=r"home would be replaced, .* such as letter: remove them, or choose"):
            use(folder)
    assert (folder / "letter").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist").touch()
    with pytest.raises(ReleaseError, match="dist is no folder"):
        dist.check(tmp_path / "dist")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReleaseError, match=r"file/dist cannot be written: .*(Not a directory|File exists)"):
        _make(tmp_path / "file/dist")


def test_a_folder_that_cannot_be_replaced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(tmp_path / "dist", a="1")

    # As where another user owns the folder; for root, no permission is missing.
    def rename(path: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(ReleaseError, match=r"dist cannot be replaced: .*Permission denied"):
        _make(tmp_path / "dist", a="2")
    assert _contents(tmp_path / "dist")["a"] == "1"
