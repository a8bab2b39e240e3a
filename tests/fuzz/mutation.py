"""Mutations of JSON. A mutant is still an AdmissionReview, with its fault deep inside, not at its first byte."""

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple


class _Place(NamedTuple):
    """The place of a value: `parent[key]`."""

    parent: Any
    key: Any


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


_ODD_LEAVES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63,
    2**64,
    1e300,
    "",
    "\0",
    "é",
    "x" * 254,
    [],
    {},
    [None],
    [[]],
]
_ODD_TEXTS: list[Any] = ["/", "//", "..", "~0~1", "true", "null", "dind", "/run/dind", "1Gi", "[]", "{}", ",", {"": ""}]
# orjson writes 254 levels and reads 1,024
_ODD_VALUES = [*_ODD_LEAVES, *_ODD_TEXTS, _nested(260), _nested(900)]
_CHARACTERS = "/~,:=-._*[]{}\"' \n0a\x7fé\U0001f600"


class Mutator:
    """Edits JSON texts. A new value is an odd one, or comes from elsewhere in the text, or from a seed."""

    def __init__(self, seeds: Iterable[Any], mutate_bytes: Callable[[bytes, int], bytes]) -> None:
        """Collect the values of the seeds. `mutate_bytes` mutates a text that is not JSON, up to a size in bytes."""
        self._mutate_bytes = mutate_bytes
        self._donors: dict[Any, list[Any]] = defaultdict(list)
        for parent, key in (place for seed in seeds for place in _places(seed)):
            if isinstance(parent, dict) and parent[key] not in self._donors[key]:
                self._donors[key].append(parent[key])
        self._keys = sorted(self._donors)

    def mutate(self, text: bytes, max_size: int, seed: int) -> bytes:
        """Return a mutant of a text. For JSON, the same seed gives the same mutant."""
        random = Random(seed)
        try:
            value = json.loads(text)
            for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
                self._edit(value, random)
            mutant = json.dumps(value, separators=(",", ":")).encode()
        except (ValueError, RecursionError):
            return self._mutate_bytes(text, max_size)
        if len(mutant) > max_size or random.random() < 0.05:
            return self._mutate_bytes(text, max_size)
        return mutant

    def _edit(self, review: Any, random: Random) -> None:
        request = review.get("request") if isinstance(review, dict) else None
        inside = request.get("object") if isinstance(request, dict) else None
        places = (_places(inside) if random.random() < 0.9 else []) or _places(review)
        if places:
            place = random.choice(places)
            new_value = copy.deepcopy(self._choose_value(place, places, random))
            random.choice((_replace, _replace, self._add, _remove, self._rename, _repeat, _swap, _tweak))(
                place, new_value, random
            )

    def _choose_value(self, place: _Place, places: list[_Place], random: Random) -> Any:
        kind = random.random()
        if kind < 0.25:
            return random.choice(_ODD_VALUES)
        if kind < 0.5:
            parent, key = random.choice(places)
            return parent[key]
        known = self._donors.get(place.key) if kind < 0.85 else None
        return random.choice(known or self._donors[random.choice(self._keys)])

    def _add(self, place: _Place, new_value: Any, random: Random) -> None:
        target = place.parent[place.key]
        if isinstance(target, list):
            target.insert(random.randint(0, len(target)), new_value)
        elif isinstance(target, dict):
            key = random.choice(self._keys)
            target[key] = random.choice((new_value, copy.deepcopy(random.choice(self._donors[key]))))
        else:
            _replace(place, new_value, random)

    def _rename(self, place: _Place, new_value: Any, random: Random) -> None:
        parent, key = place
        if isinstance(parent, dict):
            name = new_value if isinstance(new_value, str) else random.choice(self._keys)
            parent[name] = parent.pop(key)


def _replace(place: _Place, new_value: Any, _: Random) -> None:
    place.parent[place.key] = new_value


def _remove(place: _Place, _new_value: Any, _: Random) -> None:
    del place.parent[place.key]


def _repeat(place: _Place, new_value: Any, random: Random) -> None:
    parent, key = place
    if isinstance(parent, list):
        parent.insert(random.randint(0, len(parent)), copy.deepcopy(parent[key]))
    else:
        parent[key] = [new_value, parent[key]]


def _swap(place: _Place, _new_value: Any, random: Random) -> None:
    parent, key = place
    other = random.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    parent[key], parent[other] = parent[other], parent[key]


def _tweak(place: _Place, new_value: Any, random: Random) -> None:
    parent, key = place
    value = parent[key]
    if isinstance(value, str):
        start, end = sorted((random.randint(0, len(value)), random.randint(0, len(value))))
        added = random.choice(("", random.choice(_CHARACTERS), new_value if isinstance(new_value, str) else "/"))
        parent[key] = value[:start] + added + value[random.choice((start, end)) :]
    elif isinstance(value, int | float):
        parent[key] = random.choice((value + 1, -value, value * 1000, str(value)))
    else:
        parent[key] = new_value


def _places(root: Any) -> list[_Place]:
    """Return the place of each value below `root`, however deep."""
    found, nodes = [], [root]
    while nodes:
        node = nodes.pop()
        steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in steps:
            found.append(_Place(node, key))
            nodes.append(child)
    return found
