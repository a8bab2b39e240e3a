"""`dind-webhook explain TYPE/NAME`, on an object in a cluster."""

import os
from pathlib import Path

from dind_webhook.cli.explain import Explanation, inputs_of, print_explained
from dind_webhook.cli.output import ExplainOutput, describe
from dind_webhook.diagnostics import (
    AdmissionInputs,
    ExplainInputs,
    Scope,
    annotations_of,
    collect_explain_inputs,
    custom_match_conditions,
    decide_live,
    find_exclusion,
    find_owner,
    has_docker,
    misplaced_keys_of,
    name_of,
    namespace_label_of,
    namespace_of,
    parse_resource_ref,
    pod_security_fix,
    pod_security_problem,
    reaches_webhook,
    recreation_hint,
    remedy_for,
)
from dind_webhook.errors import NotFoundError
from dind_webhook.injection import INJECT, NAMESPACE_RULES, STATUS, Decision, Mode, Outcome, Reason
from dind_webhook.kube import KubeClient
from dind_webhook.model import JsonObject, pod_templates
from dind_webhook.settings import load_policy

_MAX_PODS = 50


def run_explain_live(
    target: str,
    *,
    namespace: str | None,
    namespace_label: str | None,
    kubeconfig: Path | None,
    context: str | None,
    output: ExplainOutput,
    color: str,
    config: Path | None,
) -> int:
    """Explain an object in a cluster; return the exit code: 0, or 1 if a pod would be denied."""
    ref = parse_resource_ref(target)
    cluster = KubeClient(kubeconfig, context)
    cluster.version()
    namespace_name = ref.name if ref.kind == "Namespace" else namespace or cluster.namespace
    policy = load_policy(config, os.environ) if config else None
    inputs = collect_explain_inputs(cluster, namespace_name, namespace_label, policy, Scope())
    if ref.kind == "Namespace":
        return print_explained([_explain_namespace(cluster, inputs)], [], output, color)
    try:
        resource = {**cluster.get(ref.path(namespace_name)), "kind": ref.kind}
    except NotFoundError:
        raise NotFoundError(
            f"there is no {ref.kind.lower()} {ref.name} in namespace {namespace_name}",
            f"see `kubectl get {ref.resource} --namespace {namespace_name}`, or choose another with --namespace",
        ) from None
    is_pod = ref.kind == "Pod"
    explained = _explain_pod(cluster, resource, inputs) if is_pod else _explain_workload(resource, inputs)
    return print_explained([explained], [], output, color)


def _explain_pod(cluster: KubeClient, pod: JsonObject, inputs: ExplainInputs) -> Explanation:
    if has_docker(pod):
        return _explain_injected_pod(pod, inputs)
    decision = decide_live(pod, inputs.admission)
    owner = find_owner(cluster, pod, namespace_of(pod)) if decision.reason is Reason.NOT_REQUESTED else None
    explanation = _explain_decision(pod, pod, inputs, decision)
    misplaced = misplaced_keys_of(owner) if owner else []
    return explanation._replace(
        remedy=_pod_remedy(pod, owner, decision),
        verdict=_pod_verdict(decision),
        notes=(*explanation.notes, *map(str, misplaced)),
    )


def _explain_decision(resource: JsonObject, pod: JsonObject, inputs: ExplainInputs, decision: Decision) -> Explanation:
    """Return the explanation of a decision about a pod, or the pod template of a resource, without a remedy."""
    kind, namespace, name = resource["kind"], namespace_of(resource), name_of(resource)
    return Explanation(
        title=f"{kind} {namespace}/{name}",
        name=f"{kind.lower()}/{name}",
        namespace=namespace,
        inputs=inputs_of(
            namespace_label_of(inputs.admission.namespace), pod, inputs.admission.policy.for_namespace(namespace)
        ),
        decision=decision,
        remedy="",
        notes=_list_notes(inputs, pod, decision),
        configuration_known=_is_configuration_known(inputs),
    )


def _pod_verdict(decision: Decision) -> str:
    if decision.outcome is not Outcome.INJECTED:
        return ""
    return f"it has no Docker, but would be injected ({decision.mode}) if it were created now"


