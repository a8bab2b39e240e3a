"""Labels and label selectors (metav1.LabelSelector), evaluated as the API server does."""

import re
from collections.abc import Mapping
from typing import Any

from dind_webhook.model.dns_names import is_dns_subdomain
from dind_webhook.model.jsonpatch import JsonObject

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def is_label_key(text: str) -> bool:
    """Return whether `text` is a key of a label or taint: a name, perhaps after a DNS subdomain and a slash."""
    prefix, slash, name = text.rpartition("/")
    return _NAME.fullmatch(name) is not None and (not slash or is_dns_subdomain(prefix))


def is_label_value(text: str) -> bool:
    """Return whether `text` is a value of a label or taint, which may be empty."""
    return not text or _NAME.fullmatch(text) is not None


def selects(selector: JsonObject | None, labels: Mapping[str, Any]) -> bool:
    """Return whether a LabelSelector matches an object with these labels; an absent or empty one matches all."""
    selector = selector or {}
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_matches_requirement(requirement, labels) for requirement in selector.get("matchExpressions") or [])


def _matches_requirement(requirement: JsonObject, labels: Mapping[str, Any]) -> bool:
    key, values = str(requirement.get("key")), requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            # The API server accepts no other operator.
            return False
