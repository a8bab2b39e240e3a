"""`dind-webhook explain TYPE/NAME`, on an object in a cluster."""

import os
from pathlib import Path

from app.cli.explain import Explanation, inputs_of, print_explained
from app.cli.output import ExplainOutput, describe
from app.diagnostics import (
    AdmissionInputs,
    ExplainInputs,
    ResourceRef,
    Scope,
    collect_explain_inputs,
    custom_match_conditions,
    decide_live,
    find_exclusion,
    find_owner,
    has_docker,
    misplaced_keys_of,
    parse_resource_ref,
    pod_security_fix,
    pod_security_problem,
    recreation_hint,
    remedy_for,
)
from app.errors import NotFoundError
from app.injection import INJECT, NAMESPACE_RULES, RULES, STATUS, Decision, MisplacedKey, Mode, Outcome, Reason
from app.kube import KubeClient
from app.model import JsonObject, pod_templates
from app.settings import load_policy

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
    wanted = parse_resource_ref(target)
    cluster = KubeClient(kubeconfig, context)
    cluster.version()
    where = wanted.name if wanted.kind == "Namespace" else namespace or cluster.namespace
    collected = collect_explain_inputs(
        cluster, where, namespace_label, load_policy(config, os.environ) if config else None, Scope()
    )
    if wanted.kind == "Namespace":
        return print_explained([_namespace(cluster, collected)], [], output, color)
    try:
        found = {**cluster.get(wanted.path(where)), "kind": wanted.kind}
    except NotFoundError:
        raise NotFoundError(
            f"there is no {wanted.kind.lower()} {wanted.name} in namespace {where}",
            f"see `kubectl get {wanted.resource} --namespace {where}`, or choose another with --namespace",
        ) from None
    explained = _pod(cluster, found, collected) if wanted.kind == "Pod" else _workload(wanted, found, collected)
    return print_explained([explained], [], output, color)


def _label(admission: AdmissionInputs) -> str:
    return str((admission.namespace["metadata"].get("labels") or {}).get(INJECT, ""))


def _notes(collected: ExplainInputs, pod: JsonObject, decision: Decision) -> tuple[str, ...]:
    notes = list(collected.notes)
    if decision.reason is Reason.NOT_SELECTED and (exclusion := find_exclusion(pod, collected.admission)):
        notes.insert(0, exclusion)
    if decision.reason not in (Reason.NAMESPACE_NOT_OPTED_IN, Reason.NOT_SELECTED):
        notes += (
            f"match condition {name} is the operator's own; only the API server can evaluate it"
            for name in custom_match_conditions(collected.admission)
        )
    if decision.outcome is Outcome.INJECTED and (problem := pod_security_problem(collected.admission.namespace)):
        notes.append(f"{problem}; {pod_security_fix(collected.admission.namespace['metadata']['name'])}")
    return tuple(notes)


def _pod(cluster: KubeClient, pod: JsonObject, collected: ExplainInputs) -> Explanation:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    decision = decide_live(pod, collected.admission)
    inputs = inputs_of(_label(collected.admission), pod)
    change = remedy_for(decision.reason, namespace, pod)
    verdict, rules = "", RULES
    misplaced: list[MisplacedKey] = []
    if has_docker(pod):
        status = pod["metadata"]["annotations"][STATUS]
        verdict = f"it has Docker: injected when it was created ({status})"
        # The rules would judge the pod as if it were created again; what ran is in the status annotation.
        decision, change, rules = Decision(Reason.INJECTED, decision.mode), "", ()
    elif decision.outcome is Outcome.INJECTED:
        verdict = f"it has no Docker, but would be injected ({decision.mode}) if it were created now"
        change = recreation_hint(pod)
    elif decision.reason is Reason.NOT_REQUESTED and (owner := find_owner(cluster, pod, namespace)):
        misplaced = misplaced_keys_of(owner)
        change = remedy_for(decision.reason, namespace, owner)
    elif change:
        change = f"{change}, then {recreation_hint(pod)}"
    return Explanation(
        title=f"Pod {namespace}/{name}",
        name=f"pod/{name}",
        namespace=namespace,
        inputs=inputs,
        decision=decision,
        change=change,
        verdict=verdict,
        notes=(*_notes(collected, pod, decision), *map(str, misplaced)),
        rules=rules,
        configuration_known=_is_known(collected),
    )


def _is_known(collected: ExplainInputs) -> bool:
    """Return whether the webhook configuration can be judged here: it was read, and has only our match conditions."""
    return collected.admission.configuration is not None and not custom_match_conditions(collected.admission)


def _workload(target: ResourceRef, workload: JsonObject, collected: ExplainInputs) -> Explanation:
    namespace = workload["metadata"]["namespace"]
    template = next(iter(pod_templates(workload))).pod
    decision = decide_live(template, collected.admission)
    inputs = inputs_of(_label(collected.admission), template)
    change = remedy_for(decision.reason, namespace, workload)
    verdict = f"its pods are injected ({decision.mode}) when they are created" if not change else ""
    if decision.outcome is not Outcome.INJECTED:
        verdict = ""
    return Explanation(
        title=f"{target.kind} {namespace}/{target.name}",
        name=f"{target.kind.lower()}/{target.name}",
        namespace=namespace,
        inputs=inputs,
        decision=decision,
        change=change,
        verdict=verdict,
        notes=(*_notes(collected, template, decision), *map(str, misplaced_keys_of(workload))),
        configuration_known=_is_known(collected),
    )


def _namespace(cluster: KubeClient, collected: ExplainInputs) -> Explanation:
    admission = collected.admission
    name, label = admission.namespace["metadata"]["name"], _label(admission)
    # A pod that requests Docker shows what its namespace decides.
    probe = {"metadata": {"annotations": {INJECT: Mode.SIDECAR.value}}, "spec": {"containers": [{"name": "build"}]}}
    decision = decide_live(probe, admission)
    if decision.reason not in (Reason.NAMESPACE_NOT_OPTED_IN, Reason.NOT_SELECTED):
        decision = Decision(Reason.INJECTED)
    verdict = ""
    if decision.outcome is Outcome.INJECTED:
        who = (
            f"every pod gets a {label}"
            if label in set(Mode)
            else f"pods that say {INJECT}: sidecar or daemonset get it"
        )
        verdict = who + (f", unless it says {INJECT}: disabled" if label in set(Mode) else "")
    change = remedy_for(decision.reason, name, {"kind": "Namespace", "metadata": {"name": name}})
    return Explanation(
        title=f"Namespace {name}",
        name=f"namespace/{name}",
        namespace=name,
        inputs=((f"namespace label {INJECT}", label or "absent"),),
        decision=decision,
        change=change,
        verdict=verdict,
        notes=(*_notes(collected, probe, decision), *_list_pods(cluster, name, admission)),
        rules=NAMESPACE_RULES,
        configuration_known=_is_known(collected),
    )


def _list_pods(cluster: KubeClient, namespace: str, admission: AdmissionInputs) -> list[str]:
    lines: list[str] = []
    for pod in cluster.items(f"/api/v1/namespaces/{namespace}/pods"):
        if len(lines) == _MAX_PODS:
            lines.append("and more; `dind-webhook explain pod/NAME` looks at one")
            break
        decision = decide_live(pod, admission)
        state = "has Docker" if has_docker(pod) else f"has no Docker; created now: {describe(decision)}"
        lines.append(f"pod/{pod['metadata']['name']} {state}")
    return lines
