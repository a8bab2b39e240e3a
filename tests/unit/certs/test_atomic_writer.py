"""write_pair and its helpers: a reader sees either the previous or the new files, never a mixture."""

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dind_webhook.certs.atomic_writer import read_served_cert, write_pair
from dind_webhook.certs.issue import KeyPair, issue_ca

NOW = datetime.now(UTC)
PAIRS = [issue_ca(NOW, timedelta(days=1)) for _ in range(2)]


def content(directory: Path) -> KeyPair:
    return KeyPair((directory / "tls.crt").read_bytes(), (directory / "tls.key").read_bytes())


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith(".."))


def test_a_pair_is_written_into_a_directory_that_need_not_exist(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    assert read_served_cert(directory) is None
    write_pair(directory, PAIRS[0])
    assert content(directory) == PAIRS[0]
    assert read_served_cert(directory) == PAIRS[0].cert


def test_nobody_but_the_user_and_the_group_can_read_it(tmp_path: Path) -> None:
    write_pair(tmp_path, PAIRS[0])
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)} == {0o640}
    assert stat.S_IMODE((tmp_path / "..data").stat().st_mode) == 0o750


def test_one_rename_replaces_both_and_nothing_of_before_is_left(tmp_path: Path) -> None:
    for pair in PAIRS * 3:
        write_pair(tmp_path, pair)
        assert content(tmp_path) == pair
    assert names(tmp_path) == ["tls.crt", "tls.key"]
    data = (tmp_path / "..data").resolve()
    assert sorted(tmp_path.glob("..*")) == sorted([data, tmp_path / "..data"])
    for name in names(tmp_path):
        assert (tmp_path / name).readlink() == Path("..data", name)


def test_files_that_were_no_links_and_what_an_interrupted_write_left_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(b"by hand")
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    (tmp_path / "tls.key_tmp").symlink_to("nowhere")
    (tmp_path / "..interrupted").mkdir()
    write_pair(tmp_path, PAIRS[0])
    assert content(tmp_path) == PAIRS[0]
    assert names(tmp_path) == ["tls.crt", "tls.key"]
    assert not (tmp_path / "..interrupted").exists()


def test_where_it_cannot_be_written_the_old_pair_stays_and_nothing_new_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path, PAIRS[0])
    before = sorted(tmp_path.iterdir())
    write = Path.write_bytes

    def fill_up(path: Path, content: bytes) -> int:
        if path.name == "tls.key":
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(OSError, match="No space left"):
        write_pair(tmp_path, PAIRS[1])
    assert content(tmp_path) == PAIRS[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_reader_never_finds_a_half_of_a_pair(tmp_path: Path) -> None:
    write_pair(tmp_path, PAIRS[0])
    over = threading.Event()
    found = set()

    def read() -> None:
        while not over.is_set():
            found.add(read_served_cert(tmp_path))

    reader = threading.Thread(target=read)
    reader.start()
    for pair in PAIRS * 20:
        write_pair(tmp_path, pair)
    over.set()
    reader.join()
    assert found - {None} <= {pair.cert for pair in PAIRS}
