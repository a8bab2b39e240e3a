"""Reads the injected pods of a cluster, and the use of their daemons where metrics.k8s.io is available."""

from typing import NamedTuple

from dind_webhook.diagnostics.collect.reader import ClusterApi, describe_read_error
from dind_webhook.diagnostics.injected_pods import InjectedPod, read_injected_pod, read_usage
from dind_webhook.diagnostics.resource_ref import collection_path, namespace_prefix
from dind_webhook.errors import ApiError, ForbiddenError
from dind_webhook.injection import INJECTED

# Pods that have ended use nothing.
_RUNNING = "status.phase!=Succeeded,status.phase!=Failed"


class InjectedPods(NamedTuple):
    """Injected pods, sorted by namespace and name, and why their usage is not known; empty if it is."""

    pods: tuple[InjectedPod, ...]
    usage_problem: str


def collect_injected_pods(cluster: ClusterApi, namespace: str | None) -> InjectedPods:
    """Read the injected pods of a namespace, or of all, that have not ended.

    Only they are read, page by page. ForbiddenError without the right to list pods.
    """
    try:
        listed = cluster.items(collection_path("Pod", namespace), labelSelector=INJECTED, fieldSelector=_RUNNING)
        pods = [injected for pod in listed if (injected := read_injected_pod(pod))]
    except ForbiddenError as error:
        raise ForbiddenError(
            str(error), "choose a namespace with --namespace, or ask for the rights in deploy/rbac/list.yaml"
        ) from None
    usage_problem = ""
    if any(pod.container for pod in pods):
        try:
            path = f"/apis/metrics.k8s.io/v1beta1/{namespace_prefix(namespace)}pods"
            usage = read_usage(cluster.items(path, labelSelector=INJECTED))
            pods = [pod._replace(usage=usage.get((pod.namespace, pod.name, pod.container), pod.usage)) for pod in pods]
        except ApiError as error:
            usage_problem = describe_read_error(error)
    return InjectedPods(tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name))), usage_problem)
