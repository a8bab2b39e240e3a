"""The known word that a misspelt one was probably meant to be."""

from collections.abc import Iterable
from itertools import islice

_MAX_CANDIDATES = 100
_MAX_WORD_LENGTH = 64


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    from difflib import get_close_matches  # only a refusal needs it

    # Bounded: both words may be a stranger's, and as many and as long as a pod can hold.
    candidates = [name for name in islice(known, _MAX_CANDIDATES) if len(name) <= _MAX_WORD_LENGTH]
    found = get_close_matches(word[:_MAX_WORD_LENGTH].lower(), candidates, n=1, cutoff=0.6)
    return found[0] if found else None
