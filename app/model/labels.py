"""Label selectors, evaluated as the API server does (metav1.LabelSelector)."""

from collections.abc import Mapping
from typing import Any

from app.model.jsonpatch import JsonObject


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
