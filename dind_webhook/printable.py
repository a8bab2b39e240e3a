"""Escapes text from pods and clusters before a terminal, a log or a message shows it.

A terminal obeys control characters, and bidirectional overrides change the order in which text is read.
"""

import json

import orjson


def printable(text: str) -> str:
    r"""Return the text with each unprintable character, line ends included, escaped as `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def printable_lines(text: str) -> str:
    """Return the text with each unprintable character escaped; tabs and line ends stay."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(char if char in "\n\t" else printable(char) for char in text)


def printable_json(document: bytes, indent: int | None = None) -> bytes:
    r"""Return a JSON document with each unprintable character as a JSON escape, such as `\u202e`."""
    # JSON itself escapes the control characters of ASCII, except DEL.
    if document.isascii() and b"\x7f" not in document:
        return document
    if document.decode(errors="replace").replace("\n", "").isprintable():
        return document
    return json.dumps(orjson.loads(document), indent=indent).replace("\x7f", "\\u007f").encode()


def printable_as_before(text: str, before: str) -> str:
    r"""Return the text with each unprintable character escaped as `\u202e`, except line ends and those in `before`."""
    unprintable = {char for char in set(text) - set(before) if not char.isprintable()} - {"\n"}
    return text.translate({ord(char): ascii(char)[1:-1] for char in unprintable})
