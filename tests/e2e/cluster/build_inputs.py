"""Detect changed inputs of a cached archive, which is then built again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuildInputs:
    """The digest of the inputs of an archive, except for the versions of Debian's packages."""

    digest: str

    @classmethod
    def of(cls, files: Iterable[Path], *more: bytes) -> "BuildInputs":
        """Return the digest of source files, and of settings of this machine that the code uses."""
        digests = [hashlib.sha256(part).digest() for part in (*(file.read_bytes() for file in files), *more)]
        return cls(hashlib.sha256(b"".join(digests)).hexdigest())

    @classmethod
    def of_archive(cls, archive: Path) -> "BuildInputs":
        """Return the recorded digest of an archive in the cache."""
        return cls(_note(archive).read_text())

    def is_current(self, archive: Path) -> bool:
        """Return whether an archive exists and was built from these inputs."""
        note = _note(archive)
        return archive.exists() and note.exists() and note.read_text() == self.digest

    def record(self, archive: Path) -> None:
        # Not in place: a cache that was copied with hard links has the same file.
        unfinished = _note(archive).with_suffix(".unfinished-recipe")
        unfinished.write_text(self.digest)
        unfinished.rename(_note(archive))


def _note(archive: Path) -> Path:
    return archive.with_suffix(".recipe")
