"""The same injection as a MutatingAdmissionPolicy: mutating-policy.yaml with the additions of dind-webhook as CEL."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml
from samples import additions
from webhook_api import JsonObject

GROUP = "admissionregistration.k8s.io"
_TEMPLATE = Path(__file__).with_name("mutating-policy.yaml")
_STRING_MAPS = {"requests", "limits"}


def mutating_policy(version: str, webhook: Mapping[str, Any]) -> list[JsonObject]:
    """Return a policy for the requests that a webhook of the chart selects, and its binding."""
    given = additions()
    rule = {key: webhook["rules"][0][key] for key in ("apiGroups", "apiVersions", "operations", "resources", "scope")}
    constraints = {**{key: webhook[key] for key in ("matchPolicy", "namespaceSelector")}, "resourceRules": [rule]}
    conditions = [
        *webhook["matchConditions"],
        {"name": "sidecar", "expression": "object.metadata.?annotations['dind.io/inject'].orValue('') == 'sidecar'"},
        # The policy is evaluated again if another mutation changed the pod later.
        {"name": "once", "expression": "!object.spec.?initContainers.orValue([]).exists(c, c.name == 'dind')"},
    ]
    container, init = "Object.spec.containers", "Object.spec.initContainers"
    values = {
        "version": version,
        "constraints": json.dumps(constraints),
        "conditions": json.dumps(conditions),
        "container": _fields({key: one for key, one in given["container"].items() if key != "volumeMounts"}, init),
        "daemon_mounts": _cel(given["container"]["volumeMounts"], f"{init}.volumeMounts"),
        "container_env": _cel(given["clientEnv"], f"{container}.env"),
        "init_env": _cel(given["clientEnv"], f"{init}.env"),
        "container_mounts": _cel(given["clientMounts"], f"{container}.volumeMounts"),
        "init_mounts": _cel(given["clientMounts"], f"{init}.volumeMounts"),
        "volumes": _cel(given["volumes"], "Object.spec.volumes"),
        "group": str(given["group"]),
        "annotations": json.dumps(given["annotations"])[1:-1],
        "labels": json.dumps(given["labels"]),
    }
    policy = yaml.safe_load(Template(_TEMPLATE.read_text("utf-8")).substitute(values))
    binding = {**policy, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": policy["metadata"]["name"]}}
    return [policy, binding]


def _cel(value: Any, kind: str = "") -> str:
    """Return JSON as CEL, in which the type of an object is its path in the pod."""
    if isinstance(value, dict):
        is_map = kind.rpartition(".")[2] in _STRING_MAPS
        return json.dumps(value) if is_map else f"{kind}{{{_fields(value, kind)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_cel(item, kind) for item in value)}]"
    return json.dumps(value)


def _fields(value: JsonObject, kind: str) -> str:
    return ", ".join(f"{key}: {_cel(member, f'{kind}.{key}')}" for key, member in value.items())
