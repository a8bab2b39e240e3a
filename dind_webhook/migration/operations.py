"""JSON Patch operations of a migration (RFC 6902)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonpatch import JsonPointer

from dind_webhook.migration.removal import Removal
from dind_webhook.model import JsonObject, Operation, add, as_object, pointer, remove


def render_operations(template: JsonObject, removal: Removal, annotations: Mapping[str, str]) -> tuple[Operation, ...]:
    """Return the operations that rewrite a pod template: removals, from the last item to the first, then additions."""
    return (*_remove_items(template, removal.pointers), *_add_annotations(template, annotations))


def guard_operations(target: JsonObject, operations: Iterable[Operation]) -> list[Operation]:
    """Return the operations with a `test` before each removal, so that they fail if somebody changed the object.

    The first test is of the generation, which the API server counts up with each change of the spec.
    """
    guarded: list[Operation] = []
    generation = as_object(target.get("metadata")).get("generation")
    if generation is not None:
        guarded.append(_test("/metadata/generation", generation))
    for operation in operations:
        if operation["op"] == "remove":
            # Removals come first, from the last item to the first, so no item has moved.
            guarded.append(_test(operation["path"], JsonPointer(operation["path"]).resolve(target)))
        guarded.append(operation)
    return guarded


def _remove_items(template: JsonObject, pointers: frozenset[str]) -> Iterator[Operation]:
    """Yield the removals of list items. A list that would be empty is removed as a whole."""
    outer = {item for item in pointers if pointers.isdisjoint(_ancestors(item))}
    counts = Counter(item.rpartition("/")[0] for item in outer)
    removed = {
        place if counts[place] == len(JsonPointer(place).resolve(template)) else item
        for item in outer
        for place in (item.rpartition("/")[0],)
    }
    for place in sorted(removed, key=_sort_key, reverse=True):
        yield remove(place)


def _ancestors(place: str) -> Iterator[str]:
    tokens = place.split("/")
    return ("/".join(tokens[:count]) for count in range(1, len(tokens)))


def _sort_key(place: str) -> list[tuple[int, str]]:
    return [(int(token), "") if token.isdecimal() else (-1, token) for token in place.split("/")]


def _add_annotations(template: JsonObject, annotations: Mapping[str, str]) -> Iterator[Operation]:
    metadata = template.get("metadata")
    if metadata is None:
        yield add("/metadata", {"annotations": dict(annotations)})
    elif metadata.get("annotations") is None:
        yield add("/metadata/annotations", dict(annotations))
    else:
        for key, value in annotations.items():
            yield add("/metadata/annotations" + pointer(key), value)


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}
