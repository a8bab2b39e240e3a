"""Write tar and gzip files whose bytes depend on their contents only, not on times, users or the order of folders."""

import gzip
import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path


def tar(root: Path, paths: Iterable[Path], time: int, prefix: str = "") -> bytes:
    """Return a tar file with files, links and folders below `root`. All belong to root and have the same time."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(paths):
            entry = archive.gettarinfo(path, f"{prefix}{path.relative_to(root)}")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = time
            # Two names of a file are two files: which one is the link depends on the order.
            if entry.islnk():
                entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    return content.getvalue()


def gzipped(content: bytes) -> bytes:
    """Return compressed bytes without a name and a time."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def repack(archive: Path, time: int, scratch: Path) -> None:
    """Write a .tar.gz again, with the same files."""
    scratch.mkdir()
    subprocess.run(["tar", "-xzpf", archive, "-C", scratch], check=True)
    archive.write_bytes(gzipped(tar(scratch, scratch.rglob("*"), time)))
