"""Reads the pods and workloads of a cluster for `migrate`: each workload once, not the objects that it controls."""

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from dind_webhook.diagnostics.collect.reader import ClusterApi
from dind_webhook.diagnostics.resource_ref import collection_path
from dind_webhook.diagnostics.snapshot import (
    container_statuses_of,
    controller_of,
    describe_controller,
    has_finished,
    name_of,
    namespace_of,
)
from dind_webhook.errors import NotFoundError
from dind_webhook.model import JsonObject, PodTemplate, pod_templates

_T = TypeVar("_T")
# Kind, namespace and name
_Key: TypeAlias = tuple[str, str, str]

# The kinds that are read, and the group and version of each. deploy/rbac/migrate.yaml grants these.
WORKLOADS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
}
_FINISHED_CONDITIONS = ("Complete", "Failed")


class LiveWorkload(NamedTuple, Generic[_T]):
    """An object of a cluster, and what `examine` returned for its pod template.

    `owner` is the kind and name of a controller of a kind that is not read, or empty. `is_reference` says that the
    object is such a controller itself, of which only the kind, the namespace and the name are known.
    """

    resource: JsonObject
    pointer: str
    examined: _T
    owner: str
    state: str
    is_reference: bool = False


def read_workloads(
    cluster: ClusterApi, namespace: str | None, examine: Callable[[PodTemplate], _T | None]
) -> Iterator[LiveWorkload[_T]]:
    """Yield the workloads of a namespace, or of all, for whose pod template `examine` returns a value.

    Finished Jobs and pods are skipped. Pods are read last, and only those that no workload controls are examined.
    """
    controllers: dict[_Key, JsonObject | None] = {}
    found = dict(_examine_workloads(cluster, namespace, examine, controllers))
    waiting: dict[_Key, str] = {}
    for pod in _items(cluster, "Pod", namespace):
        if has_finished(pod):
            continue
        key, controller = _climb(pod, controllers)
        if key in controllers:
            waiting[key] = waiting.get(key) or _describe_waiting(pod)
        elif key not in found and (examined := examine(_as_template(pod))) is not None:
            found[key] = _describe_pod(pod, key, controller, examined)
    for key, each in found.items():
        reason = waiting.get(key)
        yield each._replace(state=f"{each.state}, {reason}") if reason else each


def _examine_workloads(
    cluster: ClusterApi,
    namespace: str | None,
    examine: Callable[[PodTemplate], _T | None],
    controllers: dict[_Key, JsonObject | None],
) -> Iterator[tuple[_Key, LiveWorkload[_T]]]:
    """Yield the workloads that none of these kinds controls, and enter the controller of each into `controllers`."""
    for kind, version in WORKLOADS.items():
        for each in _items(cluster, kind, namespace):
            key, controller = _key(kind, each), controller_of(each)
            controllers[key] = controller
            if _is_read(controller) or (kind == "Job" and _has_job_finished(each)):
                continue
            resource = {**each, "apiVersion": version, "kind": kind}
            for template in pod_templates(resource):
                if (examined := examine(template)) is not None:
                    state = _describe_replicas(kind, each)
                    owner = describe_controller(controller)
                    yield key, LiveWorkload(resource, template.pointer, examined, owner, state)


def _as_template(pod: JsonObject) -> PodTemplate:
    return PodTemplate({**pod, "kind": "Pod"}, "", pod)


def _items(cluster: ClusterApi, kind: str, namespace: str | None) -> Iterator[JsonObject]:
    try:
        yield from cluster.items(collection_path(kind, namespace))
    except NotFoundError:
        # An API server that does not serve this kind has no objects of it.
        return


def _key(kind: str, resource: JsonObject) -> _Key:
    return kind, namespace_of(resource), name_of(resource)


def _is_read(controller: JsonObject | None) -> bool:
    """Return whether a controller is of a kind that is read."""
    return controller is not None and WORKLOADS.get(controller["kind"]) == controller.get("apiVersion")


def _climb(pod: JsonObject, controllers: dict[_Key, JsonObject | None]) -> tuple[_Key, JsonObject | None]:
    """Return the key of the highest workload above a pod, or of its controller of another kind, and that controller."""
    key, controller = _key("Pod", pod), controller_of(pod)
    while controller is not None and _is_read(controller):
        key = (controller["kind"], namespace_of(pod), controller["name"])
        controller = controllers.get(key)
    if key[0] == "Pod" and controller is not None:
        return (controller["kind"], namespace_of(pod), controller["name"]), controller
    return key, controller


def _describe_pod(pod: JsonObject, key: _Key, controller: JsonObject | None, examined: _T) -> LiveWorkload[_T]:
    state = _describe_waiting(pod) or _phase(pod).lower()
    if controller is None:
        return LiveWorkload({**pod, "apiVersion": "v1", "kind": "Pod"}, "", examined, "", state)
    kind, namespace, name = key
    metadata = {"namespace": namespace, "name": name}
    reference = {"apiVersion": controller.get("apiVersion"), "kind": kind, "metadata": metadata}
    return LiveWorkload(reference, "", examined, "", f"pod {name_of(pod)}: {state}", is_reference=True)


def _phase(pod: JsonObject) -> str:
    return str((pod.get("status") or {}).get("phase") or "Unknown")


def _describe_waiting(pod: JsonObject) -> str:
    """Return why a pod is not running, as its status says, or an empty text."""
    for container in container_statuses_of(pod):
        if waiting := (container.get("state") or {}).get("waiting"):
            return str(waiting.get("reason") or "")
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((str(each.get("reason") or "") for each in conditions if each.get("type") == "PodScheduled"), "")


def _has_job_finished(job: JsonObject) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(each.get("type") in _FINISHED_CONDITIONS and each.get("status") == "True" for each in conditions)


def _describe_replicas(kind: str, resource: JsonObject) -> str:
    spec, status = resource.get("spec") or {}, resource.get("status") or {}
    if kind == "DaemonSet":
        return f"ready {status.get('numberReady', 0)}/{status.get('desiredNumberScheduled', 0)}"
    if kind == "CronJob":
        return "suspended" if spec.get("suspend") else f"active {len(status.get('active') or ())}"
    if kind == "Job":
        return f"active {status.get('active', 0)}"
    return f"ready {status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"
