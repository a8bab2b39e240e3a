"""Guesses at misspelt words."""

from collections.abc import Iterable
from itertools import islice

_MAX_CANDIDATES = 100
_MAX_WORD_LENGTH = 64


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that resembles `word` most, or None if no known word is close."""
    from difflib import get_close_matches  # imported here: only a denial needs it

    # Bounded: a pod decides how many known words there are, and how long all words are.
    candidates = [name for name in islice(known, _MAX_CANDIDATES) if len(name) <= _MAX_WORD_LENGTH]
    matches = get_close_matches(word[:_MAX_WORD_LENGTH].lower(), candidates, n=1, cutoff=0.6)
    return matches[0] if matches else None
