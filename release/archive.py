"""Write tar files whose bytes depend on their contents only, not on times, users or the order of folders."""

import io
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path


def write_tar(root: Path, paths: Iterable[Path], epoch: int) -> bytes:
    """Return a tar file with files, links and folders below `root`.

    All belong to the user root, and were changed at `epoch`, in seconds since 1970. The modes are 0755 and 0644, and
    1777 for folders such as /tmp: others come from where a release is made, which may be setgid or have an ACL.
    """
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(paths):
            entry = archive.gettarinfo(path, str(path.relative_to(root)))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = epoch
            entry.mode = _mode(entry)
            # Two names of a file are two files: which one is the link depends on the order.
            if entry.islnk():
                entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    return content.getvalue()


def _mode(entry: tarfile.TarInfo) -> int:
    if entry.issym():
        return 0o777
    if entry.mode & stat.S_ISVTX:
        return 0o1777
    return 0o755 if entry.isdir() or entry.mode & stat.S_IXUSR else 0o644
