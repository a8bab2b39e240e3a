"""Two texts side by side."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from app.playground.schema import FrozenModel

# Beyond it the matcher, whose time grows with the square of the lines, would keep people waiting.
_MOST_LINES = 20_000


class Line(FrozenModel):
    """A line of a text and its number, which counts from 1."""

    number: int
    text: str


class Row(FrozenModel):
    """What stands side by side: the line before and after, None on the side that has nothing there."""

    before: Line | None
    after: Line | None
    same: bool


def side_by_side(before: str, after: str) -> list[Row]:
    """Return the rows of two texts."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > _MOST_LINES:
        return []
    return list(_rows(old, new))


def _rows(old: list[str], new: list[str]) -> Iterator[Row]:
    for tag, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        pairs = zip_longest(range(old_start, old_end), range(new_start, new_end))
        for left, right in pairs:
            yield Row(before=_line(old, left), after=_line(new, right), same=tag == "equal")


def _line(lines: list[str], index: int | None) -> Line | None:
    return None if index is None else Line(number=index + 1, text=lines[index])
