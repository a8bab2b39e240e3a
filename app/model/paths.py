"""Paths inside a container, compared the way the container runtime resolves them."""

from dataclasses import dataclass
from functools import lru_cache
from posixpath import normpath

# Longer ones are not kept: what is remembered of strangers' pods has to stay small.
_LONGEST_REMEMBERED = 128


def clean_path(path: str) -> str:
    """Return `path` absolute, without `.`, `..` and doubled slashes, and with `/var/run` as `/run`.

    The two are one directory wherever images follow the Filesystem Hierarchy Standard. A relative
    mountPath is resolved against `/`, as kubelet does.
    """
    return _remembered(path) if len(path) <= _LONGEST_REMEMBERED else _clean(path)


def _clean(path: str) -> str:
    cleaned = normpath("/" + path.lstrip("/"))
    if cleaned == "/var/run" or cleaned.startswith("/var/run/"):
        return cleaned.removeprefix("/var")
    return cleaned


_remembered = lru_cache(maxsize=4096)(_clean)


@dataclass
class PathSet:
    """A set of directories, made once to be held against many paths."""

    below: tuple[str, ...]
    above: frozenset[str]

    @classmethod
    def of(cls, *paths: str) -> "PathSet":
        """Return the set of these clean paths."""
        steps = [path.split("/") for path in paths]
        above = {"/".join(names[:count]) or "/" for names in steps for count in range(1, len(names))}
        return cls(tuple(f"{path.rstrip('/')}/" for path in paths), frozenset(above))

    def overlaps(self, path: str) -> bool:
        """Whether a clean path is one of the directories, under one or above one."""
        return path in self.above or f"{path}/".startswith(self.below)


def is_under(path: str, parent: str) -> bool:
    """Whether a clean path lies under another."""
    return path.startswith(parent if parent == "/" else parent + "/")
