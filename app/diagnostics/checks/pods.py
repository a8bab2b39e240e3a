"""Pods that asked for Docker, and what became of them."""

from collections.abc import Iterator

from app.diagnostics.check import Category, Check, Problem
from app.diagnostics.expected_webhook import ENTRY_SUFFIX
from app.diagnostics.explain import (
    AdmissionInputs,
    annotate_template,
    asks,
    has_docker,
    misplaced,
    recreate,
    without_docker,
)
from app.diagnostics.snapshot import Snapshot, name_of, namespace_of
from app.injection import INJECT
from app.model import JsonObject

_MOST = 20
_OVER = ("Succeeded", "Failed")


def _have_docker(snapshot: Snapshot) -> Iterator[Problem]:
    namespaces = {name_of(one): one for one in snapshot.namespaces}
    found = 0
    for pod in snapshot.pods:
        if has_docker(pod) or not asks(pod) or (pod.get("status") or {}).get("phase") in _OVER:
            continue
        namespace = namespaces.get(namespace_of(pod))
        if namespace is None:
            continue
        found += 1
        if found > _MOST:
            continue
        why, do = without_docker(pod, AdmissionInputs(namespace, snapshot.configuration, snapshot.policy))
        yield Problem(f"pod {namespace_of(pod)}/{name_of(pod)}: {why}", {"do": do})
    if found > _MOST:
        yield Problem(f"and {found - _MOST} more", {"do": "choose a namespace with --namespace to see them"})


def _annotated_where_it_counts(snapshot: Snapshot) -> Iterator[Problem]:
    for workload in snapshot.workloads:
        if (said := misplaced(workload)) is not None:
            place = f"{workload['kind']} {namespace_of(workload)}/{name_of(workload)}"
            yield Problem(
                f"{place} says {INJECT}: {said} itself, its pod template does not",
                {"do": annotate_template(workload, said)},
            )


def _not_denied(snapshot: Snapshot) -> Iterator[Problem]:
    # An event is told again and again; its object is the same.
    seen = set()
    for event in snapshot.events:
        message = str(event.get("message", ""))
        if ENTRY_SUFFIX not in message and f": {INJECT}: " not in message:
            continue
        involved = event.get("involvedObject") or {}
        place = f"{involved.get('kind')} {involved.get('namespace')}/{involved.get('name')}"
        if place not in seen:
            seen.add(place)
            yield Problem(f"{place}: {message}")


def _daemons_run(snapshot: Snapshot) -> Iterator[Problem]:
    name = snapshot.policy.container_name
    for pod in snapshot.pods:
        if not has_docker(pod):
            continue
        status = pod.get("status") or {}
        for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = (one.get("state") or {}).get("waiting") or {}
            if one["name"] == name and waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
                yield Problem(
                    f"pod {namespace_of(pod)}/{name_of(pod)}: container {name} is in {waiting['reason']}",
                    {"do": _look(pod, name)},
                )
    for pod in snapshot.pods:
        if has_docker(pod) and _never_starts(pod, name):
            yield Problem(
                f"pod {namespace_of(pod)}/{name_of(pod)}: init container {name} has lost its restartPolicy: Always, "
                "so the pod never starts",
                {"do": f"have the webhook or policy updated that drops the field, then {recreate(pod)}"},
            )


def _look(pod: JsonObject, container: str) -> str:
    where, name = f"kubectl -n {namespace_of(pod)}", name_of(pod)
    return f"`{where} logs {name} -c {container} --previous` and `{where} describe pod {name}` say why"


def _never_starts(pod: JsonObject, name: str) -> bool:
    inits = pod["spec"].get("initContainers") or []
    return any(one["name"] == name and one.get("restartPolicy") != "Always" for one in inits)


CHECKS: tuple[Check, ...] = (
    Check(
        "pods-have-docker",
        Category.PODS,
        "Every pod that asks for Docker has it",
        False,
        "{do}",
        ("namespaces", "pods"),
        _have_docker,
    ),
    Check(
        "annotation-on-template",
        Category.PODS,
        "Workloads are annotated on their pod templates",
        False,
        "{do}",
        ("workloads",),
        _annotated_where_it_counts,
    ),
    Check(
        "not-denied",
        Category.PODS,
        "No pod was denied lately",
        False,
        "the message says what to change in the pod template",
        ("events",),
        _not_denied,
    ),
    Check(
        "daemons-run",
        Category.PODS,
        "The daemons of injected pods run",
        False,
        "{do}",
        ("pods", "policy"),
        _daemons_run,
    ),
)
