"""Rewrites a document with operations of a JSON patch: by ruamel.yaml's round trip, or as JSON if it is JSON.

The text before and the text after are written by the same writer, so only the results of the operations differ.
"""

import copy
import io
import json
from collections import Counter
from collections.abc import Iterable
from itertools import groupby, product
from typing import Any, NamedTuple

import jsonpatch
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.scalarstring import ScalarString

from dind_webhook.errors import ManifestError
from dind_webhook.manifests.json_writer import is_json, write_json
from dind_webhook.manifests.line_removal import remove_lines
from dind_webhook.manifests.source import Source, parse_documents
from dind_webhook.manifests.to_json import to_json
from dind_webhook.manifests.yaml_writer import (
    Indent,
    detect_indent,
    dump_yaml,
    lines_inside_scalars,
    marked_copy,
    marked_text,
    yaml_writer,
)
from dind_webhook.model import Operation
from dind_webhook.printable import printable_as_before

# ruamel.yaml's own errors are not all YAMLError: its emitter also runs into these.
_WRITER_ERRORS = (YAMLError, ManifestError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)


class Rewritten(NamedTuple):
    """A document as it is written before and after the operations, and the comments that both texts lack.

    A comment of a removed part is not lost: it goes with that part.
    """

    before: str
    after: str
    lost_comments: tuple[str, ...] = ()


def rewrite(body: str, root: Node, data: Any, operations: list[Operation]) -> Rewritten:
    """Return a document's text before and after these operations, each `add`, `replace` or `remove`.

    `body` is its text, `root` its nodes, and `data` its JSON.
    """
    wanted = jsonpatch.apply_patch(data, operations)
    if is_json(body):
        return Rewritten(write_json(body, data), write_json(body, wanted))
    indent = detect_indent(root)
    only_adds = all(operation["op"] == "add" for operation in operations)
    # An addition to an aliased part would appear at every alias. Some documents must end with a newline; for others, a
    # newline changes the last scalar. So all four variants are tried.
    for text, unshare in product((body.removesuffix("\n") + "\n", body), (False, True)):
        try:
            rewritten = _round_trip(text, operations, indent, unshare=unshare)
            # The text after removals says nothing about the parts that they removed.
            is_right = _holds(rewritten.after, wanted) and (only_adds or _holds(rewritten.before, data))
        except _WRITER_ERRORS:
            continue
        if is_right:
            lost = Counter(_lost_comments(body, rewritten.after)) - Counter(rewritten.lost_comments)
            return rewritten._replace(lost_comments=tuple(lost.elements()))
    return Rewritten(dump_yaml(data, indent), dump_yaml(wanted, indent), tuple(_comments(body)))


def _lost_comments(before: str, after: str) -> tuple[str, ...]:
    # Most documents have none: to look for `#` is a hundred times as fast as to scan both texts.
    if "#" not in before:
        return ()
    return tuple((Counter(_comments(before)) - Counter(_comments(after))).elements())


def _comments(text: str) -> list[str]:
    """Return the comments of a YAML text that the writer can read, each with its `#`."""
    tokens: dict[int, Any] = {}
    try:
        for token in YAML().scan(text):
            _collect_comments(token.comment, tokens)
    except YAMLError:
        return []
    lines = (line.strip() for token in tokens.values() for line in token.value.splitlines())
    return [line for line in lines if line.startswith("#")]


def _collect_comments(comment: Any, found: dict[int, Any]) -> None:
    """Add the comment tokens in ruamel.yaml's nested lists, each once."""
    if isinstance(comment, list | tuple):
        for part in comment:
            _collect_comments(part, found)
    elif comment is not None:
        found[id(comment)] = comment


def _round_trip(body: str, operations: Iterable[Operation], indent: Indent, *, unshare: bool) -> Rewritten:
    """Return the texts, and as lost comments those of the removed parts."""
    yaml = yaml_writer(indent)
    tree = yaml.load(body)
    _prepare(tree, set())
    if unshare:
        tree = _unshare(tree, set())
    runs = [(removes, list(run)) for removes, run in groupby(operations, lambda operation: operation["op"] == "remove")]
    for operation in (operation for _, run in runs for operation in run):
        _open_brackets(tree, _tokens(operation))
    before = _dump(yaml, tree)
    after = before
    removed_comments: list[str] = []
    for number, (removes, run) in enumerate(runs):
        if removes:
            shorter = remove_lines(after, [_tokens(operation) for operation in run])
            removed_comments += _lost_comments(after, shorter)
            after = shorter
        else:
            after = _add_all(yaml, yaml.load(after) if number else tree, run, body)
    before_text, after_text = (printable_as_before(text, body) for text in (before, after))
    return Rewritten(before_text, after_text, tuple(removed_comments))


