"""Additions put into the text of a document: what its author wrote stays as it was written.

| into | goes |
|---|---|
| a block mapping, the end of a block sequence | below the last line of its content, in its column |
| the front of a block sequence | above the first item and the comments directly above that |
| a flow collection | inside the brackets, as JSON, on lines of its own where the others have such |
| null, `[]` or `{}` under a key in block style | in its place; what is a collection, below the line |
"""

import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from app.manifests.nodes import Document, Mapping, Node, Scalar, Sequence, is_merge, is_null, key_text
from app.model import Operation

# yaml.org/type: bool, and the forms of int, float and timestamp that YAML 1.2 dropped
_OTHER_IN_YAML_1_1 = re.compile(
    r"y|n|yes|no|on|off|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?[0-9][0-9_.]*"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?",
    re.IGNORECASE,
)
_HEADER = re.compile(r"[|>][1-9]?(?![-+0-9])")
_COMMA = re.compile(r"\s*,")


class NoPlaceError(Exception):
    """An operation whose place in the text is not one place, or not one that can be told."""


# The key in a mapping, None in a sequence, and the value
_Part: TypeAlias = tuple[str | None, Any]


class _Edit(NamedTuple):
    """Text for what is between two offsets. Of edits at one offset the innermost collection's comes first."""

    start: int
    end: int
    depth: int
    text: str


@dataclass(slots=True)
class _Growth:
    """What one collection gains."""

    node: Mapping | Sequence
    parent: Mapping | Sequence | None
    depth: int
    front: list[Any] = field(default_factory=list)
    back: list[Any] = field(default_factory=list)
    members: dict[str, Any] = field(default_factory=dict)
    filled: list[tuple[Node, Node, Any]] = field(default_factory=list)


def splice(text: str, document: Document, operations: Iterable[Operation]) -> str:
    """Return the text of one document of `text` with these `add` operations applied, pointers from its root.

    NoPlaceError where that cannot be done. The caller compares the result: this knows YAML as people
    write it, not all of YAML.
    """
    return _Splice(text, document).apply(operations)


