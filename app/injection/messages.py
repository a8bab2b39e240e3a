"""Sentences for people, cut to what reaches them: what they quote is the author's, and of any length."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from app.printable import printable

_Item = TypeVar("_Item")

# The API server passes on longer warnings only in part.
MAX_WARNING_LENGTH = 120
_MAX_QUOTE_LENGTH = 64
_MAX_LISTED_ITEMS = 5
# An event's message ends at 1024 characters, and what creates a pod puts a hundred of its own in front.
MAX_LIST_LENGTH = 800


def quote(text: str) -> str:
    """Return a text in quotes, its end left out where it is long."""
    mark = "'" if '"' in text else '"'
    return mark + abbreviate(text) + mark


def abbreviate(text: str) -> str:
    """Return a text, its end left out where it is long, without characters that a terminal would obey."""
    shown = text if len(text) <= _MAX_QUOTE_LENGTH else text[: _MAX_QUOTE_LENGTH - 3] + "..."
    return printable(shown)


def join_first(items: Sequence[_Item], describe: Callable[[_Item], str], separator: str = "; ") -> str:
    """Return the first items as text, as many as an event has room for, and the number of the others."""
    shown: list[str] = []
    remaining = MAX_LIST_LENGTH
    for item in items[:_MAX_LISTED_ITEMS]:
        # An item may be as long as a request.
        text = describe(item)[:MAX_LIST_LENGTH]
        remaining -= len(text) + len(separator)
        if shown and remaining < 0:
            break
        shown.append(text)
    if len(items) > len(shown):
        shown.append(f"and {len(items) - len(shown)} more")
    return separator.join(shown)


def warn_of_names(text: str, names: Sequence[str]) -> str:
    """Return a warning that ends in a list of names."""
    return truncate_warning(f"{text}: {join_first(names, str, ', ')}")


def truncate_warning(text: str) -> str:
    """Return a warning cut to the length that is passed on whole."""
    return text if len(text) <= MAX_WARNING_LENGTH else text[: MAX_WARNING_LENGTH - 1] + "…"
