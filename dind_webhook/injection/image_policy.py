"""The operator's patterns for the images that pods may choose."""

import re
from collections.abc import Iterable
from functools import lru_cache

from dind_webhook.model import parse_image


def is_allowed_image(image: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns matches the image, as the pod writes it or in full.

    `*` stands for any characters except `/` and `@`. So `registry.example/*` matches neither a folder below nor
    `registry.example.attacker/x`, and `docker:29*` matches no digest: a digest alone decides which image is pulled.
    `docker:*-dind` also matches `docker.io/library/docker:29-dind`.
    """
    spellings = {image, parse_image(image).canonical}
    return any(
        _compile_pattern(spelling).fullmatch(name)
        for pattern in patterns
        for spelling in _expand_pattern(pattern)
        for name in spellings
    )


def _expand_pattern(pattern: str) -> tuple[str, ...]:
    if "/" not in pattern:
        return pattern, f"docker.io/library/{pattern}"
    return (pattern,)


@lru_cache(maxsize=256)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", "[^/@]*"))
