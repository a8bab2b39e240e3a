"""YAML as nodes that know where they stand in the text, and the JSON that kubectl would make of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from app.errors import ManifestError

# Far beyond any manifest, and far below Python's limit for all that recurses over the result.
_DEEPEST = 100
# Aliases of aliases multiply; the API server stops at 3 MiB.
_MOST_NODES = 2_000_000

# What sigs.k8s.io/yaml, the library of kubectl, takes plain text for (goyaml.v2, resolve.go)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    spelling: value
    for value, words in ((True, ("y", "yes", "on", "true")), (False, ("n", "no", "off", "false")))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]{0,18}))")
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TYPED = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_COLON = re.compile(r"\s*:")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Source(NamedTuple):
    """A text, and the name under which people know it."""

    name: str
    text: str

    def error(self, offset: int, problem: str) -> ManifestError:
        """Return the error that something is wrong at this place."""
        before = self.text[:offset]
        line, column = before.count("\n") + 1, offset - before.rfind("\n")
        return ManifestError(f"{self.name}: line {line}, column {column}: {problem}")


@dataclass(slots=True, eq=False)
class Scalar:
    """A scalar from `start` to `end`; `style` is None where it is plain."""

    start: int
    end: int
    value: str
    style: str | None
    tag: str | None


@dataclass(slots=True, eq=False)
class Alias:
    """An alias, which stands for another node."""

    start: int
    end: int
    target: "Node"


@dataclass(slots=True, eq=False)
class Sequence:
    """A sequence; `open` is where its bracket or its first `-` is. `end` means something in flow style only."""

    start: int
    end: int
    open: int
    column: int
    flow: bool
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping:
    """A mapping; `open` is where its bracket or its first key is. `end` means something in flow style only."""

    start: int
    end: int
    open: int
    column: int
    flow: bool
    members: list[tuple["Node", "Node"]] = field(default_factory=list)


Node: TypeAlias = Scalar | Alias | Sequence | Mapping


@dataclass(frozen=True, eq=False)
class Document:
    """A document from `start` to `end`, with its markers; `body` to `tail` is what stands between these.

    `shared` holds the ids of the nodes that aliases stand for: one place in the text, several in the data.
    """

    root: Node
    start: int
    body: int
    tail: int
    end: int
    explicit: bool
    shared: frozenset[int]


def compose(source: Source) -> list[Document]:
    """Return the documents of a text; ManifestError where it is not YAML."""
    return list(_Composer(source).documents())


def plain(source: Source, node: Node) -> Any:
    """Return a node as kubectl would send it, no part of it shared; ManifestError where it would refuse it."""
    return _Reading(source).plain(node, 0)


def is_null(node: Node) -> bool:
    """Whether a node is null, as plain text."""
    return isinstance(node, Scalar) and node.style is None and node.tag is None and node.value in _NULLS


def is_merge(key: Node) -> bool:
    """Whether a key is `<<`, whose value is more members."""
    return isinstance(key, Scalar) and key.style is None and key.value == "<<"


def key_text(key: Node) -> str | None:
    """Return a key as JSON has it, None where JSON has none for it."""
    if isinstance(key, Alias):
        return key_text(key.target)
    if not isinstance(key, Scalar):
        return None
    value = _scalar(key)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _events(source: Source) -> Iterator[Event]:
    try:
        yield from YAML(typ="safe", pure=True).parse(source.text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise source.error(mark.index if mark else 0, f"not YAML: {problem}") from None
    except ReaderError as error:
        raise source.error(error.position, f"not YAML: {error.reason}") from None
    except (AssertionError, OverflowError, ValueError, YAMLError) as error:
        # What ruamel.yaml lets through of a %YAML directive or an escape out of range.
        raise ManifestError(f"{source.name}: not YAML: {' '.join(str(error).split())}") from None


class _Composer:
    """Nodes from the events of ruamel.yaml, whose own nodes do not tell where an alias is."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._events = _events(source)
        self._anchors: dict[str, Node] = {}
        self._shared: set[int] = set()

    def documents(self) -> Iterator[Document]:
        found = list(self._bounded())
        ends = [*(start for _, start, *_ in found[1:]), len(self._source.text)]
        for (root, start, body, tail, explicit, shared), end in zip(found, ends, strict=False):
            yield Document(root, start, body, end if tail is None else tail, end, explicit, shared)

    def _bounded(self) -> Iterator[tuple[Node, int, int, int | None, bool, frozenset[int]]]:
        start: int | None = 0
        for event in self._events:
            if not isinstance(event, DocumentStartEvent):
                continue
            if start is None:
                start = event.start_mark.index
            body = self._after_marker(event.end_mark.index) if event.explicit else start
            self._anchors, self._shared = {}, set()
            root = self._node(next(self._events), 0)
            ended = next(self._events)
            assert isinstance(ended, DocumentEndEvent)  # noqa: S101 - the grammar of events
            tail = ended.start_mark.index if ended.explicit else None
            yield root, start, body, tail, bool(event.explicit), frozenset(self._shared)
            # What follows `...` may be directives, which belong to the next document.
            start = self._next_line(ended.end_mark.index) if ended.explicit else None

    def _after_marker(self, offset: int) -> int:
        following = self._next_line(offset)
        rest = self._source.text[offset:following].strip()
        return following if not rest or rest.startswith("#") else offset

    def _next_line(self, offset: int) -> int:
        newline = self._source.text.find("\n", offset)
        return len(self._source.text) if newline < 0 else newline + 1

    def _node(self, event: Event, depth: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        if depth > _DEEPEST:
            raise self._source.error(start, f"nested more than {_DEEPEST} levels deep")
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor, start, end)
        node: Node
        if isinstance(event, ScalarEvent):
            node = Scalar(start, end, event.value, event.style, event.tag)
            self._anchor(event, node)
        elif isinstance(event, SequenceStartEvent):
            # In block style the event ends before or behind the first `-`, in flow style behind the bracket.
            behind = int(event.flow_style or not self._source.text.startswith("-", end))
            node = Sequence(start, end, end - behind, event.end_mark.column - behind, bool(event.flow_style))
            self._anchor(event, node)
            self._items(node, depth)
        else:
            assert isinstance(event, MappingStartEvent)  # noqa: S101 - the grammar of events
            behind = int(event.flow_style)
            node = Mapping(start, end, end - behind, event.end_mark.column - behind, bool(event.flow_style))
            self._anchor(event, node)
            self._members(node, depth)
        return node

    def _anchor(self, event: Any, node: Node) -> None:
        if event.anchor:
            self._anchors[event.anchor] = node

    def _alias(self, anchor: str, start: int, end: int) -> Alias:
        if anchor not in self._anchors:
            raise self._source.error(start, f"alias *{anchor} has no anchor before it")
        target = self._anchors[anchor]
        self._shared.add(id(target))
        return Alias(start, end, target)

    def _items(self, node: Sequence, depth: int) -> None:
        while not isinstance(event := next(self._events), CollectionEndEvent):
            node.items.append(self._node(event, depth + 1))
        node.end = event.end_mark.index

    def _members(self, node: Mapping, depth: int) -> None:
        while not isinstance(event := next(self._events), CollectionEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if value.start == value.end:
                # A value that is not there has the place of whatever follows.
                colon = _COLON.match(self._source.text, key.end)
                value.start = value.end = colon.end() if colon else key.end
            node.members.append((key, value))
        node.end = event.end_mark.index


class _Reading:
    """One node on its way to JSON."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = _MOST_NODES

    def plain(self, node: Node, depth: int) -> Any:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise self._source.error(node.start, "its aliases multiply beyond what fits a Kubernetes object")
        if isinstance(node, Alias):
            return self.plain(node.target, depth)
        if isinstance(node, Scalar):
            return _scalar(node)
        if isinstance(node, Sequence):
            return [self.plain(item, depth + 1) for item in node.items]
        return self._object(node, depth)

    def _object(self, node: Mapping, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.members:
            if is_merge(key):
                merged = {**self._merged(value, depth), **merged}
                continue
            name = key_text(key)
            if name is None:
                raise self._source.error(key.start, "a key has to be text")
            if name in own:
                raise self._source.error(key.start, f'key "{name}" stands here a second time')
            own[name] = self.plain(value, depth + 1)
        return {**merged, **own}

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        value = self.plain(node, depth + 1)
        parts = value if isinstance(value, list) else [value]
        members: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, dict):
                raise self._source.error(node.start, "the merge key << needs a mapping, or a list of them")
            members = {**part, **members}
        return members


def _scalar(node: Scalar) -> Any:
    if node.tag in _TYPED or (node.tag is None and node.style is None):
        return _resolve(node.value)
    if _SURROGATE.search(node.value):
        # JSON escapes what is beyond 16 bits as two halves.
        return node.value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return node.value


def _resolve(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    digits = text.replace("_", "") if text[0] in "-+.0123456789" else ""
    if match := _INTEGER.fullmatch(digits):
        sign, *numbers = match.groups()
        return next(int(sign + number, base) for number, base in zip(numbers, _BASES, strict=True) if number)
    return float(digits) if _FLOAT.fullmatch(digits) else text
