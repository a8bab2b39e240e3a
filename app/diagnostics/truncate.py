"""Cuts long texts in findings."""


def truncate(text: str, max_length: int) -> str:
    """Return a text of at most `max_length` characters, the last of which is `…` if the text is cut."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
