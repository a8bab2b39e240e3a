"""The folder in which a release is made."""

import os
import struct
from pathlib import Path

import pytest

from release.assembly import work_folder

NAME = "system.posix_acl_default"
# Everybody may do everything with new files: version 2, and tag, permissions and ID of each entry
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 7, 0xFFFFFFFF) for tag in (0x01, 0x04, 0x20))


def test_a_default_acl_gives_no_modes_to_new_files(tmp_path: Path) -> None:
    try:
        os.setxattr(tmp_path, NAME, ACL)
    except OSError as error:
        pytest.skip(f"the file system has no ACLs: {error}")
    (tmp_path / "outside").touch()
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o666
    before = os.umask(0o022)
    try:
        with work_folder(tmp_path) as folder:
            (folder / "inside").mkdir()
            (folder / "inside/file").touch()
            assert (folder / "inside").stat().st_mode & 0o777 == 0o755
            assert (folder / "inside/file").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)
    assert not folder.exists()
