"""Versions of the API server."""


def parse_version(text: str) -> tuple[int, ...]:
    """Return the two numbers of the version of an API server, such as `1.37` or `1.37+`; text is 0."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")[:2])
