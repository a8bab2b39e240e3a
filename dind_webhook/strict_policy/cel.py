"""JSON values as CEL expressions, for the CEL environment of Kubernetes 1.30 and newer."""

import re
from collections.abc import Mapping
from typing import Any

import orjson


def cel_literal(value: Any, variables: Mapping[str, str] | None = None) -> str:
    """Return the CEL literal of a JSON value.

    `variables` replaces texts inside of strings by CEL variables. Kubernetes accepts only lists and maps whose members
    have one type (cel.HomogeneousAggregateLiterals), hence `dyn`.
    """
    match value:
        case str():
            return _text(value, variables or {})
        case dict():
            members = (f"{cel_literal(key)}: dyn({cel_literal(inner, variables)})" for key, inner in value.items())
            return "{" + ", ".join(members) + "}"
        case list():
            items = [cel_literal(inner, variables) for inner in value]
            same = all(isinstance(inner, str) for inner in value)
            return "[" + ", ".join(items if same else (f"dyn({item})" for item in items)) + "]"
        case _:
            return orjson.dumps(value).decode()


def _text(text: str, variables: Mapping[str, str]) -> str:
    if not variables:
        return orjson.dumps(text).decode()
    parts = re.split("(" + "|".join(map(re.escape, variables)) + ")", text)
    return " + ".join(variables.get(part) or orjson.dumps(part).decode() for part in parts if part) or '""'
