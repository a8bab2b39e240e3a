"""The text of a file: its documents, as nodes of ruamel.yaml that know their lines, within bounds."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.docinfo import DocInfo
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from dind_webhook.errors import ManifestError

# Far beyond any manifest, and far below Python's limit for all that recurses over the result.
MAX_DEPTH = 100
# ruamel.yaml takes about four seconds to read a megabyte.
MAX_CHARACTERS = 32 * 2**20

# The tag of a scalar that is plain text and has no other tag
PLAIN = Tag(suffix="plain")


class Source(NamedTuple):
    """A text, and the name that messages give it."""

    name: str
    text: str

    def error(self, offset: int, problem: str) -> ManifestError:
        """Return the error that something is wrong at this place."""
        before = self.text[:offset]
        line, column = before.count("\n") + 1, offset - before.rfind("\n")
        return ManifestError(f"{self.name}: line {line}, column {column}: {problem}", line=line)


class Document(NamedTuple):
    """A document from `start` to `end`, with its markers; `body` to `tail` is the text between these."""

    root: Node
    start: int
    body: int
    tail: int
    end: int
    explicit: bool


def parse_documents(source: Source) -> list[Document]:
    """Return the documents of a text; ManifestError if it is not YAML, or exceeds a bound."""
    if len(source.text) > MAX_CHARACTERS:
        raise ManifestError(f"{source.name}: larger than {MAX_CHARACTERS // 2**20} MiB; split it into several files")
    parts = list(_parse(source))
    ends = [*(part.start for part in parts[1:]), len(source.text)]
    return [part._replace(tail=part.tail or end, end=end) for part, end in zip(parts, ends, strict=False)]


class _PlainScalarResolver(VersionedResolver):
    """Tags plain scalars, because kubectl resolves them differently from YAML 1.2 (see `to_json`)."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Tag:
        if kind is ScalarNode and implicit[0]:
            return PLAIN
        tag: Tag = super().resolve(kind, value, implicit)
        return tag


class _Composer(Composer):
    """Returns the events around a document with its root; the library drops them."""

    def compose_document(self) -> Any:
        self.anchors = {}
        return self.parser.get_event(), self.compose_node(None, None), self.parser.get_event()


def _parse(source: Source) -> Iterator[Document]:
    """Yield documents whose `end` is not known yet, nor `tail` if no marker ends them."""
    text = source.text
    start: int | None = 0
    for opened, root, closed in _compose(source):
        if start is None:
            start = opened.start_mark.index
        body = _after_marker(text, opened.end_mark.index) if opened.explicit else start
        yield Document(root, start, body, closed.start_mark.index if closed.explicit else 0, 0, bool(opened.explicit))
        # Directives may follow `...`; these belong to the next document.
        start = _next_line(text, closed.end_mark.index) if closed.explicit else None


def _compose(source: Source) -> Iterator[Any]:
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.Resolver, yaml.max_depth = _Composer, _PlainScalarResolver, MAX_DEPTH
    yaml.doc_infos.append(DocInfo())
    try:
        composer = yaml.get_constructor_parser(source.text)[0].composer
        composer.warn_double_anchors = False
        while composer.check_node():
            yield composer.get_node()
    except MaxDepthExceededError as error:
        raise source.error(error.problem_mark.index, f"nested more than {MAX_DEPTH} levels deep") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise source.error(mark.index if mark else 0, f"not YAML: {problem}") from None
    except ReaderError as error:
        raise source.error(error.position, f"not YAML: {error.reason}") from None
    except (AssertionError, OverflowError, ValueError, YAMLError) as error:
        # ruamel.yaml lets these through for a %YAML directive, or an escape out of range.
        raise ManifestError(f"{source.name}: not YAML: {' '.join(str(error).split())}") from None


def _after_marker(text: str, offset: int) -> int:
    following = _next_line(text, offset)
    rest = text[offset:following].strip()
    return following if not rest or rest.startswith("#") else offset


def _next_line(text: str, offset: int) -> int:
    newline = text.find("\n", offset)
    return len(text) if newline < 0 else newline + 1
