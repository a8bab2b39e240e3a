"""Removes list items and members of mappings from YAML text, with the lines and the comments that belong to them."""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from dind_webhook.manifests.source import Source, parse_documents
from dind_webhook.manifests.yaml_writer import last_line_of, last_line_of_member, lines_inside_scalars

# The remaining members of collections, by the identities of the nodes that lead to each
_Views: TypeAlias = dict[tuple[int, ...], list[Any]]


class _Span(NamedTuple):
    """The first and the last line of a removed part, and its column: that of the key, or of the dash of an item."""

    first: int
    last: int
    column: int


def remove_lines(text: str, places: list[list[str]]) -> str:
    """Return a text of one document in block style without the parts at these places, one after the other.

    Raise LookupError or ManifestError if a part does not have lines of its own, as within brackets or behind an alias.
    """
    (document,) = parse_documents(Source("", text))
    lines = text.split("\n")
    views: _Views = {}
    # As a set: a part that an alias repeats is named at each place, and has lines at one.
    spans = {_take(document.root, place, lines, views) for place in places}
    inside = lines_inside_scalars(text)
    removed = {number for span in spans for number in _lines_of(span, lines, inside)}
    removed |= _double_blanks(lines, removed, inside)
    return "\n".join(line for number, line in enumerate(lines) if number not in removed)


def _take(root: Node, place: list[str], lines: list[str], views: _Views) -> _Span:
    """Return the lines of the part at a place, and remove it from the views, so that later places count without it.

    If the part shares its first line with the dash of an item, the next member of the item gets the dash.
    """
    *parents, last = place
    node = root
    chain: tuple[int, ...] = (id(root),)
    for token in parents:
        node = _child(node, _view(node, chain, views), token)
        chain = (*chain, id(node))
    members = _view(node, chain, views)
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style:
        raise LookupError(f"{last} is in brackets")
    if isinstance(node, SequenceNode):
        return _span_of_item(members.pop(int(last)), lines)
    for index, (key, value) in enumerate(members):
        if key.value == last:
            del members[index]
            following = members[index][0].start_mark.line if index < len(members) else None
            return _span_of_member(key, value, lines, following)
    raise LookupError(last)


def _view(node: Node, chain: tuple[int, ...], views: _Views) -> list[Any]:
    return views.setdefault(chain, list(node.value) if isinstance(node, MappingNode | SequenceNode) else [])


def _child(node: Node, members: list[Any], token: str) -> Node:
    if isinstance(node, SequenceNode):
        item: Node = members[int(token)]
        return item
    found: Node | None = next((value for key, value in members if key.value == token), None)
    if found is None:
        raise LookupError(token)
    return found


def _span_of_item(item: Node, lines: list[str]) -> _Span:
    first = item.start_mark.line
    if not lines[first][: item.start_mark.column].strip():
        # A comment is between the dash and the item.
        first = next(number for number in range(first, -1, -1) if lines[number].lstrip().startswith("-"))
    column = len(lines[first]) - len(lines[first].lstrip())
    if not lines[first][column:].startswith("-"):
        raise LookupError("the item has no line of its own")
    return _Span(first, last_line_of(item, lines), column)


def _span_of_member(key: Node, value: Node, lines: list[str], following: int | None) -> _Span:
    first, column = key.start_mark.line, key.start_mark.column
    last = last_line_of_member(key, value, lines)
    if head := lines[first][:column].strip():
        if following is None:
            raise LookupError(f"{head} would have nothing after it")
        lines[following] = lines[first][:column] + lines[following][column:]
        for number in range(last + 1, following):
            # At the column of the dash, a comment cannot become a part of a block scalar above it.
            if _is_comment(lines[number]) and _indentation(lines[number]) <= column:
                lines[number] = " " * _indentation(lines[first]) + lines[number].lstrip()
    return _Span(first, last, column)


def _lines_of(span: _Span, lines: list[str], inside: set[int]) -> Iterator[int]:
    """Yield the lines of a part, of the comments directly above it, and of those below it that are deeper."""
    number = span.first - 1
    while number >= 0 and number not in inside and _is_comment(lines[number], span.column):
        yield number
        number -= 1
    yield from range(span.first, span.last + 1)
    number = span.last + 1
    while number < len(lines) and number not in inside and _is_comment(lines[number]):
        if _indentation(lines[number]) <= span.column:
            return
        yield number
        number += 1


def _double_blanks(lines: list[str], removed: set[int], inside: set[int]) -> set[int]:
    """Return the blank lines that would follow another blank line, or begin the text, because of a removal."""
    double: set[int] = set()
    for number in removed:
        below = number + 1
        if below in removed or below >= len(lines) - 1 or below in inside or lines[below].strip():
            continue
        above = number
        while above in removed:
            above -= 1
        if above < 0 or (above not in inside and not lines[above].strip()):
            double.add(below)
    return double


def _is_comment(line: str, column: int | None = None) -> bool:
    return line.lstrip().startswith("#") and (column is None or _indentation(line) == column)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
