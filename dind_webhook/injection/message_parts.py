"""Parts of messages for people. A message quotes text of the pod's author, of any length, so its parts are cut."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from dind_webhook.printable import printable

_Item = TypeVar("_Item")

# AdmissionResponse.warnings (k8s.io/api/admission/v1) asks for at most 120 characters; longer ones may be truncated.
MAX_WARNING_LENGTH = 120
MAX_QUOTE_LENGTH = 64
# An image may have its digest after an @ (algorithms of the OCI image specification).
_DIGESTS = ("sha256:", "sha512:")
_MAX_LISTED_ITEMS = 5
# The message of an event has at most 1024 characters. The controller that creates a pod puts about a hundred in front.
MAX_LIST_LENGTH = 800


def quote(text: str) -> str:
    """Return a text in quotes, cut if it is long, and without the names and passwords of URLs."""
    mark = "'" if '"' in text else '"'
    return mark + abbreviate(_mask_user_info(text)) + mark


def _mask_user_info(text: str) -> str:
    # Messages go to logs and events. Of several URLs, all up to the last name is masked; without a scheme, all of it.
    head, at, end = text.rpartition("@")
    if not at or end.startswith(_DIGESTS):
        return text
    scheme, slashes, _ = head.partition("//")
    return f"{scheme}//***@{end}" if slashes else f"***@{end}"


def abbreviate(text: str) -> str:
    """Return a text, cut if it is long, with unprintable characters escaped."""
    cut_text = text if len(text) <= MAX_QUOTE_LENGTH else text[: MAX_QUOTE_LENGTH - 3] + "..."
    return printable(cut_text)


def join_first(items: Sequence[_Item], describe: Callable[[_Item], str], separator: str = "; ") -> str:
    """Return the first items as text, as many as fit into an event, and the number of the others."""
    texts: list[str] = []
    remaining = MAX_LIST_LENGTH
    for item in items[:_MAX_LISTED_ITEMS]:
        # An item may be as long as the request body.
        text = describe(item)[:MAX_LIST_LENGTH]
        remaining -= len(text) + len(separator)
        if texts and remaining < 0:
            break
        texts.append(text)
    if len(items) > len(texts):
        texts.append(f"and {len(items) - len(texts)} more")
    return separator.join(texts)


def warn_of_names(text: str, names: Sequence[str]) -> str:
    """Return a warning that ends with a list of names."""
    return truncate_warning(f"{text}: {join_first(names, str, ', ')}")


def truncate_warning(text: str) -> str:
    """Return a warning, cut to `MAX_WARNING_LENGTH` characters."""
    return truncate(text, MAX_WARNING_LENGTH)


def truncate(text: str, max_length: int) -> str:
    """Return a text of at most `max_length` characters, the last of which is `…` if the text is cut."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
