"""The files that `--filename` names: files, the files of directories, and standard input."""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from dind_webhook.errors import EmptyManifestError, ManifestError
from dind_webhook.manifests import Manifest, UnknownObject, read_manifest
from dind_webhook.model import JsonObject

# The files that kubectl reads in a directory
_EXTENSIONS = (".json", ".yaml", ".yml")
# Manifests have no secrets, and an API server may run as another user.
_MODE_OF_NEW_FILES = 0o644
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def read_manifests(
    command: str,
    filenames: Iterable[str],
    *,
    recursive: bool,
    namespace: str,
    unreadable: list[ManifestError] | None = None,
) -> list[Manifest]:
    """Return the manifests in these files and directories; raise ManifestError if one cannot be read.

    Empty files in a directory are skipped, as kubectl does. With `unreadable`, other files in a directory that cannot
    be read are skipped too, and their errors are appended to it. `command` is named in messages; `namespace` is the one
    of objects that name none.
    """
    return [
        manifest
        for filename in filenames
        for manifest in _read(filename, list(_expand(command, filename, recursive=recursive)), namespace, unreadable)
    ]


def _read(filename: str, names: list[str], namespace: str, unreadable: list[ManifestError] | None) -> list[Manifest]:
    manifests, error = [], None
    for name in names:
        try:
            manifests.append(read_manifest(name, namespace))
        except EmptyManifestError as empty:
            error = empty
        except ManifestError as problem:
            if unreadable is None or names == [filename]:
                raise
            unreadable.append(problem)
    if error and names == [filename]:
        raise error
    if not manifests and not unreadable:
        raise ManifestError(f"{filename}: all manifests in this directory are empty")
    return manifests


def write_file(filename: str, text: str) -> None:
    """Replace the content of a file, or make one, in one step.

    Raise ManifestError if that fails, with the file as it was.
    """
    path = Path(filename).resolve()
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
            pass
        try:
            Path(temporary.name).write_bytes(text.encode())
            if path.exists():
                shutil.copymode(path, temporary.name)
            else:
                Path(temporary.name).chmod(_MODE_OF_NEW_FILES)
            Path(temporary.name).replace(path)
        except OSError:
            Path(temporary.name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ManifestError(f"{filename}: cannot be written: {error.strerror}") from None


def describe_unknown(unknown: UnknownObject) -> str:
    """Return the line about an object of an unknown kind."""
    return f"{unknown}: unknown kind, not changed"


def unknown_as_tree(unknown: UnknownObject) -> JsonObject:
    """Return an object of an unknown kind as the commands print it for programs."""
    return {
        "apiVersion": unknown.api_version,
        "kind": unknown.kind,
        "name": unknown.name,
        "namespace": unknown.namespace or None,
    }


def _expand(command: str, filename: str, *, recursive: bool) -> Iterator[str]:
    if not filename:
        # Path("") would be the current directory.
        raise ManifestError("--filename has no value: name a file, a directory, or - for standard input")
    if _URL.match(filename):
        raise ManifestError(
            f"{filename}: URLs are not read", f"pipe it in: curl -fsSL {filename} | dind-webhook {command} -f -"
        )
    path = Path(filename)
    if filename == "-" or not path.is_dir():
        yield filename
        return
    found = sorted(each for each in path.glob("**/*" if recursive else "*") if each.suffix in _EXTENSIONS)
    files = [each for each in found if each.is_file()]
    if not files:
        hint = "" if recursive else "to read its subdirectories too, add --recursive"
        raise ManifestError(f"{filename}: no file in this directory ends in {', '.join(_EXTENSIONS)}", hint)
    yield from map(str, files)
