"""Tar files with the same bytes wherever, whenever and by whomever they are written."""

import io
import os
import tarfile
from pathlib import Path

from release.archive import write_tar

MODES = {
    "bin": (0o700, 0o755),
    "bin/program": (0o775, 0o755),
    "bin/text": (0o664, 0o644),
    "mail": (0o2775, 0o755),
    "mail/secret": (0o600, 0o644),
    "tmp": (0o1777, 0o1777),
}


def _fill(root: Path, column: int, time: int) -> Path:
    root.mkdir()
    for name in MODES:
        (root / name).write_text(name) if "/" in name else (root / name).mkdir()
    (root / "link").symlink_to("bin/text")
    (root / "mail/same").hardlink_to(root / "bin/text")
    for name, modes in MODES.items():
        (root / name).chmod(modes[column])
        os.utime(root / name, (time, time))
    return root


def test_bytes_do_not_depend_on_modes_and_times_of_the_machine(tmp_path: Path) -> None:
    roots = [_fill(tmp_path / "a", 0, 1), _fill(tmp_path / "b", 1, 2)]
    first, second = [write_tar(root, root.rglob("*"), 1234) for root in roots]
    assert first == second


def test_entries_have_normal_modes_and_belong_to_root(tmp_path: Path) -> None:
    root = _fill(tmp_path / "a", 0, 1)
    with tarfile.open(fileobj=io.BytesIO(write_tar(root, root.rglob("*"), 1234))) as archive:
        entries = {entry.name: entry for entry in archive}
        content = archive.extractfile("mail/same")
        assert content
        assert content.read() == b"bin/text"
    modes = {name: modes[1] for name, modes in MODES.items()} | {"link": 0o777, "mail/same": 0o644}
    assert {name: entry.mode for name, entry in entries.items()} == modes
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries.values()} == {
        (0, 0, "", "", 1234)
    }
    assert entries["link"].linkname == "bin/text"
    assert entries["mail/same"].isreg()
