"""Pods that request Docker, and their daemons."""

from collections.abc import Iterator

from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.expected_webhook import WEBHOOK_NAME_SUFFIX
from dind_webhook.diagnostics.explain import (
    AdmissionInputs,
    annotation_command,
    explain_missing_docker,
    has_docker,
    misplaced_keys_of,
    recreation_hint,
    requests_docker,
)
from dind_webhook.diagnostics.snapshot import (
    Snapshot,
    annotations_of,
    container_statuses_of,
    has_finished,
    name_of,
    namespace_of,
)
from dind_webhook.injection import DISABLED, INJECT, find_own_daemon
from dind_webhook.model import JsonObject, read_pod

_MAX_PODS = 20


def check_pods_have_docker(snapshot: Snapshot) -> Iterator[Problem]:
    namespaces = {name_of(namespace): namespace for namespace in snapshot.namespaces}
    count = 0
    for pod in snapshot.pods:
        if has_docker(pod) or not requests_docker(pod) or has_finished(pod):
            continue
        namespace = namespaces.get(namespace_of(pod))
        if namespace is None:
            continue
        count += 1
        if count > _MAX_PODS:
            continue
        reason, fix = explain_missing_docker(
            pod,
            AdmissionInputs(namespace, snapshot.configuration, snapshot.injection_policy, snapshot.injecting_policies),
        )
        yield Problem(f"pod {namespace_of(pod)}/{name_of(pod)}: {reason}", {"fix": fix})
    if count > _MAX_PODS:
        yield Problem(f"and {count - _MAX_PODS} more", {"fix": "use --namespace to see the pods of one namespace"})


def check_annotation_on_template(snapshot: Snapshot) -> Iterator[Problem]:
    for workload in snapshot.workloads:
        for each in misplaced_keys_of(workload):
            location = f"{workload['kind']} {namespace_of(workload)}/{name_of(workload)}"
            yield Problem(
                f"{location} has {each.key}: {each.value} itself, but its pod template has not",
                {"fix": annotation_command(workload, each.key, str(each.value))},
            )


def check_not_denied(snapshot: Snapshot) -> Iterator[Problem]:
    # The same event is repeated for the same object.
    seen: set[str] = set()
    for event in snapshot.events:
        message = str(event.get("message", ""))
        if WEBHOOK_NAME_SUFFIX not in message and f": {INJECT}: " not in message:
            continue
        involved = event.get("involvedObject") or {}
        location = f"{involved.get('kind')} {involved.get('namespace')}/{involved.get('name')}"
        if location not in seen:
            seen.add(location)
            yield Problem(f"{location}: {message}")


def check_daemons_run(snapshot: Snapshot) -> Iterator[Problem]:
    name = snapshot.injection_policy.container_name
    for pod in snapshot.pods:
        if not has_docker(pod):
            continue
        for container in container_statuses_of(pod):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if container["name"] == name and waiting.get("reason") not in (
                None,
                "PodInitializing",
                "ContainerCreating",
            ):
                yield Problem(
                    f"pod {namespace_of(pod)}/{name_of(pod)}: container {name} is in {waiting['reason']}",
                    {"fix": _logs_fix(pod, name)},
                )
    for pod in snapshot.pods:
        if has_docker(pod) and _lacks_restart_policy(pod, name):
            yield Problem(
                f"pod {namespace_of(pod)}/{name_of(pod)}: init container {name} has lost its restartPolicy: Always, "
                "so the pod never starts",
                {"fix": f"fix the webhook or policy that removes the field, then {recreation_hint(pod)}"},
            )


def check_no_own_daemons(snapshot: Snapshot) -> Iterator[Problem]:
    injected_name = snapshot.injection_policy.container_name
    for pod in snapshot.pods:
        if annotations_of(pod).get(INJECT) == DISABLED:
            continue
        daemon = find_own_daemon(read_pod(pod), injected_name if has_docker(pod) else None)
        if daemon is None:
            continue
        location = f"{namespace_of(pod)}/{name_of(pod)}"
        yield Problem(
            f"pod {location}: container {daemon.container} runs a Docker daemon of its own ({daemon.evidence})",
            {"namespace": namespace_of(pod)},
        )


def _logs_fix(pod: JsonObject, container: str) -> str:
    kubectl, name = f"kubectl -n {namespace_of(pod)}", name_of(pod)
    return f"see `{kubectl} logs {name} -c {container} --previous` and `{kubectl} describe pod {name}`"


def _lacks_restart_policy(pod: JsonObject, name: str) -> bool:
    containers = pod["spec"].get("initContainers") or []
    return any(container["name"] == name and container.get("restartPolicy") != "Always" for container in containers)


CHECKS: tuple[Check, ...] = (
    Check(
        name="pods-have-docker",
        category=Category.PODS,
        statement="Every pod that asks for Docker has it",
        hint="{fix}",
        requires=("namespaces", "pods"),
        find_problems=check_pods_have_docker,
    ),
    Check(
        name="annotation-on-template",
        category=Category.PODS,
        statement="Workloads are annotated on their pod templates",
        hint="{fix}",
        requires=("workloads",),
        find_problems=check_annotation_on_template,
    ),
    Check(
        name="not-denied",
        category=Category.PODS,
        statement="No pod was denied recently",
        hint="change the pod template as the message says",
        requires=("events",),
        find_problems=check_not_denied,
    ),
    Check(
        name="daemons-run",
        category=Category.PODS,
        statement="The daemons of injected pods run",
        hint="{fix}",
        requires=("pods", "injection_policy"),
        find_problems=check_daemons_run,
    ),
    Check(
        name="no-own-daemons",
        category=Category.PODS,
        statement="No pod runs a Docker daemon of its own",
        hint=(
            "`dind-webhook migrate --namespace {namespace}` shows what to change; to keep the daemon, annotate the pod "
            "with dind.io/inject: disabled"
        ),
        requires=("pods", "injection_policy"),
        find_problems=check_no_own_daemons,
    ),
)
