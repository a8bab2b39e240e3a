"""The folder with the files of a release. It is replaced as a whole, and only if it has nothing else."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from release.errors import ReleaseError

_SUMS = "SHA256SUMS"
# publish.sh writes it into the folder.
_PROVENANCE = ".prov"


def check(dist: Path) -> None:
    """Raise ReleaseError if a folder has files other than those of a release, or is none. It may be missing."""
    if dist.exists() and not dist.is_dir():
        raise ReleaseError(f"{dist} is no folder: choose another one with --dist")
    sums = dist / _SUMS
    lines = sums.read_text("utf-8", "replace").splitlines() if sums.is_file() else []
    known = {_SUMS, *(line.partition("  ")[2] for line in lines)}
    found = [path.name for path in dist.iterdir()] if dist.is_dir() else []
    if others := [name for name in found if name not in known and not name.endswith(_PROVENANCE)]:
        raise ReleaseError(
            f"{dist} would be replaced, but has files that are not of a release, such as {min(others)}: remove them, "
            "or choose another folder with --dist"
        )


@contextmanager
def replace(dist: Path) -> Iterator[Path]:
    """Yield an empty folder. It takes the place of `dist`, with checksums of its files, if no error is raised."""
    check(dist)
    # If it is a link, it stays one.
    target = dist.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ReleaseError(f"{dist} cannot be written: {error}") from error
    with beside as folder:
        new = Path(folder) / "new"
        new.mkdir()
        yield new
        _write_checksums(new)
        try:
            if target.exists():
                target.rename(Path(folder) / "previous")
            new.rename(target)
        except OSError as error:
            raise ReleaseError(f"{dist} cannot be replaced: {error}") from error
    if Path(folder).exists():
        raise ReleaseError(f"{dist} is complete, but files of the previous one cannot be removed: remove {folder}")


def _write_checksums(folder: Path) -> None:
    files = sorted(folder.iterdir())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / _SUMS).write_text("".join(sums), "utf-8")
