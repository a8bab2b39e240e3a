"""Manifests as people write them: read, patched and written back with their comments and order."""

import copy
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonpatch
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from app.errors import ManifestError
from app.model import JsonObject, Operation, pod_templates

# yaml.org/type: bool, and the forms of int, float and timestamp that YAML 1.2 dropped
_OTHER_IN_YAML_1_1 = re.compile(
    r"y|n|yes|no|on|off|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?[0-9][0-9_.]*"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?",
    re.IGNORECASE,
)


class Template(NamedTuple):
    """A pod or pod template in a document.

    `name` is what kubectl would call its object; `pod` is plain JSON to decide on; `target` is the
    place in the document to patch, which `pointer` leads to from `owner`.
    """

    name: str
    owner: JsonObject
    pointer: str
    target: JsonObject
    pod: JsonObject


class Manifest:
    """One file: its YAML documents, kept as they were written."""

    def __init__(self, text: str, source: str) -> None:
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = sys.maxsize
        self._yaml.indent(**_indentation(text))
        self._yaml.explicit_start = text.startswith("---") or None
        try:
            self.documents: list[Any] = [_unshare(document, set()) for document in self._yaml.load_all(text)]
        except YAMLError as error:
            raise ManifestError(f"{source}: is not YAML: {error}") from None
        except RecursionError:
            raise ManifestError(f"{source}: is nested too deeply") from None
        if not any(isinstance(document, dict) for document in self.documents):
            raise ManifestError(f"{source}: holds no Kubernetes object")

    def templates(self) -> Iterator[Template]:
        """Yield each pod and pod template of the file."""
        for document in self.documents:
            for owner, pointer, target in pod_templates(document):
                yield Template(_name(owner), owner, pointer, target, _plain(target))

    def dump(self, node: Any = None) -> str:
        """Return a node as YAML, the whole file where there is none."""
        out = io.StringIO()
        if node is None:
            self._yaml.dump_all(self.documents, out)
        else:
            self._yaml.dump(node, out)
        return out.getvalue()


def read_manifest(filename: str) -> Manifest:
    """Return the manifest in a file, or on standard input for `-`; ManifestError where there is none."""
    source = "standard input" if filename == "-" else filename
    try:
        text = sys.stdin.read() if filename == "-" else Path(filename).read_text("utf-8")
    except OSError as error:
        raise ManifestError(f"{source}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{source}: is not UTF-8: {error.reason} at byte {error.start}") from None
    return Manifest(text, source)


def apply(target: JsonObject, operations: tuple[Operation, ...]) -> None:
    """Apply operations to a node of a document, in place."""
    jsonpatch.JsonPatch([{**operation, "value": _writable(operation["value"])} for operation in operations]).apply(
        target, in_place=True
    )


def _writable(value: Any) -> Any:
    """Return a copy of a value, fit for YAML.

    A copy, because one value may stand in several places, and YAML would show that as an alias.
    Quoted, where kubectl, which reads YAML 1.1, would take a text for something else.
    """
    if isinstance(value, dict):
        return {key: _writable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return SingleQuotedScalarString(value) if isinstance(value, str) and _OTHER_IN_YAML_1_1.fullmatch(value) else value


def _name(owner: JsonObject) -> str:
    metadata = owner.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or f"{metadata.get('generateName') or '?'}"
    return f"{str(owner.get('kind')).lower()}/{name}"


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if node is None or isinstance(node, bool):
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)  # a date: JSON has text for it


def _unshare(node: Any, seen: set[int]) -> Any:
    """Return a node in which no part stands twice.

    An alias or a merge key makes two places one; a patch of the one would change the other too.
    """
    if isinstance(node, CommentedMap):
        if node.merge:
            flat = CommentedMap((key, value) for key, value in node.items())
            node = flat
        for key in node:
            node[key] = _unshare_part(node[key], seen)
    elif isinstance(node, CommentedSeq):
        for index, item in enumerate(node):
            node[index] = _unshare_part(item, seen)
    return node


def _unshare_part(part: Any, seen: set[int]) -> Any:
    if not isinstance(part, CommentedMap | CommentedSeq):
        return part
    if id(part) in seen:
        part = copy.deepcopy(part)
    seen.add(id(part))
    return _unshare(part, seen)


def _indentation(text: str) -> dict[str, int]:
    """Return how the text indents the items of a list under a key: as kubectl prints, or by two more."""
    match = re.search(r"^( *)(?:- )?[^\s#-][^\n]*:[ ]*\n(?:[ ]*(?:#[^\n]*)?\n)*( *)- ", text, re.MULTILINE)
    if match and len(match[2]) - len(match[1]) == 2:
        return {"mapping": 2, "sequence": 4, "offset": 2}
    return {"mapping": 2, "sequence": 2, "offset": 0}
