"""The same injection as a MutatingAdmissionPolicy, which the API server evaluates itself.

One mutation with all operations: each further one would have the pod written and read once more. As with the Go peers,
what a pod gets stands in it; of what dind-webhook checks it checks nothing.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from samples import JsonObject, additions

GROUP = "admissionregistration.k8s.io"
_MAPS_OF_TEXT = {"requests", "limits"}
# A container that runs beside others needs no Docker unless it is named; what each of the others mounts is shared.
_VARIABLES = {
    "clients": "object.spec.?initContainers.orValue([])"
    ".filter(c, !has(c.restartPolicy) || c.restartPolicy != 'Always') + object.spec.containers",
    "shareable": "object.spec.?volumes.orValue([])"
    ".filter(v, has(v.emptyDir) || has(v.persistentVolumeClaim) || has(v.ephemeral) "
    "|| v.name.startsWith('kube-api-access-')).map(v, v.name)",
    "mounts": "variables.clients.map(c, c.?volumeMounts.orValue([]).filter(m, m.name in variables.shareable)).flatten()",
    "paths": "(variables.mounts.filter(m, !m.name.startsWith('kube-api-access-')) "
    "+ variables.mounts.filter(m, m.name.startsWith('kube-api-access-'))).map(m, m.mountPath).distinct()",
}


def mutating_policy(name: str, version: str, webhook: Mapping[str, Any]) -> tuple[JsonObject, JsonObject]:
    """Return a policy and its binding that act on what this entry of a webhook configuration acts on."""
    rule = {key: webhook["rules"][0][key] for key in ("apiGroups", "apiVersions", "operations", "resources", "scope")}
    conditions = {one["name"]: one["expression"] for one in webhook["matchConditions"]}
    more = {
        "dind.io/sidecar": "object.metadata.?annotations['dind.io/inject'].orValue('') == 'sidecar'",
        # It is evaluated again when somebody changed the pod since.
        "dind.io/once": "!object.spec.?initContainers.orValue([]).exists(c, c.name == 'dind')",
    }
    policy = {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "matchPolicy": webhook["matchPolicy"],
                "namespaceSelector": webhook["namespaceSelector"],
                "resourceRules": [rule],
            },
            "matchConditions": _named({**conditions, **more}),
            "failurePolicy": webhook["failurePolicy"],
            "reinvocationPolicy": webhook["reinvocationPolicy"],
            "variables": _named(_VARIABLES),
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patch()}}],
        },
    }
    binding = {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    return policy, binding


def _named(expressions: Mapping[str, str]) -> list[JsonObject]:
    return [{"name": name, "expression": text} for name, text in expressions.items()]


def _patch() -> str:
    """Return an expression for all operations: what is for a place in a list comes before that list grows."""
    given = additions()
    clients = [_for_clients(which, given) for which in ("containers", "initContainers")]
    return " + ".join([*clients, _daemon(given["container"]), _volumes(given), _group(given), _annotations(given)])


def _for_clients(which: str, given: JsonObject) -> str:
    kind = f"Object.spec.{which}"
    path = f"'/spec/{which}/' + string(i)"
    env = _cel(given["clientEnv"], f"{kind}.env")
    variable = _ensure("c.env", f"{path} + '/env", [env])
    has_none = f"!c.?env.orValue([]).exists(e, e.name == '{given['clientEnv']['name']}')"
    mounts = _ensure(
        "c.volumeMounts",
        f"{path} + '/volumeMounts",
        [_cel(one, f"{kind}.volumeMounts") for one in given["clientMounts"]],
    )
    selected = "!has(c.restartPolicy) || c.restartPolicy != 'Always'" if which == "initContainers" else "true"
    each = f"({selected}) ? ({has_none} ? {variable} : []) + {mounts} : []"
    return f"object.spec.?{which}.orValue([]).transformList(i, c, {each}).flatten()"


def _daemon(container: JsonObject) -> str:
    kind = "Object.spec.initContainers"
    mounts = container["volumeMounts"]
    alone = _cel({key: value for key, value in container.items() if key != "volumeMounts"}, kind)
    own = ", ".join(_cel(mount, f"{kind}.volumeMounts") for mount in mounts)
    at_this_path = "variables.mounts.filter(m, m.mountPath == p)"
    shared = (
        f"variables.paths.map(p, {kind}.volumeMounts{{name: {at_this_path}[0].name, mountPath: p, "
        f"?subPath: {at_this_path}[0].?subPath, "
        f"?readOnly: {at_this_path}.all(m, m.?readOnly.orValue(false)) ? optional.of(true) : optional.none()}})"
    )
    value = f"{alone[:-1]}, volumeMounts: [{own}] + {shared}}}"
    return (
        f"[has(object.spec.initContainers) ? JSONPatch{{op: 'add', path: '/spec/initContainers/0', value: {value}}}"
        f" : JSONPatch{{op: 'add', path: '/spec/initContainers', value: [{value}]}}]"
    )


def _volumes(given: JsonObject) -> str:
    return _ensure(
        "object.spec.volumes", "'/spec/volumes", [_cel(volume, "Object.spec.volumes") for volume in given["volumes"]]
    )


def _group(given: JsonObject) -> str:
    group = given["group"]
    groups = "/spec/securityContext/supplementalGroups"
    return (
        "(!has(object.spec.securityContext) ? [JSONPatch{op: 'add', path: '/spec/securityContext', "
        f"value: Object.spec.securityContext{{supplementalGroups: [{group}]}}}}] : "
        f"!has(object.spec.securityContext.supplementalGroups) ? [JSONPatch{{op: 'add', path: '{groups}', value: [{group}]}}] : "
        f"{group} in object.spec.securityContext.supplementalGroups ? [] : "
        f"[JSONPatch{{op: 'add', path: '{groups}/-', value: {group}}}])"
    )


def _annotations(given: JsonObject) -> str:
    """Return operations for annotations of a pod that has some: it asks by one."""
    values = {key: _cel(value) for key, value in given["annotations"].items()}
    values["kubectl.kubernetes.io/default-container"] = "object.spec.containers[0].name"
    each = [
        f"('{key}' in object.metadata.annotations ? [] : "
        f"[JSONPatch{{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('{key}'), value: {value}}}])"
        for key, value in values.items()
    ]
    return " + ".join(each)


def _ensure(member: str, path: str, values: Sequence[str]) -> str:
    """Return operations for elements of a list that may be absent; `path` is an expression whose last text is open."""
    appended = ", ".join(f"JSONPatch{{op: 'add', path: {path}/-', value: {value}}}" for value in values)
    whole = f"JSONPatch{{op: 'add', path: {path}', value: [{', '.join(values)}]}}"
    return f"(has({member}) ? [{appended}] : [{whole}])"


def _cel(value: Any, kind: str = "") -> str:
    """Return JSON as CEL: objects carry the path at which they stand as their type."""
    if isinstance(value, dict):
        members = []
        for key, member in value.items():
            of_text = key in _MAPS_OF_TEXT
            text = "{" + ", ".join(f"{_cel(k)}: {_cel(v)}" for k, v in member.items()) + "}" if of_text else None
            members.append(f"{key}: {text or _cel(member, f'{kind}.{key}')}")
        return f"{kind}{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_cel(one, kind) for one in value)}]"
    return json.dumps(value)
