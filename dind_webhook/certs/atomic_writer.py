"""Writes the certificate files for the server in the same pod, as kubelet's AtomicWriter writes a mounted Secret.

One rename of a symlink switches readers from all old files to all new files.
"""

import shutil
import tempfile
from pathlib import Path

from dind_webhook.certs.issue import KeyPair

CERT_FILE = "tls.crt"
KEY_FILE = "tls.key"
_DATA = "..data"
# The server may run as another user of the same group.
_MODE = 0o640


def read_served_cert(directory: Path) -> bytes | None:
    """Return the certificate file in the directory, or None if it cannot be read."""
    try:
        return (directory / CERT_FILE).read_bytes()
    except OSError:
        return None


def write_pair(directory: Path, pair: KeyPair) -> None:
    """Replace certificate and key in one step; raise OSError if that fails, with the old files in place."""
    directory.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    try:
        _fill(fresh, pair)
    except OSError:
        # The volume is small and in memory: half-written files would fill it.
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _link(directory / _DATA, fresh.name)
    for name in (CERT_FILE, KEY_FILE):
        if not (directory / name).is_symlink():
            _link(directory / name, f"{_DATA}/{name}")
    for old in directory.glob("..*"):
        if old.is_dir() and not old.is_symlink() and old != fresh:
            shutil.rmtree(old, ignore_errors=True)


def _fill(folder: Path, pair: KeyPair) -> None:
    folder.chmod(0o750)
    for name, content in ((CERT_FILE, pair.cert), (KEY_FILE, pair.key)):
        path = folder / name
        path.touch(_MODE)
        path.write_bytes(content)


def _link(path: Path, target: str) -> None:
    # rename(2) replaces an existing file, symlink(2) does not.
    temporary = path.with_name(f"{path.name}_tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
