"""Small pods before and after injection. Tests of several packages use them."""

from typing import Any

import jsonpatch

from dind_webhook.injection import OPTIONS, Mode, Policy, Reason, inject
from dind_webhook.model import JsonObject
from dind_webhook.settings import InjectionSettings, make_policy


def operator_policy(**settings: Any) -> Policy:
    """Return the policy under the default settings with these changes."""
    return make_policy(InjectionSettings(**settings))


def permissive_policy(**settings: Any) -> Policy:
    """Return the policy of an operator who allows pods to set all options."""
    return operator_policy(allowed_options=frozenset(option.name for option in OPTIONS), **settings)


def a_container(name: str = "build", **members: Any) -> JsonObject:
    return {"name": name, "image": "alpine:3", **members}


def a_pod(mode: str | None = "sidecar", options: dict[str, Any] | None = None, **spec: Any) -> JsonObject:
    """Return a pod of one container that asks for `mode` with these options. `spec` adds or replaces members."""
    annotations = {f"dind.io/{name}": text for name, text in (options or {}).items()}
    if mode is not None:
        annotations["dind.io/inject"] = mode
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ci", "annotations": annotations},
        "spec": {"containers": [a_container()], **spec},
    }


def injected_pod(pod: JsonObject, policy: Policy, namespace_mode: Mode | None = None) -> JsonObject:
    """Return the pod after injection. Fail if the pod is not injected."""
    decision = inject(pod, namespace_mode, policy)
    assert decision.reason is Reason.INJECTED, decision.message
    return jsonpatch.apply_patch(pod, list(decision.operations))


def find_by_name(items: list[JsonObject], name: str) -> JsonObject:
    """Return the container, volume or variable of that name."""
    (found,) = [item for item in items if item["name"] == name]
    return found


def names_of(items: list[JsonObject]) -> list[str]:
    return [item["name"] for item in items]


def mount_paths_of(container: JsonObject) -> list[str]:
    """Return the paths at which a container mounts volumes."""
    return [mount["mountPath"] for mount in container.get("volumeMounts") or []]