def _pod_remedy(pod: JsonObject, owner: JsonObject | None, decision: Decision) -> str:
    if decision.outcome is Outcome.INJECTED:
        return recreation_hint(pod)
    if owner is not None:
        return remedy_for(decision, namespace_of(pod), owner)
    remedy = remedy_for(decision, namespace_of(pod), pod)
    return f"{remedy}, then {recreation_hint(pod)}" if remedy else ""


def _explain_injected_pod(pod: JsonObject, inputs: ExplainInputs) -> Explanation:
    # The rules would judge the pod as if it were created again; what ran is in the status annotation.
    decision = Decision(Reason.INJECTED, decide_live(pod, inputs.admission).mode)
    verdict = f"it has Docker: injected when it was created ({annotations_of(pod)[STATUS]})"
    return _explain_decision(pod, pod, inputs, decision)._replace(verdict=verdict, rules=())


def _explain_workload(workload: JsonObject, inputs: ExplainInputs) -> Explanation:
    pod_template = next(iter(pod_templates(workload)))
    template = pod_template.pod
    decision = decide_live(template, inputs.admission, pod_template.claim_names())
    is_injected = decision.outcome is Outcome.INJECTED
    explanation = _explain_decision(workload, template, inputs, decision)
    return explanation._replace(
        remedy=remedy_for(decision, namespace_of(workload), workload),
        verdict=f"its pods are injected ({decision.mode}) when they are created" if is_injected else "",
        notes=(*explanation.notes, *map(str, misplaced_keys_of(workload))),
    )


def _explain_namespace(cluster: KubeClient, inputs: ExplainInputs) -> Explanation:
    namespace = inputs.admission.namespace
    name, label = name_of(namespace), namespace_label_of(namespace)
    # A pod that requests Docker shows what its namespace decides.
    probe = {"metadata": {"annotations": {INJECT: Mode.SIDECAR.value}}, "spec": {"containers": [{"name": "build"}]}}
    probe_decision = decide_live(probe, inputs.admission)
    is_called = reaches_webhook(probe_decision)
    decision = Decision(Reason.INJECTED) if is_called else probe_decision
    return Explanation(
        title=f"Namespace {name}",
        name=f"namespace/{name}",
        namespace=name,
        inputs=((f"namespace label {INJECT}", label or "absent"),),
        decision=decision,
        remedy=remedy_for(decision, name, {"kind": "Namespace", "metadata": {"name": name}}),
        verdict=_namespace_verdict(label) if is_called else "",
        notes=(*_list_notes(inputs, probe, decision), *_list_pods(cluster, name, inputs.admission)),
        rules=NAMESPACE_RULES,
        configuration_known=_is_configuration_known(inputs),
    )


def _namespace_verdict(label: str) -> str:
    if label in set(Mode):
        return f"every pod gets Docker ({label}), unless it has {INJECT}: disabled"
    return f"pods that have {INJECT}: sidecar or daemonset get Docker"


def _list_pods(cluster: KubeClient, namespace: str, admission: AdmissionInputs) -> list[str]:
    lines: list[str] = []
    for pod in cluster.items(f"/api/v1/namespaces/{namespace}/pods"):
        if len(lines) == _MAX_PODS:
            lines.append("and more; `dind-webhook explain pod/NAME` explains one")
            break
        decision = decide_live(pod, admission)
        state = "has Docker" if has_docker(pod) else f"has no Docker; created now: {describe(decision)}"
        lines.append(f"pod/{name_of(pod)} {state}")
    return lines


def _list_notes(inputs: ExplainInputs, pod: JsonObject, decision: Decision) -> tuple[str, ...]:
    notes = list(inputs.notes)
    if decision.reason is Reason.NOT_SELECTED and (exclusion := find_exclusion(pod, inputs.admission)):
        notes.insert(0, exclusion)
    if reaches_webhook(decision):
        notes += (
            f"match condition {name} is the operator's own; only the API server can evaluate it"
            for name in custom_match_conditions(inputs.admission)
        )
    if decision.outcome is Outcome.INJECTED and (problem := pod_security_problem(inputs.admission.namespace)):
        notes.append(f"{problem}; {pod_security_fix(name_of(inputs.admission.namespace))}")
    return tuple(notes)


def _is_configuration_known(inputs: ExplainInputs) -> bool:
    """Return whether the configuration can be evaluated here: it was read, and has only our match conditions."""
    return inputs.admission.configuration is not None and not custom_match_conditions(inputs.admission)
