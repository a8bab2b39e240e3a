"""Figures of several rounds: what was measured within seconds of each other is compared, round by round."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

# Figures by name, by round, by server
Cell: TypeAlias = Mapping[str, Sequence[Mapping[str, float]]]


class Limit(NamedTuple):
    """A limit, with the figure that it was held against."""

    text: str
    met: bool


class Spread(NamedTuple):
    """A figure of all rounds: the median, and the least and largest of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, found: Sequence[float]) -> "Spread":
        return cls(statistics.median(found), min(found), max(found))

    def times(self, factor: float) -> "Spread":
        """Return the same in another unit."""
        return Spread(*(value * factor for value in self))

    def show(self, decimals: int, unit: str = "") -> str:
        """Return the text for a page."""
        median, least, most = (_text(value, decimals) for value in self)
        return f"{median}{unit} ({least} to {most})"


def ratio(cell: Cell, figure: str, above: str, below: str) -> Spread:
    """Return the ratio of two figures, round by round."""
    return Spread.of([one[figure] / other[figure] for one, other in zip(cell[above], cell[below], strict=True)])


def added(cell: Cell, figure: str, name: str, base: str) -> list[float]:
    """Return what a figure is above that of the base, round by round."""
    return [one[figure] - other[figure] for one, other in zip(cell[name], cell[base], strict=True)]


def ratio_of_added(cell: Cell, figure: str, names: tuple[str, str], base: str) -> Spread:
    """Return how often what the first adds to the base is what the second adds: inf where that adds nothing."""
    pairs = zip(*(added(cell, figure, name, base) for name in names), strict=True)
    return Spread.of([above / below if below > 0 else math.inf for above, below in pairs])


def _text(value: float, decimals: int) -> str:
    if math.isinf(value):
        return "∞"
    # Of what is rounded to nothing, no sign is left.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"
