"""What a pod leaves on the second node."""

from pathlib import Path

from cluster import configs
from cluster.cluster import Cluster
from cluster.commands import Command, output_of
from kube import Namespace, until

# kubelet removes a pod's directories some time after the pod, and its stopped sandbox when it collects garbage, each
# minute: a pod that is gone after 30 s has a container for up to 60 s more.
_SECONDS = 120


def uids(namespace: Namespace) -> list[str]:
    """Return the UIDs of the pods of a namespace."""
    return [pod.metadata.uid for pod in namespace.kube.core.list_namespaced_pod(namespace.name).items]


def until_gone(node: Cluster, namespace: Namespace, pods: list[str]) -> None:
    """Wait until no pod has one of these UIDs, and the node has no container and no mount of such a pod."""
    until(
        "the pods to be gone",
        lambda: not set(pods) & set(uids(namespace)),
        lambda: "\n".join(pod.describe() for pod in namespace.pods()),
        _SECONDS,
    )
    until("the node to be clean", lambda: not _leftovers(node, pods), lambda: str(_leftovers(node, pods)), _SECONDS)


def _leftovers(node: Cluster, pods: list[str]) -> list[str]:
    address = f"--address={configs.CONTAINERD_SOCKET}"
    ctr: Command = [node.binaries.containerd / "ctr", address, "--namespace=k8s.io", "containers", "ls"]
    containers = [
        f"container {name}"
        for pod in pods
        for name in output_of(
            "listing containers",
            node.sandbox.enter(*ctr, "--quiet", f'labels."io.kubernetes.pod.uid"=={pod}'),
            node.logs / "leftovers.log",
        ).split()
    ]
    mounts = Path(f"/proc/{node.sandbox.init_process.pid}/mountinfo").read_text().splitlines()
    return containers + [mount for mount in mounts if any(pod in mount for pod in pods)]
