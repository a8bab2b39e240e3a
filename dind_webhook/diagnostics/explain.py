"""Why a pod in a live cluster has Docker or not, and how to change that."""

import json
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from dind_webhook.diagnostics.expected_webhook import POLICY_CONDITIONS, WEBHOOK_NAME_SUFFIX, WEBHOOKS
from dind_webhook.diagnostics.snapshot import (
    annotations_of,
    controller_of,
    is_policy_selected,
    labels_of,
    name_of,
    namespace_label_of,
    namespace_of,
    webhook_for_namespace,
    webhooks_of,
)
from dind_webhook.injection import (
    DISABLED,
    INJECT,
    NAMESPACE_RULES,
    NODE_SOCKET,
    STATUS,
    Decision,
    MisplacedKey,
    Outcome,
    Policy,
    Reason,
    decide_for_namespace,
    misplaced_keys,
)
from dind_webhook.model import JsonObject, pod_templates, selects

_REASONS_BEFORE_WEBHOOK = frozenset(reason for rule in NAMESPACE_RULES for reason in rule.reasons)
_OUR_CONDITIONS = frozenset((*(name for entry in WEBHOOKS for name in entry.conditions), *POLICY_CONDITIONS))


class AdmissionInputs(NamedTuple):
    """The inputs of a decision besides the pod. `configuration` is None if it does not exist or could not be read.

    `policy` is that of the cluster; the policy of the namespace decides. `injecting_policies` are the policies of the
    API server that inject pods.
    """

    namespace: JsonObject
    configuration: JsonObject | None
    policy: Policy
    injecting_policies: tuple[JsonObject, ...] = ()


def decide_live(pod: JsonObject, inputs: AdmissionInputs, claim_names: tuple[str, ...] = ()) -> Decision:
    """Return the decision on a pod if it were created now. `claim_names` is as in `PodTemplate.claim_names`."""
    # Without a configuration, assume that of the chart, which selects the pod.
    exclusion = find_exclusion(pod, inputs) or ""
    label = namespace_label_of(inputs.namespace)
    return decide_for_namespace(
        pod,
        label,
        inputs.policy.for_namespace(name_of(inputs.namespace)),
        node_socket_label=str(labels_of(inputs.namespace).get(NODE_SOCKET, "")),
        claim_names=claim_names,
        exclusion=exclusion,
    )


def reaches_webhook(decision: Decision) -> bool:
    """Return whether the API server calls the webhook for this pod, as far as the namespace and the selectors say.

    The match conditions that the operator has added are not evaluated, see `custom_match_conditions`.
    """
    return decision.reason not in _REASONS_BEFORE_WEBHOOK


def find_exclusion(pod: JsonObject, inputs: AdmissionInputs) -> str | None:
    """Return why the configuration excludes a pod of a namespace that opted in, or None if it does not."""
    configuration = inputs.configuration
    if configuration is None:
        return _find_exclusion_from_policies(pod, inputs)
    if not webhooks_of(configuration):
        return f"webhook configuration {name_of(configuration)} has no webhook with a name of *{WEBHOOK_NAME_SUFFIX}"
    entry = webhook_for_namespace(configuration, inputs.namespace)
    if entry is None and NODE_SOCKET in labels_of(inputs.namespace):
        return None
    if entry is None:
        return f"no namespaceSelector of webhook configuration {name_of(configuration)} matches its namespace"
    if not selects(entry.get("objectSelector"), labels_of(pod)):
        return f"the objectSelector of {entry['name']} does not match its labels"
    return None


def _find_exclusion_from_policies(pod: JsonObject, inputs: AdmissionInputs) -> str | None:
    """Return why the injecting policies, if there are any, exclude a pod, or None if they do not."""
    selecting = _policies_for_namespace(inputs)
    if not selecting:
        policies = inputs.injecting_policies
        return f"no namespaceSelector of {_list_policies(policies)} matches its namespace" if policies else None
    if any(selects(each["spec"]["matchConstraints"].get("objectSelector"), labels_of(pod)) for each in selecting):
        return None
    return f"no objectSelector of {_list_policies(selecting)} matches its labels"


