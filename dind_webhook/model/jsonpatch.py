"""RFC 6901 pointers and RFC 6902 operations."""

from collections.abc import Iterable
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
Operation: TypeAlias = dict[str, Any]


def pointer(*tokens: str | int) -> str:
    """Join reference tokens to a JSON pointer; `~` and `/` are escaped (RFC 6901, section 3)."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def prefix_paths(prefix: str, operations: Iterable[Operation]) -> list[Operation]:
    """Return operations on a part of an object as operations on the object; `prefix` points to the part."""
    return [{**operation, "path": prefix + operation["path"]} for operation in operations]


def add(path: str, value: Any) -> Operation:
    """Return the operation that adds `value` at `path` (RFC 6902, section 4.1)."""
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> Operation:
    """Return the operation that removes the value at `path`, which exists (RFC 6902, section 4.2)."""
    return {"op": "remove", "path": path}


def replace(path: str, value: Any) -> Operation:
    """Return the operation that replaces the value at `path`, which exists (RFC 6902, section 4.3)."""
    return {"op": "replace", "path": path, "value": value}
