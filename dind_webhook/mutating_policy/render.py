"""The manifests of the policies: for each mode a mutating and a validating one, and one that checks the request."""

from collections.abc import Iterable, Iterator
from typing import Any

from dind_webhook.errors import SettingsError
from dind_webhook.injection import (
    DISABLED,
    EXEMPT_NAMESPACES,
    INJECT,
    NAMESPACE_VALUES,
    NODE_SOCKET,
    POD_VALUES,
    Mode,
    Outcome,
    Policy,
    Reason,
)
from dind_webhook.model import JsonObject
from dind_webhook.mutating_policy.denials import docker_socket_condition, socket_replacement_message
from dind_webhook.mutating_policy.expressions import abbreviated, cel_literal
from dind_webhook.mutating_policy.limits import ONLY_THE_WEBHOOK
from dind_webhook.mutating_policy.patch import denial_mark, patch_expression, patch_variables
from dind_webhook.mutating_policy.patterns import (
    VALUE,
    Additions,
    decide_pattern,
    find_message,
    pattern_pod,
    read_additions,
    read_message,
)
from dind_webhook.mutating_policy.unsupported import find_unsupported_settings
from dind_webhook.mutating_policy.variables import mode_variables, request_variables

# The first Kubernetes with MutatingAdmissionPolicy in v1
MINIMUM_VERSION = (1, 36)
_API_VERSION = "admissionregistration.k8s.io/v1"
_RULE = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["pods"],
    "scope": "Namespaced",
}
_Variables = Iterable[tuple[str, str]]


def render_policies(policy: Policy, name: str, suffix: str = "") -> list[JsonObject]:
    """Return the policies of an operator's settings and their bindings, for `kubectl apply`.

    `name` is the beginning of their names, `suffix` their end. Raise SettingsError with a sentence for each setting
    that cannot become a policy.
    """
    if problems := list(find_unsupported_settings(policy)):
        raise SettingsError(problems)
    objects: list[JsonObject] = []
    earlier: list[str] = []
    for index, (names, variant) in enumerate([*policy.namespaces, (("*",), policy)]):
        is_entry = index < len(policy.namespaces)
        conditions = _namespace_conditions(names, earlier)
        prefix = f"{name}-{index}" if is_entry else name
        objects += _variant_objects(variant, prefix, suffix, conditions)
        earlier += names
    return objects


def _variant_objects(policy: Policy, name: str, suffix: str, conditions: list[JsonObject]) -> Iterator[JsonObject]:
    yield from _validating(f"{name}{suffix}", _request_spec(policy, conditions), _OPTED_IN)
    # The webhook sees no other pods of such a namespace.
    with_socket = [*conditions, {"name": "dind.io/mounts-the-nodes-socket", "expression": _HAS_SOCKET}]
    yield from _validating(f"{name}-node-socket{suffix}", _request_spec(policy, with_socket), _SOCKET_ONLY)
    for mode in sorted(Mode):
        if decide_pattern(policy, pattern_pod(mode)).outcome is Outcome.DENIED:
            # `_request_spec` refuses all pods of this mode.
            continue
        try:
            additions = read_additions(policy, mode)
            variables = list(mode_variables(policy, additions))
        except LookupError as error:
            problem = f"injection: these settings cannot become a policy of the API server for mode {mode}: {error}"
            raise SettingsError([problem]) from error
        policy_name = f"{name}-{mode}{suffix}"
        yield from _mutating(policy_name, policy, additions, variables, conditions)
        yield from _validating(policy_name, _mode_spec(policy_name, mode, variables, conditions), _OPTED_IN)


def _mutating(
    name: str, policy: Policy, additions: Additions, variables: list[tuple[str, str]], conditions: list[JsonObject]
) -> Iterator[JsonObject]:
    expression = f"!variables.applies ? {denial_mark()} :\n{patch_expression(additions)}"
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {"matchPolicy": "Equivalent", **_namespaces(*_OPTED_IN), "resourceRules": [_RULE]},
        "matchConditions": [_NO_MIRROR_POD, *conditions],
        "variables": _list_variables([*variables, *patch_variables(policy, additions)]),
        # One mutation: for each further one, the API server writes and reads the pod again.
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }
    yield _object("MutatingAdmissionPolicy", name, spec)
    yield _object("MutatingAdmissionPolicyBinding", name, {"policyName": name})


def _mode_spec(
    policy_name: str, mode: Mode, variables: list[tuple[str, str]], conditions: list[JsonObject]
) -> JsonObject:
    not_injected = (
        f"{INJECT}: the pod asks for {mode}, but MutatingAdmissionPolicy {policy_name} has not injected it; is its "
        "binding there?"
    )
    return _validating_spec(
        conditions,
        variables,
        [
            _validation(
                "!variables.isOfMode || !variables.asksItself || variables.denials.size() == 0", "variables.denials[0]"
            ),
            _validation(
                "!variables.isOfMode || variables.denials.size() > 0 || variables.limits.size() == 0",
                "variables.limits[0]",
            ),
            _validation("!variables.isOfMode || variables.stale.size() == 0", "variables.stale[0]"),
            _validation("!variables.applies || !variables.asksItself || variables.injected", cel_literal(not_injected)),
        ],
    )