def _policies_for_namespace(inputs: AdmissionInputs) -> list[JsonObject]:
    return [each for each in inputs.injecting_policies if is_policy_selected(each, inputs.namespace)]


def _list_policies(policies: Iterable[JsonObject]) -> str:
    return f"MutatingAdmissionPolicies {', '.join(map(name_of, policies))}"


def custom_match_conditions(inputs: AdmissionInputs) -> list[str]:
    """Return the names of match conditions that the operator has added; only the API server can evaluate them."""
    if inputs.configuration is None:
        sources = [each["spec"] for each in _policies_for_namespace(inputs)]
    else:
        sources = [webhook_for_namespace(inputs.configuration, inputs.namespace) or {}]
    # The policies of the modes have the same.
    names = dict.fromkeys(each["name"] for source in sources for each in source.get("matchConditions") or [])
    return [name for name in names if name not in _OUR_CONDITIONS]


def has_docker(pod: JsonObject) -> bool:
    """Return whether a pod was injected when it was created."""
    return STATUS in annotations_of(pod)


def requests_docker(pod: JsonObject) -> bool:
    """Return whether a pod itself requests Docker, with an accepted value or another."""
    value = annotations_of(pod).get(INJECT, labels_of(pod).get(INJECT))
    return value is not None and value != DISABLED


def misplaced_keys_of(workload: JsonObject) -> list[MisplacedKey]:
    """Return the annotations and labels that a workload has on itself instead of on its pod template."""
    return [each for template in pod_templates(workload) for each in misplaced_keys(template)]


def annotation_command(workload: JsonObject, key: str, value: str) -> str:
    """Return the command that annotates the pod template of a workload."""
    kind, name = workload["kind"].lower(), name_of(workload)
    if kind == "job":
        # Its template is immutable.
        return f"add {key}: {value} to the annotations of Job {name}'s spec.template, and create the Job again"
    patch: JsonObject = {"spec": {"template": {"metadata": {"annotations": {key: value}}}}}
    if kind == "cronjob":
        patch = {"spec": {"jobTemplate": patch}}
    return (
        f"kubectl -n {namespace_of(workload)} patch {kind} {name} --type merge "
        f"-p {shlex.quote(json.dumps(patch, separators=(',', ':')))}"
    )


def remedy_for(decision: Decision, namespace: str, workload: JsonObject) -> str:
    """Return how to change an outcome, or an empty text if the decision's message says it or no change is needed."""
    if decision.reason is Reason.NOT_REQUESTED and workload["kind"] != "Pod":
        request = next((each.value for each in misplaced_keys_of(workload) if each.key == INJECT), "sidecar")
        return annotation_command(workload, INJECT, str(request))
    return decision.remedy_in(namespace)


def recreation_hint(pod: JsonObject) -> str:
    """Return how to create a pod again."""
    owner = controller_of(pod)
    delete = f"kubectl -n {namespace_of(pod)} delete pod {name_of(pod)}"
    if owner is None:
        return f"{delete}, then create it from its manifest"
    return f"{delete} ({owner['kind']} {owner['name']} creates it again)"


def explain_missing_docker(pod: JsonObject, inputs: AdmissionInputs) -> tuple[str, str]:
    """Return why a pod that requests Docker runs without it, and the fix."""
    decision = decide_live(pod, inputs)
    if decision.outcome is Outcome.INJECTED:
        reason = "it was created before its namespace opted in, before the webhook was installed, or while it was down"
        return reason, recreation_hint(pod)
    if decision.outcome is Outcome.DENIED:
        return f"if it were created again, it would be denied: {decision.message}", recreation_hint(pod)
    sentence = find_exclusion(pod, inputs) if decision.reason is Reason.NOT_SELECTED else None
    sentence = sentence or decision.reason.meaning
    change = remedy_for(decision, namespace_of(pod), pod)
    fix = f"{change}, then {recreation_hint(pod)}" if change else recreation_hint(pod)
    return sentence[0].lower() + sentence[1:].rstrip("."), fix
