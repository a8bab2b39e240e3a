"""Text of others, such as pods and clusters, before it is shown in a terminal, a log or a message.

A terminal obeys control characters, and bidirectional overrides change the order in which text is read.
"""

import json

import orjson


def printable(text: str) -> str:
    r"""Return a text in which what is not printable is escaped, such as `\x1b` and `\u202e`, line ends included."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def printable_lines(text: str) -> str:
    """Return a text of several lines, each printable; tabs and line ends stay."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(char if char in "\n\t" else printable(char) for char in text)


def printable_json(document: bytes, indent: int | None = None) -> bytes:
    r"""Return a JSON document in which what is not printable is escaped as JSON has it, such as `\u202e`."""
    # JSON escapes the control characters of ASCII by itself, but for DEL.
    if document.isascii() and b"\x7f" not in document:
        return document
    if document.decode(errors="replace").replace("\n", "").isprintable():
        return document
    return json.dumps(orjson.loads(document), indent=indent).replace("\x7f", "\\u007f").encode()
