"""RFC 6902 operations that let a list or an object of a pod grow. Nothing but `add` is used.

Each place is given with what is there: where that is absent or null, there is nothing to add to, and the whole is added
(RFC 6902, section 4.1).
"""

from functools import lru_cache
from typing import Any

from app.model import JsonObject, Operation, add, pointer

# The members that we add have a few names, all of them our own.
_pointer = lru_cache(maxsize=16)(pointer)


def append(place: str, existing: list[Any] | None, values: list[Any]) -> list[Operation]:
    """Return the operations that put `values` behind what the list at `place` has; none where there are no values."""
    if existing is None:
        return [add(place, values)] if values else []
    end = f"{place}/-"
    return [add(end, value) for value in values]


def put_in_front(place: str, existing: list[Any] | None, value: Any) -> Operation:
    """Return the operation that makes `value` the first of the list at `place`."""
    return add(place, [value]) if existing is None else add(f"{place}/0", value)


def add_members(place: str, existing: object, members: JsonObject) -> list[Operation]:
    """Return the operations that give the object at `place` members of which it has none, or null."""
    if existing is None:
        return [add(place, members)] if members else []
    return [add(place + _pointer(key), value) for key, value in members.items()]
