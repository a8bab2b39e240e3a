"""One file: its documents, the pod templates in them, and its text after changes."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jsonpatch

from dind_webhook.errors import EmptyManifestError, ManifestError, NoObjectError
from dind_webhook.injection import MisplacedKey, misplaced_keys
from dind_webhook.manifests.json_writer import is_json
from dind_webhook.manifests.objects import (
    OtherObject,
    UnknownObject,
    display_name,
    namespace_in_metadata,
    other_objects,
    unknown_objects,
)
from dind_webhook.manifests.rewrite import Rewritten, rewrite
from dind_webhook.manifests.source import Document, Source, parse_documents
from dind_webhook.manifests.to_json import to_json
from dind_webhook.manifests.yaml_writer import dump_documents
from dind_webhook.model import JsonObject, Operation, list_objects, pod_templates, pointer, prefix_paths

_BYTE_ORDER_MARK = "\ufeff"


class ManifestPod(NamedTuple):
    """A pod or pod template in a file.

    `name` is what kubectl would call its object, `namespace` the one that the object or the user names, or empty;
    `pointer` leads from the object to the pod, which is JSON. `claim_names` is as in `PodTemplate`.
    `misplaced` holds the annotations and labels that are on
    the object and belong on the template. `document` is the index of the document in the file, `place` the JSON pointer
    of the template in the document, and `owner` the object.
    """

    name: str
    namespace: str
    pointer: str
    pod: JsonObject
    claim_names: tuple[str, ...]
    misplaced: tuple[MisplacedKey, ...]
    document: int
    place: str
    owner: JsonObject


class Change(NamedTuple):
    """The text of a document before and after injection into the objects of these names.

    `lost_comments` are the comments of the file that both texts lack.
    """

    names: tuple[str, ...]
    before: str
    after: str
    lost_comments: tuple[str, ...]


@dataclass
class _Draft:
    document: Document
    data: Any
    names: list[str] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    rewritten: Rewritten | None = None


class Manifest:
    """One file: its text, its documents, and the operations to apply to each document.

    `namespace` is used for objects without one, as with `kubectl -n`; if it is given, names show namespaces.
    """

    def __init__(self, text: str, source: str, namespace: str = "") -> None:
        self.name = source
        self._namespace = namespace
        self._byte_order_mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
        self._source = Source(source, text.removeprefix(self._byte_order_mark))
        self._drafts = [
            _Draft(document, to_json(self._source, document.root)) for document in parse_documents(self._source)
        ]
        if not any(isinstance(draft.data, dict) for draft in self._drafts):
            kind = EmptyManifestError if all(draft.data is None for draft in self._drafts) else NoObjectError
            raise kind(f"{source}: contains no Kubernetes object")

    def templates(self) -> Iterator[ManifestPod]:
        """Yield each pod and pod template of the file."""
        for number, draft in enumerate(self._drafts):
            places = dict(_places(draft.data, ()))
            for template in pod_templates(draft.data):
                owner, pod_pointer, pod = template
                namespace = namespace_in_metadata(owner) or self._namespace
                name = f"{str(owner.get('kind')).lower()}/{display_name(owner)}"
                if self._namespace:
                    name += f" in namespace {namespace}"
                misplaced = misplaced_keys(template)
                place = pointer(*places[id(pod)])
                claims = template.claim_names()
                yield ManifestPod(name, namespace, pod_pointer, pod, claims, misplaced, number, place, owner)

    def unknown_objects(self) -> Iterator[UnknownObject]:
        """Yield the objects of kinds that may hold pods, but are not known."""
        for draft in self._drafts:
            yield from unknown_objects(draft.data)

    def other_objects(self) -> Iterator[OtherObject]:
        """Yield the objects in which no pod template is found."""
        for draft in self._drafts:
            yield from other_objects(draft.data)

    def objects(self) -> Iterator[JsonObject]:
        """Yield each object with what was injected, those in Lists too."""
        for draft in self._drafts:
            yield from list_objects(jsonpatch.apply_patch(draft.data, draft.operations))

    def inject(self, template: ManifestPod, operations: Iterable[Operation]) -> None:
        """Note that these operations are to be applied to a template of this file."""
        draft = self._drafts[template.document]
        draft.names.append(template.name)
        draft.rewritten = None
        draft.operations += prefix_paths(template.place, operations)

    @property
    def text(self) -> str:
        """The file with all that was injected; a document without additions is as it was read."""
        return self._byte_order_mark + "".join(self._rewrite(draft).after for draft in self._drafts)

    @property
    def text_before(self) -> str:
        """The file as `text` has it, but without what was injected."""
        return self._byte_order_mark + "".join(self._rewrite(draft).before for draft in self._drafts)

    def changes(self) -> Iterator[Change]:
        """Yield the documents that something was injected into."""
        for draft in self._drafts:
            if draft.operations:
                yield Change(tuple(draft.names), *self._rewrite(draft))

    @property
    def is_json(self) -> bool:
        """Return whether the file is JSON."""
        return is_json(self._source.text)

    def to_yaml(self) -> str:
        """Return the file with all that was injected as YAML: `text`, or JSON converted."""
        return dump_documents(self.objects()) if self.is_json else self.text

    @property
    def separator(self) -> str:
        """The separator to write before this file when files are concatenated."""
        first = self._drafts[0].document
        if not first.explicit:
            return "---\n"
        has_directives = re.search(r"^%", self._source.text[: first.body], re.MULTILINE)
        return "...\n" if has_directives else ""

    def _read(self, draft: _Draft) -> str:
        return self._source.text[draft.document.start : draft.document.end]

    def _rewrite(self, draft: _Draft) -> Rewritten:
        """Return the text of a document as it is written again, without the additions and with them."""
        text, document = self._source.text, draft.document
        if not draft.operations:
            return Rewritten(self._read(draft), self._read(draft))
        if draft.rewritten is None:
            body = text[document.body : document.tail].replace("\r\n", "\n")
            draft.rewritten = rewrite(body, document.root, draft.data, draft.operations)
        before, after, lost_comments = draft.rewritten
        return Rewritten(self._frame(document, before), self._frame(document, after), lost_comments)

    def _frame(self, document: Document, body: str) -> str:
        """Return a document with its markers, which are not written again, and the line ends of the file."""
        text = self._source.text
        head = text[document.start : document.body]
        if head and not head.endswith("\n"):
            head += "\n"
        if "\r\n" in text:
            body = body.replace("\n", "\r\n")
        return head + body + text[document.tail : document.end]


def read_manifest(filename: str, namespace: str = "") -> Manifest:
    """Return the manifest in a file, or on standard input for `-`; ManifestError if there is none."""
    source = "standard input" if filename == "-" else filename
    try:
        content = sys.stdin.buffer.read() if filename == "-" else Path(filename).read_bytes()
    except OSError as error:
        raise ManifestError(f"{source}: cannot be read: {error.strerror}") from None
    try:
        return Manifest(content.decode("utf-8"), source, namespace)
    except UnicodeDecodeError as error:
        readable = content[: error.start].decode("utf-8")
        raise Source(source, readable).error(len(readable), f"not UTF-8: {error.reason}") from None


def join(manifests: list[Manifest], *, as_yaml: bool = False) -> str:
    """Return one text with the documents of all files; `as_yaml` says whether files of JSON are converted."""
    parts: list[str] = []
    for manifest in manifests:
        text = manifest.to_yaml() if as_yaml else manifest.text
        if parts:
            newline = "" if parts[-1].endswith("\n") else "\n"
            parts.append(newline + manifest.separator)
            text = text.removeprefix(_BYTE_ORDER_MARK)
        parts.append(text)
    return "".join(parts)


def _places(node: Any, place: tuple[str | int, ...]) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Yield the id of each object in a document, and the keys and indices that lead to it."""
    if isinstance(node, dict):
        yield id(node), place
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in members:
        yield from _places(value, (*place, key))
