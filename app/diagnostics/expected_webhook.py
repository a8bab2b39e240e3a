"""The webhook configuration as the chart installs it; a test renders the chart and holds it against this."""

from collections.abc import Mapping
from typing import NamedTuple

from app.injection import INJECT, NAMESPACE_VALUES, Mode
from app.model import JsonObject

# Names of webhooks and match conditions end and begin with a domain of the project's own.
ENTRY_SUFFIX = ".inject.dind.io"
PART_OF = "app.kubernetes.io/part-of=dind-webhook"
EXEMPT_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
MINIMUM_VERSION = (1, 30)
# Above it, every pod that asks for Docker would hang that long while the webhook is away.
LONGEST_TIMEOUT_SECONDS = 10
# Below it, a handshake on a busy node may cost a pod.
SHORTEST_TIMEOUT_SECONDS = 2

WEBHOOK_RULES: list[JsonObject] = [
    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}
]
# Promises to the API server: no side effects, so that dry-runs are possible; v1 reviews, for pods of any version.
CONTRACT: JsonObject = {"admissionReviewVersions": ["v1"], "matchPolicy": "Equivalent", "sideEffects": "None"}

_ASKED_FOR = {
    "dind.io/asked-for": f"""
        (has(object.metadata.annotations) && '{INJECT}' in object.metadata.annotations)
        || (has(object.metadata.labels) && '{INJECT}' in object.metadata.labels)""",
}
_CONDITIONS = {
    "dind.io/not-opted-out": f"""
        has(object.metadata.annotations) && '{INJECT}' in object.metadata.annotations
        ? object.metadata.annotations['{INJECT}'] != 'disabled'
        : !(has(object.metadata.labels) && '{INJECT}' in object.metadata.labels
        && object.metadata.labels['{INJECT}'] == 'disabled')""",
    "dind.io/no-mirror-of-a-static-pod": """
        !(has(object.metadata.annotations) && 'kubernetes.io/config.mirror' in object.metadata.annotations)""",
}


class ExpectedEntry(NamedTuple):
    """One webhook: for one value of the namespace's label, which its path tells the server."""

    value: str
    path: str
    conditions: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.value + ENTRY_SUFFIX


def _entry(value: str) -> ExpectedEntry:
    if value in set(Mode):
        return ExpectedEntry(value, f"/mutate/{value}", _CONDITIONS)
    return ExpectedEntry(value, "/mutate", {**_ASKED_FOR, **_CONDITIONS})


ENTRIES: tuple[ExpectedEntry, ...] = tuple(map(_entry, NAMESPACE_VALUES))


def is_same_expression(one: str, other: str) -> bool:
    """Whether two expressions in CEL differ in white space at most."""
    return one.split() == other.split()
