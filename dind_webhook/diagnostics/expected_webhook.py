"""The webhook configuration as the chart installs it, and the comparison with an installed one.

A test renders the chart and compares it with this module.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dind_webhook.admission import NamespaceRequest
from dind_webhook.injection import INJECT, NAMESPACE_VALUES, NODE_SOCKET, mode_of_label, truncate
from dind_webhook.model import JsonObject, selects

# Names of webhooks end in the project's own domain, those of match conditions begin with it.
WEBHOOK_NAME_SUFFIX = ".inject.dind.io"
# The match conditions that `dind-webhook policy` writes
POLICY_CONDITIONS = ("dind.io/no-mirror-of-a-static-pod", "dind.io/namespaces", "dind.io/other-namespaces")
PART_OF = "app.kubernetes.io/part-of=dind-webhook"
NAME_LABEL = "kubernetes.io/metadata.name"
MIN_VERSION = (1, 30)
# While the webhook is down, every pod that requests Docker waits this long.
MAX_TIMEOUT_SECONDS = 10
# With a shorter timeout, a slow handshake on a busy node may make the API server reject a pod.
MIN_TIMEOUT_SECONDS = 2

WEBHOOK_RULES: list[JsonObject] = [
    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}
]
# Promises to the API server: no side effects, so that dry-runs are possible; v1 reviews, for pods of any version.
CONTRACT: JsonObject = {"admissionReviewVersions": ["v1"], "matchPolicy": "Equivalent", "sideEffects": "None"}

_RULE_MEMBERS = ("operations", "apiGroups", "apiVersions", "resources", "scope")
_MAX_TEXT_LENGTH = 60
_ASKED_FOR = {
    "dind.io/asked-for": f"""
        (has(object.metadata.annotations)
        && ('{INJECT}' in object.metadata.annotations || '{NODE_SOCKET}' in object.metadata.annotations))
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
    """The webhook for one value of the namespace's label; its path tells the server the default mode."""

    value: str
    path: str
    conditions: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.value + WEBHOOK_NAME_SUFFIX


def _entry(value: str) -> ExpectedEntry:
    mode = mode_of_label(value)
    # Without a default mode, the API server skips pods that do not request Docker.
    return ExpectedEntry(value, NamespaceRequest(mode).path, _CONDITIONS if mode else {**_ASKED_FOR, **_CONDITIONS})


WEBHOOKS: tuple[ExpectedEntry, ...] = tuple(map(_entry, NAMESPACE_VALUES))


def find_differences(expected: ExpectedEntry, webhook: JsonObject) -> Iterator[str]:
    """Yield a sentence for each member of a webhook that is not as the chart installs it.

    Match conditions and requirements on namespaces that an operator has added are ignored.
    """
    installed = _members(webhook)
    for member, value in _expected_members(expected).items():
        if not installed.get(member):
            yield f"{expected.name} has no {member}"
        elif installed[member] != value:
            actual, original = (truncate(text, _MAX_TEXT_LENGTH) for text in (installed[member], value))
            yield f"{expected.name} has {member} {actual} instead of {original}"
    if difference := _selector_difference(expected, webhook.get("namespaceSelector")):
        yield f"the namespaceSelector of {expected.name} {difference}"


def _expected_members(expected: ExpectedEntry) -> dict[str, str]:
    conditions = [{"name": name, "expression": text} for name, text in expected.conditions.items()]
    client = {"service": {"path": expected.path}}
    return _members({"clientConfig": client, "rules": WEBHOOK_RULES, "matchConditions": conditions, **CONTRACT})


def _members(webhook: JsonObject) -> dict[str, str]:
    """Return the members that are compared, each as text."""
    client = webhook["clientConfig"]
    path = client["service"].get("path") if "service" in client else urlsplit(client.get("url", "")).path
    rules = [" ".join(filter(None, map(_text, map(rule.get, _RULE_MEMBERS)))) for rule in webhook.get("rules") or []]
    conditions = webhook.get("matchConditions") or []
    return {
        "path": path or "/",
        "rules": "; ".join(rules),
        # Line breaks and indentation do not matter in CEL.
        **{f"match condition {each['name']}": " ".join(each["expression"].split()) for each in conditions},
        **{member: _text(webhook.get(member)) for member in CONTRACT},
    }


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value or "")


def _selector_difference(expected: ExpectedEntry, selector: JsonObject | None) -> str | None:
    """Return the namespaces that a selector should match and does not, or the other way round; None if it is right."""
    for value in (None, *(entry.value for entry in WEBHOOKS)):
        labels = {NAME_LABEL: "some-namespace"} | ({INJECT: value} if value else {})
        namespaces = f"labelled {INJECT}={value}" if value else f"without the label {INJECT}"
        should_match = value == expected.value
        if should_match and not selects(selector, labels) and not _has_own_requirements(selector):
            return f"does not match namespaces {namespaces}"
        if not should_match and selects(selector, labels):
            return f"matches namespaces {namespaces}"
    return None


def _has_own_requirements(selector: JsonObject | None) -> bool:
    """Return whether an operator has added requirements on namespaces, so that fewer match."""
    keys = {each["key"] for each in (selector or {}).get("matchExpressions") or []}
    return INJECT in keys and not keys <= {INJECT, NAME_LABEL}
