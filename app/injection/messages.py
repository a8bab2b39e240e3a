"""Sentences for people, cut to what reaches them: what they quote is the author's, and of any length."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from app.printable import printable

_Item = TypeVar("_Item")

# The API server passes on longer warnings only in part.
LONGEST_WARNING = 120
_LONGEST_QUOTE = 64
_FEW = 5
# An event's message ends at 1024 characters, and what creates a pod puts a hundred of its own in front.
LONGEST_LIST = 800


def quote(text: str) -> str:
    """Return a text in quotes, its end left out where it is long."""
    mark = "'" if '"' in text else '"'
    return mark + brief(text) + mark


def brief(text: str) -> str:
    """Return a text, its end left out where it is long, without characters that a terminal would obey."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
    return printable(shown)


def first_few(items: Sequence[_Item], describe: Callable[[_Item], str], separator: str = "; ") -> str:
    """Return the first items as text, as many as an event has room for, and the number of the others."""
    shown: list[str] = []
    room = LONGEST_LIST
    for item in items[:_FEW]:
        # An item may be as long as a request.
        text = describe(item)[:LONGEST_LIST]
        room -= len(text) + len(separator)
        if shown and room < 0:
            break
        shown.append(text)
    if len(items) > len(shown):
        shown.append(f"and {len(items) - len(shown)} more")
    return separator.join(shown)


def naming(text: str, names: Sequence[str]) -> str:
    """Return a warning that ends in a list of names."""
    return shorten(f"{text}: {first_few(names, str, ', ')}")


def shorten(text: str) -> str:
    """Return a warning cut to the length that is passed on whole."""
    return text if len(text) <= LONGEST_WARNING else text[: LONGEST_WARNING - 1] + "…"
