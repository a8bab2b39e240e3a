"""Paths inside a container, compared the way the container runtime resolves them."""

from dataclasses import dataclass
from functools import lru_cache
from posixpath import normpath

# Longer paths are not cached: untrusted pods must not fill the memory.
_MAX_CACHED_LENGTH = 128


def clean_path(path: str) -> str:
    """Return `path` absolute, without `.`, `..` and doubled slashes, and with `/var/run` as `/run`.

    Images that follow the Filesystem Hierarchy Standard link `/var/run` to `/run`. kubelet resolves a relative
    mountPath against `/`.
    """
    return _clean_cached(path) if len(path) <= _MAX_CACHED_LENGTH else _normalize(path)


def _normalize(path: str) -> str:
    cleaned = normpath("/" + path.lstrip("/"))
    if cleaned == "/var/run" or cleaned.startswith("/var/run/"):
        return cleaned.removeprefix("/var")
    return cleaned


_clean_cached = lru_cache(maxsize=4096)(_normalize)


@dataclass
class PathSet:
    """A set of directories, built once and compared with many paths."""

    prefixes: tuple[str, ...]
    ancestors: frozenset[str]

    @classmethod
    def from_paths(cls, *paths: str) -> "PathSet":
        """Return the set of these directories, given as clean paths."""
        split_paths = [path.split("/") for path in paths]
        ancestors = {"/".join(names[:count]) or "/" for names in split_paths for count in range(1, len(names))}
        return cls(tuple(f"{path.rstrip('/')}/" for path in paths), frozenset(ancestors))

    def overlaps(self, path: str) -> bool:
        """Return whether a clean path is one of the directories, under one, or above one."""
        return path in self.ancestors or f"{path}/".startswith(self.prefixes)


def is_under(path: str, parent: str) -> bool:
    """Return whether a clean path lies under the clean path `parent`."""
    return path.startswith(parent if parent == "/" else parent + "/")
