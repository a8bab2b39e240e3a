"""Verdicts on limits: a limit is resolved only if the effect is at least as large as the noise.

The effect is the distance between the median and the limit. The noise is the distance between the median and that end of
its interval that is on the side of the limit. From six rounds on, the interval contains the true median with a
confidence of 95 %. With fewer rounds, it is the range of all rounds, and nothing is resolved.

| effect | median | verdict |
|---|---|---|
| smaller than the noise, or fewer than six rounds | any | not resolved |
| at least the noise | within the limit | yes |
| at least the noise | beyond the limit | no |
"""

import math
import statistics
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

# The fewest for which a sign test reaches this confidence
_MIN_ROUNDS = 6
_CONFIDENCE = 0.95


class Verdict(StrEnum):
    """Whether a limit is met, as the page shows it."""

    MET = "yes"
    MISSED = "**no**"
    UNRESOLVED = "not resolved"


class Estimate(NamedTuple):
    """The median of all rounds, and its interval."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, rounds: Sequence[float]) -> "Estimate":
        """Return the estimate, whose interval is bounded by two of the values in order (a sign test)."""
        ordered = sorted(rounds)
        dropped = _outside(len(ordered))
        return cls(statistics.median(ordered), ordered[dropped], ordered[-1 - dropped], len(ordered))

    def show(self, decimals: int, unit: str = "", factor: float = 1) -> str:
        """Return the text for the page, in a unit that is `factor` times smaller."""
        median, low, high = (_text(value * factor, decimals) for value in (self.median, self.low, self.high))
        return f"{median}{unit} ({low} to {high})"


class Limit(NamedTuple):
    """A limit that the project sets itself, the figure, and the verdict."""

    text: str
    figure: str
    verdict: Verdict


def check_limit(estimate: Estimate, limit: float, *, at_least: bool = False) -> Verdict:
    """Return the verdict on a figure that must be at most, or at least, the limit."""
    median, low, high, rounds = estimate
    # The noise is larger than the effect if the interval reaches across the limit.
    is_crossed = high > limit if median <= limit else low < limit
    if is_crossed or rounds < _MIN_ROUNDS:
        return Verdict.UNRESOLVED
    is_met = median >= limit if at_least else median <= limit
    return Verdict.MET if is_met else Verdict.MISSED


def count_limit(text: str, figure: str, *, is_met: bool) -> Limit:
    """Return a limit on a count, which has no noise."""
    return Limit(text, figure, Verdict.MET if is_met else Verdict.MISSED)


def _outside(count: int) -> int:
    """Return how many values at either end are outside of the interval."""
    tail, dropped = 1, 0
    while tail <= (1 - _CONFIDENCE) / 2 * 2**count:
        dropped += 1
        tail += math.comb(count, dropped)
    return max(0, dropped - 1)


def _text(value: float, decimals: int) -> str:
    if math.isinf(value):
        return "∞"
    # Adding zero removes the sign of what is rounded to zero.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"