def writable(value: Any) -> Any:
    """Return a copy of a value, fit for YAML.

    A copy, because one value may stand in several places, and YAML would show that as an alias.
    Quoted, where kubectl, which reads YAML 1.1, would take a text for something else.
    """
    if isinstance(value, dict):
        return {writable(key): writable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [writable(item) for item in value]
    if isinstance(value, str) and not value.isprintable():
        return DoubleQuotedScalarString(value)
    return SingleQuotedScalarString(value) if isinstance(value, str) and _OTHER_IN_YAML_1_1.fullmatch(value) else value


def block_lines(value: Any, dash: int) -> list[str]:
    """Return the lines of a value in block style, the `-` of a list under a key indented by `dash`."""
    yaml = YAML()
    yaml.width = sys.maxsize
    yaml.indent(mapping=2, sequence=dash + 2, offset=dash)
    out = io.StringIO()
    yaml.dump(writable(value), out)
    lines = out.getvalue().removesuffix("...\n").removesuffix("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip(" "))
    return [line[margin:] for line in lines]


def indents_dashes(document: Document) -> bool:
    """Whether most lists of a document are indented under their keys, unlike what kubectl prints."""
    found = Counter(
        sequence.column > mapping.column
        for mapping in _nodes(document.root)
        if isinstance(mapping, Mapping)
        for _, sequence in mapping.members
        if isinstance(sequence, Sequence) and not sequence.flow
    )
    return found[True] > found[False]


class _Splice:
    """Operations on one document, gathered by the collections that they let grow, then made edits of its text."""

    def __init__(self, text: str, document: Document) -> None:
        self._text = text
        self._document = document
        self._growths: dict[int, _Growth] = {}
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._dash = 2 if indents_dashes(document) else 0
        self._step, self._is_tight = self._json_style()

    def apply(self, operations: Iterable[Operation]) -> str:
        for operation in operations:
            tokens = [token.replace("~1", "/").replace("~0", "~") for token in operation["path"].split("/")[1:]]
            self._gather(tokens, operation["value"])
        edits = [edit for growth in self._growths.values() for edit in self._edits(growth)]
        edits += self._end_text(edits)
        parts = []
        position = self._document.start
        for edit in sorted(edits, key=lambda edit: (edit.start, -edit.depth)):
            if edit.start < position:
                raise NoPlaceError("two additions meet")
            parts += [self._text[position : edit.start], edit.text]
            position = edit.end
        return "".join([*parts, self._text[position : self._document.end]])

    # Where: pointers to nodes.

    def _gather(self, tokens: list[str], value: Any) -> None:
        parent, node = None, self._collection(self._document.root)
        for token in tokens[:-1]:
            parent, node = node, self._collection(self._child(node, token))
        growth = self._growths.setdefault(id(node), _Growth(node, parent, len(tokens)))
        if isinstance(node, Mapping):
            self._gather_member(growth, node, tokens[-1], value)
        else:
            self._gather_item(growth, node, tokens[-1], value)

    def _collection(self, node: Node) -> Mapping | Sequence:
        if not isinstance(node, Mapping | Sequence) or id(node) in self._document.shared:
            raise NoPlaceError("reached through an alias, or no collection")
        return node

    def _child(self, parent: Mapping | Sequence, token: str) -> Node:
        if isinstance(parent, Mapping):
            for key, value in parent.members:
                if key_text(key) == token and not is_merge(key):
                    return value
        elif token.isdecimal():
            index = int(token) - len(self._growths[id(parent)].front if id(parent) in self._growths else ())
            if 0 <= index < len(parent.items):
                return parent.items[index]
        raise NoPlaceError(f"{token} is not in the text, merged or just added")

    @staticmethod
    def _gather_member(growth: _Growth, node: Mapping, name: str, value: Any) -> None:
        for key, present in node.members:
            if key_text(key) == name and not is_merge(key):
                if not is_null(present):
                    raise NoPlaceError(f"{name} has a value")
                growth.filled.append((key, present, value))
                return
        growth.members[name] = value

    @staticmethod
    def _gather_item(growth: _Growth, node: Sequence, token: str, value: Any) -> None:
        behind = len(growth.front) + len(node.items) + len(growth.back)
        if token in {"-", str(behind)}:
            growth.back.append(value)
        elif token.isdecimal() and int(token) <= len(growth.front):
            growth.front.insert(int(token), value)
        else:
            raise NoPlaceError(f"{token} is between two items")

    # What: nodes that grow to edits.

    def _edits(self, growth: _Growth) -> Iterator[_Edit]:
        node = growth.node
        for key, null, value in growth.filled:
            if isinstance(node, Mapping) and not node.flow:
                yield from self._fill(node, growth.depth, null, value)
            else:
                yield self._fill_inside(growth.depth, key, null, value)
        if isinstance(growth.parent, Mapping) and not growth.parent.flow and self._is_blank(node):
            yield from self._fill(growth.parent, growth.depth - 1, node, growth.members or growth.front + growth.back)
        elif node.flow:
            yield from self._grow_flow(growth)
        elif isinstance(node, Mapping):
            if growth.members:
                yield self._below(node, growth.depth, block_lines(growth.members, self._dash))
        else:
            if growth.back:
                yield self._below(node, growth.depth, block_lines(growth.back, self._dash))
            if growth.front:
                yield self._above(node, growth.depth, block_lines(growth.front, self._dash))

    def _is_blank(self, node: Mapping | Sequence) -> bool:
        """Whether a collection is written as a pair of brackets, with nothing inside or before it."""
        return self._text[node.start : node.end].replace(" ", "") in {"[]", "{}"}

    def _fill_inside(self, depth: int, key: Node, null: Node, value: Any) -> _Edit:
        if not self._text[: null.start].rstrip().endswith(":"):
            raise NoPlaceError("a key in brackets without a colon")
        space = "" if self._text[null.start - 1].isspace() or self._is_tight else " "
        return _Edit(null.start, null.end, depth, space + self._json(value, self._own_margin(key.start)))

    def _fill(self, parent: Mapping, depth: int, empty: Node, value: Any) -> Iterator[_Edit]:
        """Yield what puts a value in the place of one that is empty, in a block mapping."""
        start = len(self._text[: empty.start].rstrip())
        if isinstance(value, dict | list) and value:
            yield _Edit(start, empty.end, depth, "")
            deeper = self._dash if isinstance(value, list) else 2
            # As deep as something inside the mapping: before what the mapping itself gains.
            yield self._insert(empty.end, parent.column + deeper, depth + 1, block_lines(value, self._dash))
        else:
            yield _Edit(start, empty.end, depth, " " + block_lines([value], 0)[0].removeprefix("- "))

    def _below(self, node: Mapping | Sequence, depth: int, lines: list[str]) -> _Edit:
        return self._insert(self._content_end(node), node.column, depth, lines)

    def _insert(self, offset: int, column: int, depth: int, lines: list[str]) -> _Edit:
        end = self._line_end(offset)
        return _Edit(end, end, depth, "".join(f"{self._newline}{' ' * column}{line}" for line in lines))

    def _above(self, node: Sequence, depth: int, lines: list[str]) -> _Edit:
        margin = " " * node.column
        start = self._line_start(node.open)
        if self._text[start : node.open].strip():
            # `- - item`: the first line of the new item goes where the first one's was.
            joined = f"{self._newline}{margin}".join([*lines, ""])
            return _Edit(node.open, node.open, depth, joined)
        while start > self._document.start:
            line = self._line_start(start - 1)
            if not self._text[line:start].lstrip().startswith("#"):
                break
            start = line
        return _Edit(start, start, depth, "".join(f"{margin}{line}{self._newline}" for line in lines))

    def _end_text(self, edits: list[_Edit]) -> list[_Edit]:
        """Return what keeps a block scalar without a last newline as it is, where additions follow it."""
        node = self._document.root
        while isinstance(node, Mapping | Sequence) and not node.flow:
            node = node.members[-1][1] if isinstance(node, Mapping) else node.items[-1]
        if not isinstance(node, Scalar) or node.style not in {"|", ">"} or self._text.endswith("\n"):
            return []
        header = _HEADER.match(self._text, node.start)
        if not header or not any(edit.end == len(self._text) for edit in edits):
            return []
        return [_Edit(header.end(), header.end(), 0, "-")]

    def _content_end(self, node: Node) -> int:
        """Return where the last content of a node ends, comments and blank lines behind it left out."""
        if isinstance(node, Mapping) and not node.flow:
            return self._content_end(node.members[-1][1])
        if isinstance(node, Sequence) and not node.flow:
            return self._content_end(node.items[-1])
        if not isinstance(node, Scalar) or node.style not in {"|", ">"}:
            return node.end
        end = node.end if node.end == len(self._text) else self._line_start(node.end)
        lines = self._text[node.start : end]
        if "+" in lines.splitlines()[0].partition("#")[0]:
            return node.start + len(lines.removesuffix("\n").removesuffix("\r"))
        return node.start + len(lines.rstrip("\r\n"))

    # Flow style.

    def _grow_flow(self, growth: _Growth) -> Iterator[_Edit]:
        node = growth.node
        front: list[_Part] = [(None, value) for value in growth.front]
        back: list[_Part] = [*growth.members.items(), *((None, value) for value in growth.back)]
        if isinstance(node, Mapping):
            spans = [(key.start, value) for key, value in node.members]
        else:
            spans = [(item.start, item) for item in node.items]
        if not spans:
            if front or back:
                yield self._fill_brackets(node, growth.depth, [*front, *back])
            return
        if front:
            yield self._join_front(node, growth.depth, *spans[0], front)
        if back:
            yield from self._join_back(node, growth.depth, *spans[-1], back)

    def _fill_brackets(self, node: Mapping | Sequence, depth: int, parts: list[_Part]) -> _Edit:
        inside = self._text[node.open + 1 : node.end - 1]
        margin = None
        if "\n" in inside or self._is_pretty(node.open):
            margin = self._margin(node.open) + self._step
        rendered = [self._part(part, margin) for part in parts]
        if margin is None:
            return _Edit(node.open + 1, node.end - 1, depth, self._comma.join(rendered))
        kept = inside.rstrip()
        text = kept + self._newline + margin + f",{self._newline}{margin}".join(rendered)
        return _Edit(node.open + 1, node.end - 1, depth, text + self._newline + self._margin(node.end - 1))

    def _join_front(self, node: Mapping | Sequence, depth: int, start: int, first: Node, parts: list[_Part]) -> _Edit:
        margin = self._own_margin(start)
        rendered = [self._part(part, self._inner_margin(node, start, first)) for part in parts]
        separator = self._comma if margin is None else f",{self._newline}{margin}"
        return _Edit(start, start, depth, "".join(part + separator for part in rendered))

    def _join_back(
        self, node: Mapping | Sequence, depth: int, start: int, last: Node, parts: list[_Part]
    ) -> Iterator[_Edit]:
        margin = self._own_margin(start)
        rendered = [self._part(part, self._inner_margin(node, start, last)) for part in parts]
        if margin is None:
            yield _Edit(last.end, last.end, depth, "".join(self._comma + part for part in rendered))
            return
        separator = f",{self._newline}{margin}"
        joined = separator.join(rendered)
        end = self._line_end(last.end)
        if end >= node.end:
            # The bracket closes on this line.
            yield _Edit(last.end, last.end, depth, separator + joined)
        elif _COMMA.match(self._text, last.end):
            yield _Edit(end, end, depth, f"{self._newline}{margin}{joined},")
        else:
            yield _Edit(last.end, last.end, depth, ",")
            yield _Edit(end, end, depth, f"{self._newline}{margin}{joined}")

    def _inner_margin(self, node: Mapping | Sequence, start: int, sibling: Node) -> str | None:
        """Return the margin for the inner lines of an addition, None where it goes on one line."""
        shape = node
        if isinstance(node, Sequence) and isinstance(sibling, Mapping | Sequence) and not _is_empty(sibling):
            shape = sibling
        return self._margin(start) if "\n" in self._text[shape.open : shape.end] else None

    def _part(self, part: _Part, margin: str | None) -> str:
        key, value = part
        rendered = self._json(value, margin)
        return rendered if key is None else f"{self._json(key, None)}{':' if self._is_tight else ': '}{rendered}"

    def _json(self, value: Any, margin: str | None) -> str:
        """Return JSON, its inner lines behind a margin; on one line where there is none."""
        if margin is None:
            separators = (",", ":") if self._is_tight else (", ", ": ")
            text = json.dumps(value, ensure_ascii=False, separators=separators)
            return text if text.isprintable() else json.dumps(value, separators=separators)
        text = json.dumps(value, ensure_ascii=False, indent=self._step)
        if not text.replace("\n", "").replace("\t", "").isprintable():
            text = json.dumps(value, indent=self._step)
        return text.replace("\n", self._newline + margin)

    @property
    def _comma(self) -> str:
        return "," if self._is_tight else ", "

    def _json_style(self) -> tuple[str, bool]:
        """Return how a JSON document indents, and whether it has no space behind commas and colons."""
        root = self._document.root
        if not isinstance(root, Mapping) or not root.flow or not root.members:
            return "  ", False
        key, value = root.members[0]
        return self._own_margin(key.start) or "  ", self._text[key.end : value.start] == ":"

    # Lines.

    def _line_start(self, offset: int) -> int:
        return self._text.rfind("\n", 0, offset) + 1

    def _line_end(self, offset: int) -> int:
        end = self._text.find("\n", offset)
        if end < 0:
            return len(self._text)
        return end - 1 if self._text[offset:end].endswith("\r") else end

    def _margin(self, offset: int) -> str:
        """Return the white space in front of the line."""
        line = self._text[self._line_start(offset) : self._line_end(offset)]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _own_margin(self, offset: int) -> str | None:
        """Return the white space in front of what begins a line, None where it does not."""
        before = self._text[self._line_start(offset) : offset]
        return None if before.strip(" \t") else before

    def _is_pretty(self, offset: int) -> bool:
        """Whether the document is JSON on several lines, up to here."""
        root = self._document.root
        return isinstance(root, Mapping) and root.flow and "\n" in self._text[root.open : offset]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _nodes(item)
    elif isinstance(node, Mapping):
        for _, value in node.members:
            yield from _nodes(value)


def _is_empty(node: Mapping | Sequence) -> bool:
    return not (node.members if isinstance(node, Mapping) else node.items)
