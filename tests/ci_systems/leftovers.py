"""What a pod leaves on the second node, and in the daemon of the node."""

from pathlib import Path

from cluster import configs, local_node, release
from cluster.cluster import Cluster
from cluster.commands import Command, output_of
from kube import Namespace, Pod, until
from page_examples import examples

# kubelet removes a pod's directories some time after the pod, and its stopped sandbox when it collects garbage, each
# minute: a pod that is gone after 30 s has a container for up to 60 s more.
_SECONDS = 120
_LIST = """\
docker ps --all --format 'container {{.State}} {{.Image}} {{.Labels}}'
docker network ls --format 'network {{.Name}}'
docker image ls --format 'image {{.Repository}}'
"""


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


def check_after_build(namespace: Namespace, mode: str) -> None:
    """In daemonset mode, check that a job that has removed what it made left nothing in the daemon of the node."""
    # In sidecar mode a job never uses that daemon.
    if mode == "daemonset":
        left = in_daemon_of_node(namespace)
        assert not left, left


def check_after_cancellation(node: Cluster, namespace: Namespace, pods: list[str], mode: str) -> None:
    """Wait as `until_gone`. In daemonset mode the container of `LONG` goes on, as docs/ci.md says: remove it."""
    until_gone(node, namespace, pods)
    if mode == "daemonset":
        left = in_daemon_of_node(namespace)
        assert left == [f"container running busybox job={namespace.name}"], left
        remove_from_daemon_of_node(namespace)


def in_daemon_of_node(namespace: Namespace) -> list[str]:
    """Return what jobs have left in the daemon of the second node, if their $TAG is the name of this namespace."""
    lines = daemon_of_node(namespace).exec(_LIST, "dind").splitlines()
    return [line for line in lines if namespace.name in line]


def remove_from_daemon_of_node(namespace: Namespace) -> None:
    """Remove the containers that jobs have left, with the commands of docs/ci.md."""
    _, commands = examples("Containers that outlive their job")
    daemon_of_node(namespace).exec(commands.replace("job=build", f"job={namespace.name}"), "dind")
    left = in_daemon_of_node(namespace)
    assert not left, left


def daemon_of_node(namespace: Namespace) -> Pod:
    """Return the pod of the chart's DaemonSet on the second node."""
    (pod,) = namespace.kube.core.list_namespaced_pod(
        release.NAMESPACE,
        label_selector=f"app.kubernetes.io/instance={release.NAME},app.kubernetes.io/component=dind",
        field_selector=f"spec.nodeName={local_node.NAME}",
    ).items
    return Pod(namespace.kube, release.NAMESPACE, pod.metadata.name)


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
