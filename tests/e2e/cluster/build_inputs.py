"""The inputs of an archive in the cache. An archive with other inputs is built again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuildInputs:
    """The digest of all that decides on an archive's content, but for the versions that Debian has today."""

    digest: str

    @classmethod
    def of(cls, files: Iterable[Path], *more: bytes) -> "BuildInputs":
        """Return that of files with code, and of what the code takes from this machine."""
        digests = [hashlib.sha256(part).digest() for part in (*(file.read_bytes() for file in files), *more)]
        return cls(hashlib.sha256(b"".join(digests)).hexdigest())

    def is_current(self, archive: Path) -> bool:
        """Return whether an archive is there and was made by it."""
        note = _note(archive)
        return archive.exists() and note.exists() and note.read_text() == self.digest

    def record(self, archive: Path) -> None:
        _note(archive).write_text(self.digest)


def _note(archive: Path) -> Path:
    return archive.with_suffix(".recipe")
