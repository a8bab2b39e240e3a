"""Names of objects and containers, and the nearest known one to a misspelt one."""

import re
from collections.abc import Iterable
from itertools import islice

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MOST_COMPARED = 100
_LONGEST_COMPARED = 64
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_dns_label(text: str) -> bool:
    """Whether `text` is an RFC 1123 label: what names a container or a volume."""
    return _LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Whether `text` is an RFC 1123 subdomain: what names a StorageClass."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    from difflib import get_close_matches  # only a refusal needs it

    # Bounded: both words may be a stranger's, and as many and as long as a pod can hold.
    candidates = [name for name in islice(known, _MOST_COMPARED) if len(name) <= _LONGEST_COMPARED]
    found = get_close_matches(word[:_LONGEST_COMPARED].lower(), candidates, n=1, cutoff=0.6)
    return found[0] if found else None
