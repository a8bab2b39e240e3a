"""Run programs of this machine. A missing one, and one that fails, is an error that says so."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from release.errors import ReleaseError

# The Debian packages of the programs that a release needs
_PACKAGES = {"apt-get": "apt", "bwrap": "bubblewrap", "dpkg-deb": "dpkg", "git": "git", "tar": "tar"}


def require(programs: Iterable[str | Path]) -> None:
    """Raise ReleaseError if this machine lacks programs, which are names or paths."""
    if missing := [str(program) for program in programs if not shutil.which(program)]:
        packages = [_PACKAGES[program] for program in missing if program in _PACKAGES]
        hint = f"; on Debian: apt-get install {' '.join(packages)}" if packages else ""
        raise ReleaseError(f"a release needs these programs, which are not there: {', '.join(missing)}{hint}")


def run(
    command: Sequence[str | Path],
    *,
    stdin: bytes | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program and return its standard output. Raise ReleaseError with its standard error if it fails."""
    require(command[:1])
    done = subprocess.run(command, input=stdin, cwd=folder, env=environment, check=False, capture_output=True)
    if done.returncode:
        words = " ".join(str(word) for word in command[:4])
        raise ReleaseError(f"{words} … ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
