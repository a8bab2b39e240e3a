"""Two texts, line by line side by side."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from dind_webhook.playground.schema import DiffLine, DiffRow

# The matcher takes time with the square of the lines; people would wait for more.
_MAX_LINES = 20_000


def side_by_side(before: str, after: str) -> list[DiffRow]:
    """Return the rows of two texts, or no rows if the texts are too long to compare."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > _MAX_LINES:
        return []
    return list(_rows(old, new))


def _rows(old: list[str], new: list[str]) -> Iterator[DiffRow]:
    for tag, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        pairs = zip_longest(range(old_start, old_end), range(new_start, new_end))
        for left, right in pairs:
            yield DiffRow(before=_line(old, left), after=_line(new, right), same=tag == "equal")


def _line(lines: list[str], index: int | None) -> DiffLine | None:
    return None if index is None else DiffLine(number=index + 1, text=lines[index])
