"""Writes JSON documents in the style of an existing text."""

import json
import re
from typing import Any

from dind_webhook.printable import printable_as_before

_JSON_INDENT = re.compile(r"\{\s*\n([ \t]+)")
_COMPACT_JSON = re.compile(r'\{"[^"\n]*":\S')


def is_json(body: str) -> bool:
    """Return whether the text of a document is a JSON object."""
    if not body.lstrip().startswith("{"):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def write_json(body: str, value: Any) -> str:
    """Return JSON with the indentation and the spaces that `body` has."""
    indented = _JSON_INDENT.match(body.lstrip())
    compact = _COMPACT_JSON.match(body.lstrip())
    text = json.dumps(
        value,
        ensure_ascii=body.isascii(),
        indent=indented[1] if indented else None,
        separators=(",", ":") if compact else (",", ": ") if indented else (", ", ": "),
    )
    return printable_as_before(text, body) + body[len(body.rstrip()) :]