def _dump(yaml: YAML, tree: Any) -> str:
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def _tokens(operation: Operation) -> list[str]:
    return list(jsonpatch.JsonPointer(operation["path"]).parts)


def _add_all(yaml: YAML, tree: Any, operations: Iterable[Operation], body: str) -> str:
    """Return the text of a tree after these operations, each `add` or `replace`."""
    _prepare(tree, set())
    # A character of private use, which is printable for YAML, marks the lines that are added.
    mark = next(char for char in map(chr, range(0xE000, 0xF900)) if char not in body)
    for operation in operations:
        _set(tree, operation, mark)
    return _settle_comments(_dump(yaml, tree), mark)


def _prepare(node: Any, seen: set[int]) -> None:
    """Make the writer keep anchors without an alias, and empty values in flow style (null)."""
    if not isinstance(node, CommentedMap | CommentedSeq) or id(node) in seen:
        return
    seen.add(id(node))
    node.anchor.always_dump = True
    for key, value in node.items() if isinstance(node, CommentedMap) else enumerate(node):
        if node.fa.flow_style() and type(value) is str and not value:
            node[key] = "null"
        _prepare(value, seen)


def _open_brackets(tree: Any, place: list[str]) -> None:
    """Give block style to the collections that lead to a place: lines can be added to these."""
    node = tree
    for token in place:
        if not isinstance(node, CommentedMap | CommentedSeq):
            return
        if node:
            node.fa.set_block_style()
        node = _child(node, token)


def _child(node: Any, token: str) -> Any:
    if isinstance(node, list):
        return node[int(token)] if token.isdecimal() and int(token) < len(node) else None
    return node.get(token)


def _set(tree: Any, operation: Operation, mark: str) -> None:
    """Add or replace the value at the place of an operation."""
    value = operation["value"]
    *parents, last = _tokens(operation)
    node = tree
    for token in parents:
        node = node[int(token)] if isinstance(node, list) else node[token]
    node.fa.set_block_style()
    if isinstance(node, list) and operation["op"] == "replace":
        node[int(last)] = marked_copy(value, mark)
    elif isinstance(node, list):
        node.insert(len(node) if last == "-" else int(last), marked_copy(value, mark, mark))
    elif last in node:
        node[last] = marked_copy(value, mark)
    else:
        node[marked_text(last, mark)] = marked_copy(value, mark)


def _settle_comments(marked: str, mark: str) -> str:
    """Return a text without marks, in which comments and blank lines stay above the same line.

    ruamel.yaml attaches them to the node before them, so additions would come below them.
    """
    inside = lines_inside_scalars(marked)
    lines: list[str] = []
    waiting: list[str] = []
    for number, line in enumerate(marked.splitlines(keepends=True)):
        if mark in line:
            lines.append(line.replace(mark, ""))
        elif number not in inside and line.strip(" \n").partition("#")[0] == "":
            waiting.append(line)
        else:
            lines += [*waiting, line]
            waiting = []
    return "".join(lines + waiting)


def _holds(text: str, wanted: Any) -> bool:
    source = Source("", text)
    found = [to_json(source, document.root) for document in parse_documents(source)]
    # As text, in which 1 is neither true nor 1.0.
    return json.dumps(found, sort_keys=True) == json.dumps([wanted], sort_keys=True)


def _unshare(node: Any, seen: set[int]) -> Any:
    """Return a node in which no part is used twice, and no part has an anchor."""
    if isinstance(node, CommentedMap):
        if node.merge:
            node = CommentedMap((key, value) for key, value in node.items())
        for key in node:
            node[key] = _unshare_part(node[key], seen)
    elif isinstance(node, CommentedSeq):
        for index, item in enumerate(node):
            node[index] = _unshare_part(item, seen)
    return node


def _unshare_part(part: Any, seen: set[int]) -> Any:
    if isinstance(part, ScalarString):
        part.anchor.value = None
    if not isinstance(part, CommentedBase):
        return part
    if id(part) in seen:
        part = copy.deepcopy(part)
    seen.add(id(part))
    part.yaml_set_anchor(None)
    return _unshare(part, seen)
