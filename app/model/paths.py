"""Paths inside a container, compared the way the container runtime resolves them."""

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


def first_step(path: str) -> str:
    """Return the first name in a clean path, empty for `/`."""
    return path.split("/", 2)[1]


def overlap(left: str, right: str) -> bool:
    """Whether two clean paths are equal or one lies under the other."""
    return left == right or is_under(left, right) or is_under(right, left)


def is_under(path: str, parent: str) -> bool:
    """Whether a clean path lies under another."""
    return path.startswith(parent if parent == "/" else parent + "/")
