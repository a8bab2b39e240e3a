"""Patterns in which `*` stands for any text, also an empty one."""


def matches_wildcards(pattern: str, text: str) -> bool:
    """Return whether a pattern matches a whole text, in time linear in the length of the text for each `*`.

    For two patterns, return whether the first matches every text that the second matches: only a `*` matches a `*`.
    """
    first, *others = pattern.split("*")
    if not others:
        return pattern == text
    if not text.startswith(first):
        return False
    rest = text[len(first) :]
    for part in others[:-1]:
        index = rest.find(part)
        if index < 0:
            return False
        rest = rest[index + len(part) :]
    return rest.endswith(others[-1])
