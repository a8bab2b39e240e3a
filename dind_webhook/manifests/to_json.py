"""The JSON that kubectl would send for a document."""

import math
import re
from typing import Any

from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from dind_webhook.manifests.source import MAX_DEPTH, PLAIN, Source

# Aliases of aliases multiply. The text itself bounds all other nodes.
MAX_ALIASED_NODES = 100_000

# sigs.k8s.io/yaml, the library of kubectl, reads plain text so (goyaml.v2, resolve.go)
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
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
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(source: Source, root: Node) -> Any:
    """Return a node as JSON, no part of it shared; ManifestError if kubectl would refuse it."""
    return _Converter(source).convert(root, 0)


def resolve(text: str) -> Any:
    """Return the value of plain text: null, boolean, finite number, or the text itself."""
    if text in NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    digits = text.replace("_", "") if text[0] in "-+.0123456789" else ""
    if match := _INTEGER.fullmatch(digits):
        sign, *numbers = match.groups()
        return next(int(sign + number, base) for number, base in zip(numbers, _BASES, strict=True) if number)
    if _FLOAT.fullmatch(digits) and math.isfinite(number := float(digits)):
        return number
    # Such as 1E400, which goyaml leaves text because it is out of range
    return text


class _Converter:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[int] = set()
        self._aliased = 0

    def convert(self, node: Node, depth: int) -> Any:
        if id(node) in self._seen:
            self._aliased += 1
        self._seen.add(id(node))
        if depth > MAX_DEPTH or self._aliased > MAX_ALIASED_NODES:
            raise self._error(node, "its aliases multiply beyond what fits a Kubernetes object")
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if isinstance(node, SequenceNode):
            return [self.convert(item, depth + 1) for item in node.value]
        return self._object(node, depth)

    def _object(self, node: Node, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if _is_merge(key):
                merged = {**self._merged(value, depth), **merged}
                continue
            name = _key(key)
            if name is None:
                raise self._error(key, "a key must be text")
            if name in own:
                raise self._error(key, f'duplicate key "{name}"')
            own[name] = self.convert(value, depth + 1)
        return {**merged, **own}

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        value = self.convert(node, depth + 1)
        members: dict[str, Any] = {}
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, dict):
                raise self._error(node, "the merge key << needs a mapping, or a list of them")
            members = {**part, **members}
        return members

    def _error(self, node: Node, problem: str) -> Exception:
        return self._source.error(node.start_mark.index, problem)


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.ctag == PLAIN and key.value == "<<"


def _key(key: Node) -> str | None:
    """Return a key as JSON has it, or None if JSON has no such key."""
    value = _scalar(key) if isinstance(key, ScalarNode) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _scalar(node: ScalarNode) -> Any:
    if node.ctag == PLAIN or str(node.ctag) in _TYPED:
        return resolve(node.value)
    if _SURROGATE.search(node.value):
        # JSON escapes a character beyond 16 bits as two halves.
        return node.value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return node.value