def _request_spec(policy: Policy, conditions: list[JsonObject]) -> JsonObject:
    """Return the validating policy of what no mode's policy sees: unknown values, modes that are off, the socket."""
    by_annotation = pattern_pod(VALUE)
    by_label = {**by_annotation, "metadata": {"labels": by_annotation["metadata"]["annotations"]}}
    unknown = (_read_message_of_value(policy, pod) for pod in (by_annotation, by_label))
    accepted = cel_literal(list(map(str, POD_VALUES)))
    validations = [
        _validation(
            f"!variables.requested.hasValue() || variables.requested.value() in {accepted}", _by_source(*unknown)
        ),
    ]
    validations += [
        _validation(f"!variables.asksItself || variables.mode != {cel_literal(str(mode))}", message)
        for mode, message in _impossible_modes(policy)
    ]
    if policy.modes:
        label = cel_literal(NODE_SOCKET)
        replaces = (
            f"namespaceObject.metadata.?labels[?{label}].orValue('') == 'replace' "
            f"&& variables.annotations[?{label}].orValue('') != 'deny'"
        )
        asks = f"variables.asksItself && variables.mode != {cel_literal(DISABLED)}"
        validations.append(_validation(f"!({asks} && {replaces} && {_HAS_SOCKET})", socket_replacement_message(policy)))
        annotation = f"variables.annotations[?{label}].orValue('') == 'replace'"
        forbidden = read_message(policy, pattern_pod(None, {NODE_SOCKET: "replace"}), Reason.OPTION_NOT_ALLOWED)
        validations.append(_validation(f"!({asks} && {annotation})", forbidden))
    return _validating_spec(conditions, request_variables(), validations)


def _impossible_modes(policy: Policy) -> Iterator[tuple[Mode, str]]:
    """Yield the modes that are switched off, or that no pod without options can have, and the message about each."""
    for mode in Mode:
        if message := find_message(policy, pattern_pod(mode), frozenset(Reason)):
            with_options = cel_literal(f"; {ONLY_THE_WEBHOOK} apply other options of a pod")
            yield mode, f"{message} + {with_options}" if mode in policy.modes else message


def _read_message_of_value(policy: Policy, pod: JsonObject) -> str:
    return read_message(policy, pod, Reason.UNKNOWN_VALUE, {VALUE: abbreviated("variables.requested.value()")})


def _by_source(annotation: str, label: str) -> str:
    return f"{cel_literal(INJECT)} in variables.annotations ? {annotation} : {label}"


def _validating_spec(conditions: list[JsonObject], variables: _Variables, validations: list[JsonObject]) -> JsonObject:
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"matchPolicy": "Equivalent", **_namespaces(), "resourceRules": [_RULE]},
        "matchConditions": [_NO_MIRROR_POD, *conditions],
        "variables": _list_variables(variables),
        "validations": validations,
    }


def _validating(name: str, spec: JsonObject, requirements: list[JsonObject]) -> Iterator[JsonObject]:
    yield _object("ValidatingAdmissionPolicy", name, spec)
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": _namespaces(*requirements)}
    yield _object("ValidatingAdmissionPolicyBinding", name, binding)


_OPTED_IN: list[JsonObject] = [{"key": INJECT, "operator": "In", "values": list(NAMESPACE_VALUES)}]
_SOCKET_ONLY: list[JsonObject] = [
    {"key": INJECT, "operator": "NotIn", "values": list(NAMESPACE_VALUES)},
    {"key": NODE_SOCKET, "operator": "In", "values": ["replace"]},
]
_HAS_SOCKET = f"object.spec.?volumes.orValue([]).exists(v, has(v.hostPath) && {docker_socket_condition(is_exact=True)})"
_NO_MIRROR_POD: JsonObject = {
    "name": "dind.io/no-mirror-of-a-static-pod",
    "expression": "!('kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}))",
}


def _namespaces(*requirements: JsonObject) -> JsonObject:
    excluded = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(EXEMPT_NAMESPACES)}
    return {"namespaceSelector": {"matchExpressions": [excluded, *requirements]}}


def _namespace_conditions(names: tuple[str, ...], earlier: list[str]) -> list[JsonObject]:
    """Return the conditions of an entry of `namespaces`, the first of which that matches is in force."""
    conditions = []
    if names != ("*",):
        expression = f"request.namespace.matches({cel_literal(_pattern(names))})"
        conditions.append({"name": "dind.io/namespaces", "expression": expression})
    if earlier:
        expression = f"!request.namespace.matches({cel_literal(_pattern(earlier))})"
        conditions.append({"name": "dind.io/other-namespaces", "expression": expression})
    return conditions


def _pattern(names: Iterable[str]) -> str:
    # Names are DNS labels, in which only `*` is special.
    return f"^({'|'.join(name.replace('*', '.*') for name in names)})$"


def _validation(expression: str, message: str) -> JsonObject:
    return {
        "expression": expression,
        "messageExpression": message,
        # Told if the other message cannot be computed
        "message": f"{INJECT}: the pod cannot get Docker",
        "reason": "Invalid",
    }


def _list_variables(variables: _Variables) -> list[dict[str, Any]]:
    return [{"name": name, "expression": expression} for name, expression in variables]


def _object(kind: str, name: str, spec: JsonObject) -> JsonObject:
    return {
        "apiVersion": _API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "dind-webhook"}},
        "spec": spec,
    }
