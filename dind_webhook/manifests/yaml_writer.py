"""Writes JSON data as YAML in the style of an existing document, so that kubectl reads the same data."""

import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString
from ruamel.yaml.tag import Tag

from dind_webhook.manifests.source import Source, parse_documents
from dind_webhook.manifests.to_json import resolve

# yaml.org/type: bool, and the forms of int, float and timestamp that YAML 1.2 dropped
_OTHER_IN_YAML_1_1 = re.compile(
    r"y|n|yes|no|on|off|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?[0-9][0-9_.]*"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?|=|<<",
    re.IGNORECASE,
)


class Indent(NamedTuple):
    """Columns of indentation: of a mapping in a mapping, of an item's content, and of its dash."""

    mapping: int = 2
    sequence: int = 2
    dash: int = 0


def dump_documents(values: Iterable[Any]) -> str:
    """Return values as the documents of one text."""
    return "---\n".join(map(dump_yaml, values))


def dump_yaml(value: Any, indent: Indent | None = None) -> str:
    """Return JSON as YAML in block style, which kubectl reads as that JSON."""
    out = io.StringIO()
    yaml_writer(indent or Indent()).dump(marked_copy(value, ""), out)
    return out.getvalue()


def detect_indent(root: Node) -> Indent:
    """Return the indentation of most lists and mappings of a document."""
    mappings: Counter[int] = Counter()
    lists: Counter[tuple[int, int]] = Counter()
    for parent in all_nodes(root):
        if not isinstance(parent, MappingNode) or parent.flow_style or not parent.value:
            continue
        column = parent.value[0][0].start_mark.column
        for _, child in parent.value:
            if isinstance(child, ScalarNode) or child.flow_style or not child.value:
                continue
            if isinstance(child, MappingNode):
                mappings[child.value[0][0].start_mark.column - column] += 1
            elif child.start_mark.line == (item := child.value[0]).start_mark.line:
                lists[item.start_mark.column - column, child.start_mark.column - column] += 1
    # An alias has the position of its anchor, which may be anywhere.
    mapping = next((width for width, _ in mappings.most_common() if width > 0), 2)
    sequence, dash = next((widths for widths, _ in lists.most_common() if widths[0] - 1 > widths[1] >= 0), (2, 0))
    return Indent(mapping, sequence, dash)


def all_nodes(root: Node) -> Iterator[Node]:
    """Yield the nodes of a document in their order, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, MappingNode):
            waiting += (value for _, value in reversed(node.value))


def lines_inside_scalars(text: str) -> set[int]:
    """Return the numbers of the lines that belong to a scalar of several lines, except its first."""
    lines = text.split("\n")
    inside: set[int] = set()
    for root in (document.root for document in parse_documents(Source("", text))):
        for scalar in all_nodes(root):
            if isinstance(scalar, ScalarNode):
                inside.update(range(scalar.start_mark.line + 1, last_line_of(scalar, lines) + 1))
    return inside


def last_line_of(node: Node, lines: list[str]) -> int:
    """Return the number of the last line of a node in a text of these lines."""
    if isinstance(node, ScalarNode):
        return _last_line_of_scalar(node, lines)
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    if isinstance(node, MappingNode):
        key, value = node.value[-1]
        return last_line_of_member(key, value, lines)
    return last_line_of(node.value[-1], lines)


def last_line_of_member(key: Node, value: Node, lines: list[str]) -> int:
    """Return the number of the last line of a member of a mapping in a text of these lines."""
    is_alias = value.start_mark.index < key.end_mark.index
    # The position of an absent value is behind the comments that follow.
    is_absent = isinstance(value, ScalarNode) and not value.value and value.style is None
    return int(key.end_mark.line) if is_alias or is_absent else last_line_of(value, lines)


def _last_line_of_scalar(node: ScalarNode, lines: list[str]) -> int:
    first, last = int(node.start_mark.line), int(node.end_mark.line)
    if node.style in {"|", ">"} and first != last:
        # Its end is where the next token begins; without `+` the blank lines before that are not its own.
        last -= 1
        while "+" not in lines[first].partition("#")[0] and not lines[last]:
            last -= 1
    return last


class _TextResolver(VersionedResolver):
    """Takes all plain scalars for text, so that each is written as it was read: `yes`, `0644`, `~`."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Tag:
        if kind is ScalarNode and implicit[0] and value != "<<":
            return Tag(suffix="tag:yaml.org,2002:str")
        tag: Tag = super().resolve(kind, value, implicit)
        return tag


def yaml_writer(indent: Indent) -> YAML:
    """Return a reader and writer that keeps quotes and comments, and wraps no lines."""
    yaml = YAML()
    yaml.Resolver = _TextResolver
    yaml.preserve_quotes = True
    yaml.width = sys.maxsize
    yaml.indent(mapping=indent.mapping, sequence=indent.sequence, offset=indent.dash)
    return yaml


def marked_copy(value: Any, mark: str, here: str = "") -> Any:
    """Return a copy of JSON for the writer, with a mark in each line that it makes; `here` is for the first.

    A copy, because one value may stand in several places, and YAML would show that as an alias.
    """
    if isinstance(value, dict):
        return {marked_text(key, mark): marked_copy(member, mark) for key, member in value.items()}
    if isinstance(value, list):
        return [marked_copy(item, mark, mark) for item in value]
    return marked_text(value, here) if isinstance(value, str) else json.dumps(value) + here


def marked_text(text: str, mark: str) -> Any:
    """Return a text for the writer, quoted if kubectl, which reads YAML 1.1, would read it as something else."""
    if not text.isprintable():
        return DoubleQuotedScalarString(text + mark)
    # ruamel.yaml checks the last two conditions itself, but would see the mark instead of the end of the text.
    if not isinstance(resolve(text), str) or _OTHER_IN_YAML_1_1.fullmatch(text) or text[-1] in " :" or text in "-?":
        return SingleQuotedScalarString(text + mark)
    return text + mark
